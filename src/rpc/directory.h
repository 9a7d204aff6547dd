// What the interfaces must know of the server, declared here and implemented above.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "rpc/caller_info.h"
#include "wire/dtyp/security_descriptor.h"
#include "wire/dtyp/sid.h"

namespace braid::rpc {

// Several calls may come at once: implementations are safe for any thread. They may wait for a name
// service, so they come on threads of the worker pool.

// [MS-SRVS] 2.2.2.4 "Share Types".
enum class ShareType : uint32_t { kDisk = 0, kPrintQueue = 1, kDevice = 2, kIpc = 3 };

inline constexpr uint32_t kNoLimit = 0xffffffff;

struct ShareEntry {
  std::string name;
  std::string comment;
  std::string path;  // as administrators see it
  ShareType type = ShareType::kDisk;
  bool hidden = false;     // STYPE_SPECIAL: IPC$, and names that end in $
  bool browseable = true;  // in lists; who names it is told of it all the same
  uint32_t max_uses = kNoLimit;
  uint32_t current_uses = 0;
  uint32_t flags = 0;  // shi1005_flags: [MS-SRVS] 2.2.4.29 "SHARE_INFO_1005"
  std::optional<wire::SecurityDescriptor> security_descriptor;
};

class ShareCatalog {
 public:
  virtual ~ShareCatalog() = default;
  // Those the caller may know of, IPC$ included, in the order to show.
  virtual std::vector<ShareEntry> shares(const CallerInfo& caller) const = 0;
  // Without regard to case.
  virtual std::optional<ShareEntry> find_share(const CallerInfo& caller,
                                               std::string_view name) const = 0;
};

// Rows of NetrSessionEnum, NetrConnectionEnum and NetrFileEnum. Times in seconds.
struct SessionEntry {
  std::string client;
  std::string user;
  uint32_t open_count = 0;
  uint32_t active_seconds = 0;
  uint32_t idle_seconds = 0;
  bool guest = false;
};
struct ConnectionEntry {
  uint32_t id = 0;
  ShareType type = ShareType::kDisk;
  uint32_t open_count = 0;
  uint32_t user_count = 0;
  uint32_t active_seconds = 0;
  std::string user;
  std::string share;
  std::string client;
};
struct OpenFileEntry {
  uint32_t id = 0;
  uint32_t permissions = 0;  // 1 read, 2 write, 4 create
  uint32_t lock_count = 0;
  std::string path;
  std::string user;
};

// Lists are for administrators; the interface checks that before it asks.
class SessionCatalog {
 public:
  virtual ~SessionCatalog() = default;
  virtual std::vector<SessionEntry> sessions() const = 0;
  virtual std::vector<ConnectionEntry> connections() const = 0;
  virtual std::vector<OpenFileEntry> open_files() const = 0;
};

// The server as it presents itself.
struct ServerFacts {
  std::string netbios_name;     // "FILES": also the name of its own account domain
  std::string dns_host_name;    // "files.example.com"; may be empty
  std::string workgroup;        // NetBIOS name of the workgroup or domain
  std::string dns_domain_name;  // empty outside a domain
  std::string comment;
  wire::Sid account_domain_sid;                 // S-1-5-21-a-b-c of local accounts
  std::optional<wire::Sid> primary_domain_sid;  // when joined to a domain
  Guid primary_domain_guid;
  uint32_t version_major = 6;
  uint32_t version_minor = 1;
};

class ServerIdentity {
 public:
  virtual ~ServerIdentity() = default;
  virtual ServerFacts facts() const = 0;
};

// [MS-LSAT] 2.2.13 "SID_NAME_USE", [MS-SAMR] 2.2.2.3 "SID_NAME_USE".
enum class AccountType : uint16_t {
  kUser = 1,
  kGroup = 2,
  kDomain = 3,
  kAlias = 4,
  kWellKnownGroup = 5,
  kDeletedAccount = 6,
  kInvalid = 7,
  kUnknown = 8,
  kComputer = 9,
};

struct Account {
  std::string domain;  // "FILES", "BUILTIN", "NT AUTHORITY", "Unix User"; may be empty
  std::string name;
  wire::Sid sid;
  AccountType type = AccountType::kUser;
  std::string full_name;
  std::string description;
  bool disabled = false;
};

// Accounts beyond the well-known ones, which the interfaces know by themselves.
class AccountDirectory {
 public:
  virtual ~AccountDirectory() = default;
  // `domain` may be empty: any. Without regard to case.
  virtual std::optional<Account> find_account(std::string_view domain,
                                              std::string_view name) const = 0;
  virtual std::optional<Account> find_account(const wire::Sid& sid) const = 0;
  // Users, and groups, of the server's own domain, by RID upward.
  virtual std::vector<Account> users() const = 0;
  virtual std::vector<Account> groups() const = 0;
  // Groups of a user in the server's own domain.
  virtual std::vector<wire::Sid> groups_of(const wire::Sid& user) const = 0;
};

// Everything together, for handing down. All outlive every pipe.
struct Directory {
  const ServerIdentity& identity;
  const ShareCatalog& shares;
  const SessionCatalog& sessions;
  const AccountDirectory& accounts;
  const Clock& clock;
};

}  // namespace braid::rpc

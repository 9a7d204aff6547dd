// Config: what the administrator asked for, as an immutable snapshot.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/access_rule.h"
#include "config/audit_kind.h"
#include "config/interface_rule.h"

namespace braid::config {

// [MS-SMB2] 2.2.3 "SMB2 NEGOTIATE Request", Dialects. The values are those on the wire.
enum class Dialect : uint16_t {
  k2_0_2 = 0x0202,
  k2_1 = 0x0210,
  k3_0 = 0x0300,
  k3_0_2 = 0x0302,
  k3_1_1 = 0x0311,
};
enum class Signing : uint8_t { kEnabled, kRequired };
// kOff: the server does not ask for encryption; a client or a share that wants it gets it.
// kDesired: every session whose client can is encrypted. kRequired: others are refused.
enum class Encryption : uint8_t { kOff, kDesired, kRequired };
// Where Windows does not do what the specification says, which of the two a share follows.
enum class Compat : uint8_t { kSpec, kWindows };
// kSpec: whatever was not acknowledged goes to the next channel. kWindows: lease breaks do, oplock
// breaks are sent once, on the channel that was bound last.
enum class BreakRetry : uint8_t { kSpec, kWindows };
// [MS-SMB2] 2.2.3.1.3 "SMB2_COMPRESSION_CAPABILITIES". The values are those on the wire.
enum class Compression : uint16_t {
  kLznt1 = 0x0001,
  kLz77 = 0x0002,
  kLz77Huffman = 0x0003,
  kPatternV1 = 0x0004,
  kLz4 = 0x0005,
};
// Which answers of a share are compressed: none, those that the client asks it of, or all.
enum class Compress : uint8_t { kOff, kAsked, kAlways };
// Who else works on the files of a share, and so what clients may cache of it. kNone: nobody.
// kNotify: programs that clients hear of afterwards. kStrict: programs that the kernel holds off
// while a client caches what is in their way.
enum class LocalAccess : uint8_t { kNone, kNotify, kStrict };
// Which symbolic links the server follows itself: none, or those that stay inside the share.
enum class FollowSymlinks : uint8_t { kNever, kInside };
// How names with marks on their letters are found: as they are written, or however that is.
enum class NameNormalization : uint8_t { kExact, kAny };
enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// Where to accept connections: an address in numbers and a port.
struct Endpoint {
  std::string address;  // "127.0.0.1", "::1", "0.0.0.0"
  uint16_t port = 0;    // 0 lets the kernel choose
  bool operator==(const Endpoint&) const = default;
};

// [server]. The member defaults are the values of keys that are not given.
struct Server {
  std::vector<Endpoint> listen{{"0.0.0.0", 445}, {"::", 445}};
  std::string state_dir = "/var/lib/braid";
  std::string name;  // never empty in a loaded Config: the host name stands in
  Dialect min_dialect = Dialect::k3_0;
  Dialect max_dialect = Dialect::k3_1_1;
  Signing signing = Signing::kRequired;
  Encryption encryption = Encryption::kOff;
  uint32_t workers = 1;
  uint32_t threads = 0;                   // per worker; 0 means one per core
  uint32_t memory_limit_mib = 0;          // of all workers; 0 means half of what there is
  std::string keytab;                     // empty: no Kerberos
  uint32_t min_uid = 1000;                // of whoever logs on, where the server is root
  std::vector<InterfaceRule> interfaces;  // empty: every address, as the kernel shows it
  BreakRetry break_retry = BreakRetry::kSpec;
  // What is spoken, and what answers are compressed with: the first that the client has. Empty:
  // off.
  std::vector<Compression> compression{Compression::kLz4, Compression::kLz77,
                                       Compression::kLz77Huffman, Compression::kLznt1,
                                       Compression::kPatternV1};
  bool witness = false;            // clients are told of addresses that go
  uint32_t witness_port = 49'152;  // of TCP; 0 lets the kernel choose
  uint32_t witness_port_used = 0;  // no key: the one that is listened to, of a running server
  uint32_t epm_port = 135;         // the endpoint mapper's, which says witness_port; 0 as well
  bool rdma = false;               // SMB Direct, on the addresses of listen
  uint32_t rdma_port = 445;        // of RDMA; 0 lets the system choose
  uint32_t rdma_memory_mib = 128;  // that the cards reach
  std::vector<HostRule> hosts;     // from where anybody may come; empty: from everywhere
  std::string cluster;             // the socket of this node's ctdbd; empty: there are no others
  std::string audit;               // a file or "journal"; empty: there is none
  bool discovery = true;           // braidctl announce tells the network of the server
  LogLevel log_level = LogLevel::kInfo;
};

// Of [[share]], what requests on it ask for: taken over as a whole by who makes a share of another.
struct ShareRules {
  std::string name;
  std::string path;  // absolute
  std::string comment;
  bool read_only = false;
  bool encrypt = false;
  bool change_notify = true;     // CHANGE_NOTIFY is answered
  bool hide_unreadable = false;  // listings leave out what the user may not read
  // Permission bits that new files and folders may have; not given: see smb2/security/new_mode.h.
  std::optional<uint32_t> create_mask;
  std::optional<uint32_t> directory_mask;
  Compat compat = Compat::kSpec;
  // Clients may have persistent handles, and what they write is on the disk when it is answered.
  bool continuous_availability = false;
  bool scale_out = false;  // clients may cache what they read, and nothing else
  Compress compress = Compress::kAsked;
  bool posix = true;  // with the SMB3 POSIX Extensions, for clients that have them
  LocalAccess local_access = LocalAccess::kNotify;
  bool local_locks = false;      // byte-range locks are the kernel's, too; with kStrict in any case
  std::vector<AllowRule> allow;  // who may use it; empty: whoever can log on
  std::vector<HostRule> hosts;   // from where; empty: from everywhere
  uint32_t max_connections = 0;  // TREE_CONNECTs at once; 0: no limit
  bool guest = false;            // who has no account may use it, without a password
  uint32_t recycle_days = 0;     // how long what clients delete is kept; 0: not at all
  AuditKinds audit;              // what of it is told, where there is an audit

  bool operator==(const ShareRules&) const = default;
};

// [[share]]
struct Share : ShareRules {
  bool streams = true;
  FollowSymlinks follow_symlinks = FollowSymlinks::kNever;
  std::vector<std::string> hidden_names;  // patterns with * and ?
  std::vector<std::string> veto_files;    // the same, of what is not there for clients
  NameNormalization name_normalization = NameNormalization::kExact;
  std::string force_group;   // a Unix group; empty: none
  std::string force_user;    // a Unix user; empty: each as who the account acts as
  uint32_t file_system = 0;  // its number on all nodes of a cluster; 0: none
  bool browseable = true;    // clients are told of it that ask which shares there are
  std::string snapshots;     // folder below path; empty: there are no previous versions
  // Macs are told that they can back up to it; how large they see it, 0: as large as it is. Not
  // given: they are not told.
  std::optional<uint32_t> time_machine_gib;

  bool operator==(const Share&) const = default;
};

// Shared as std::shared_ptr<const Config>; a reload makes a new one. Thread: any.
struct Config {
  std::string file;      // where it was read from, for messages
  uint64_t text_id = 0;  // of the text it was parsed from: another text has another
  Server server;
  std::vector<Share> shares;  // in file order, never IPC$

  // Share names compare as clients compare them, wire::fold(). Null when there is none.
  const Share* find_share(std::string_view name) const;
};
using Snapshot = std::shared_ptr<const Config>;

// One thing wrong with the file. text() is one line, "FILE:LINE: what is wrong; what to do".
struct Problem {
  std::string file;
  uint32_t line = 0;  // 0: about the file as a whole
  std::string message;
  std::string text() const;
};
using Problems = std::vector<Problem>;  // in order of line, never empty when returned

// What parse() looks at: the text alone, or also whether the paths it names are there. The folder
// of a share may be missing, as its disk may be away for a while; but it must not be a file.
enum class Checks : uint8_t { kTextOnly, kTextAndPaths };

// `file` only appears in messages.
std::expected<Snapshot, Problems> parse(std::string_view text, const std::string& file,
                                        Checks checks = Checks::kTextOnly);

// The text of `file`, for parse(): braidd reads it once and gives the same text to its workers.
std::expected<std::string, Problem> read_file(const std::string& file);

// A line for each share whose folder or group is not there, and for a keytab that does not answer.
std::vector<std::string> absent_shares(const Config& config);

// A line for each setting that another one leaves without effect.
std::vector<std::string> without_effect(const Config& config);

// Where the programs look for it unless told otherwise.
inline constexpr char kUsualFile[] = "/etc/braid/braid.toml";

// What is wrong when `state_dir` lies in the folder of a share, by their texts: who is not root
// cannot keep clients from reading and writing the accounts' passwords there. parse() with
// kTextAndPaths asks it then.
std::optional<Problem> state_in_share(const Config& config);

// read_file() and parse() with kTextAndPaths.
std::expected<Snapshot, Problems> load(const std::string& file);

}  // namespace braid::config

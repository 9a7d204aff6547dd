// A directory of plain values: for tests, and for a server whose facts do not change.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rpc/directory.h"

namespace braid::rpc {

// Fill the members before use. Thread: any, while nobody changes them.
class MemoryDirectory final : public ServerIdentity,
                              public ShareCatalog,
                              public SessionCatalog,
                              public AccountDirectory {
 public:
  ServerFacts server;
  std::vector<ShareEntry> share_list;
  std::vector<SessionEntry> session_list;
  std::vector<ConnectionEntry> connection_list;
  std::vector<OpenFileEntry> open_file_list;
  std::vector<Account> user_list;
  std::vector<Account> group_list;
  std::map<wire::Sid, std::vector<wire::Sid>> memberships;

  ServerFacts facts() const override { return server; }
  std::vector<ShareEntry> shares(const CallerInfo& caller) const override;
  std::optional<ShareEntry> find_share(const CallerInfo& caller,
                                       std::string_view name) const override;
  std::vector<SessionEntry> sessions() const override { return session_list; }
  std::vector<ConnectionEntry> connections() const override { return connection_list; }
  std::vector<OpenFileEntry> open_files() const override { return open_file_list; }
  std::optional<Account> find_account(std::string_view domain,
                                      std::string_view name) const override;
  std::optional<Account> find_account(const wire::Sid& sid) const override;
  std::vector<Account> users() const override { return user_list; }
  std::vector<Account> groups() const override { return group_list; }
  std::vector<wire::Sid> groups_of(const wire::Sid& user) const override;

  Directory directory(const Clock& clock = system_clock()) {
    return {*this, *this, *this, *this, clock};
  }
};

}  // namespace braid::rpc

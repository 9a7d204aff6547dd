// LiveDirectory: what the pipes say about the server.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/protocol.h"
#include "auth/id_mapper.h"
#include "auth/user_store.h"
#include "base/guarded.h"
#include "rpc/memory_directory.h"

namespace braid::smb2 {
class Server;
}

namespace braid::braidd {

// Facts and shares are the configuration's, replaced as a whole by a reload. Accounts and groups
// are asked for each time, as `braidctl user` and the system's own tools change them at any moment.
// Sessions and what they have open are those of all workers. Thread: any that may wait for a name
// service. Owned by the worker's server; outlives every pipe.
class LiveDirectory final : public rpc::ServerIdentity,
                            public rpc::ShareCatalog,
                            public rpc::SessionCatalog,
                            public rpc::AccountDirectory {
 public:
  // `users`, `ids`: outlive it. `min_uid`: below are the system's own groups, which are listed only
  // when an account is in them.
  LiveDirectory(rpc::MemoryDirectory first, const auth::UserStore& users, const auth::IdMapper& ids,
                uint32_t min_uid)
      : users_(users), ids_(ids), min_uid_(min_uid) {
    replace(std::move(first));
  }
  void replace(rpc::MemoryDirectory next) {
    *now_.lock() = std::make_shared<const rpc::MemoryDirectory>(std::move(next));
  }
  // From now on sessions are told: `engine` has those of this worker, whose place is `place`; the
  // others are asked by their sockets below `state_dir`. REQUIRES: no pipe is open yet.
  void watch(const smb2::Server& engine, const admin::WorkerPlace& place, std::string state_dir);
  rpc::Directory directory() { return {*this, *this, *this, *this, system_clock()}; }

  rpc::ServerFacts facts() const override { return now()->facts(); }
  std::vector<rpc::ShareEntry> shares(const rpc::CallerInfo& caller) const override {
    return now()->shares(caller);
  }
  std::optional<rpc::ShareEntry> find_share(const rpc::CallerInfo& caller,
                                            std::string_view name) const override {
    return now()->find_share(caller, name);
  }
  std::vector<rpc::SessionEntry> sessions() const override;
  std::vector<rpc::ConnectionEntry> connections() const override;
  std::vector<rpc::OpenFileEntry> open_files() const override;
  std::optional<rpc::Account> find_account(std::string_view domain,
                                           std::string_view name) const override;
  std::optional<rpc::Account> find_account(const wire::Sid& sid) const override;
  std::vector<rpc::Account> users() const override;
  std::vector<rpc::Account> groups() const override;
  std::vector<wire::Sid> groups_of(const wire::Sid& user) const override;

 private:
  std::shared_ptr<const rpc::MemoryDirectory> now() const { return *now_.lock(); }
  // The answers of all workers that give one, each an array.
  std::vector<nlohmann::json> ask(admin::Command command) const;
  rpc::Account account_of(const auth::User& user, uid_t uid) const;

  const auth::UserStore& users_;
  const auth::IdMapper& ids_;
  const uint32_t min_uid_;
  Guarded<std::shared_ptr<const rpc::MemoryDirectory>> now_;
  // Set by watch().
  const smb2::Server* engine_ = nullptr;
  admin::WorkerPlace place_;
  std::string state_dir_;
};

}  // namespace braid::braidd

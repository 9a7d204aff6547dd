// LiveDirectory: what the pipes say about the server, replaced as a whole by a reload.
#pragma once

#include <memory>

#include "base/guarded.h"
#include "rpc/memory_directory.h"

namespace braid::braidd {

// Thread: any. Owned by the worker's server; outlives every pipe.
class LiveDirectory final : public rpc::ServerIdentity,
                            public rpc::ShareCatalog,
                            public rpc::SessionCatalog,
                            public rpc::AccountDirectory {
 public:
  explicit LiveDirectory(rpc::MemoryDirectory first) { replace(std::move(first)); }
  void replace(rpc::MemoryDirectory next) {
    *now_.lock() = std::make_shared<const rpc::MemoryDirectory>(std::move(next));
  }
  rpc::Directory directory() { return {*this, *this, *this, *this, system_clock()}; }

  rpc::ServerFacts facts() const override { return now()->facts(); }
  std::vector<rpc::ShareEntry> shares(const rpc::CallerInfo& caller) const override {
    return now()->shares(caller);
  }
  std::optional<rpc::ShareEntry> find_share(const rpc::CallerInfo& caller,
                                            std::string_view name) const override {
    return now()->find_share(caller, name);
  }
  std::vector<rpc::SessionEntry> sessions() const override { return now()->sessions(); }
  std::vector<rpc::ConnectionEntry> connections() const override { return now()->connections(); }
  std::vector<rpc::OpenFileEntry> open_files() const override { return now()->open_files(); }
  std::optional<rpc::Account> find_account(std::string_view domain,
                                           std::string_view name) const override {
    return now()->find_account(domain, name);
  }
  std::optional<rpc::Account> find_account(const wire::Sid& sid) const override {
    return now()->find_account(sid);
  }
  std::vector<rpc::Account> users() const override { return now()->users(); }
  std::vector<rpc::Account> groups() const override { return now()->groups(); }
  std::vector<wire::Sid> groups_of(const wire::Sid& user) const override {
    return now()->groups_of(user);
  }

 private:
  std::shared_ptr<const rpc::MemoryDirectory> now() const { return *now_.lock(); }

  Guarded<std::shared_ptr<const rpc::MemoryDirectory>> now_;
};

}  // namespace braid::braidd

// RpcLogons: logons of RPC conversations over TCP, judged as those of sessions are.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "rpc/tcp/host.h"
#include "smb2/common/fd_budget.h"
#include "smb2/logons/logon_services.h"

namespace braid::smb2 {

// What such a conversation has in common with a Connection: the descriptors, the memory, and the
// penalties of its address and account. Owned by who owns the Server, and gone before it. Thread:
// any.
class RpcLogons final : public rpc::tcp::Host {
 public:
  // `next_number`: of the Server.
  RpcLogons(LogonServices& logons, FdBudget& fds, std::shared_ptr<MemoryBudget> memory,
            std::function<uint64_t()> next_number)
      : logons_(logons),
        fds_(fds),
        memory_(std::move(memory)),
        next_number_(std::move(next_number)) {}

  std::unique_ptr<rpc::tcp::Place> admit(const transport::SocketAddress& peer) override;
  uint64_t next_connection_number() override { return next_number_(); }
  Task<Result<auth::AuthStep>> judge(rpc::tcp::Logon logon) override;

 private:
  // One leg, on a thread for logons. The arguments outlive it.
  Task<Result<auth::AuthStep>> take_step(const rpc::tcp::Logon& logon);

  LogonServices& logons_;
  FdBudget& fds_;
  const std::shared_ptr<MemoryBudget> memory_;
  const std::function<uint64_t()> next_number_;
};

}  // namespace braid::smb2

// The kernel's leases: fcntl(2), "Leases".
#pragma once

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "vfs/local_guard.h"

namespace braid::vfs {

// A thread sleeps until the kernel wants a lease back: it says so with a signal to this thread
// alone, which carries the descriptor. When there are more than the kernel queues, SIGIO comes
// without one, and all leases are looked at. The thread is there from the first lease on.
//
// The kernel gives a lease to who owns the file or has CAP_LEASE. It asks for no more than the
// lease-break-time of /proc/sys/fs, and then lets the other one in.
//
// Thread: any.
class LinuxLeases final : public KernelLeases {
 public:
  ~LinuxLeases() override { stop(); }

  // Before the first lease.
  void serve(LocalGuard& guard) { guard_ = &guard; }
  // Joins the thread. No lease is taken any more.
  void stop();

  Result<Held> take(int descriptor, GuardLevel wanted) override;
  Result<UniqueFd> inherit(int descriptor) override;
  Result<void> set(int descriptor, GuardLevel level) override;
  GuardLevel due(int descriptor) override;
  void wake() override;

 private:
  Result<void> start();
  void run();
  Result<void> prepare(int descriptor);

  LocalGuard* guard_ = nullptr;
  std::mutex starting_;
  std::atomic<pid_t> thread_id_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// Whether the file system of the directory knows leases. As the server.
bool has_leases(int directory);

}  // namespace braid::vfs

#include "apps/braidd/thread_limit.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>
#include <thread>

#include "runtime/worker_pool.h"
#include "smb2/common/limits.h"

namespace braid::braidd {
namespace {

// Enough to keep a few requests waiting in a disk's own queue.
constexpr size_t kPoolThreadsPerReactor = 4;
constexpr size_t kPoolThreadsMax = 64;
// Of a worker: main, timers, control socket, messages of workers, two kinds of change events, and a
// few that ask a disk by the way.
constexpr size_t kOtherThreads = 10;

// The number in a file of one line; nothing for "max", and for a file that is not there.
std::optional<uint64_t> number_in(const std::string& file) {
  std::string line;
  std::ifstream in(file);
  uint64_t number = 0;
  if (!std::getline(in, line)) return std::nullopt;
  const auto read = std::from_chars(line.data(), line.data() + line.size(), number);
  if (read.ec != std::errc{}) return std::nullopt;
  return number;
}

void lower(ThreadRoom& room, std::optional<uint64_t> count, const char* limit) {
  if (count && *count < room.count) room = {*count, limit};
}

// Of the group of this process and those above it; both versions of control groups.
void lower_by_control_groups(ThreadRoom& room) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string_view controllers =
        std::string_view(line).substr(first + 1, second - first - 1);
    if (!controllers.empty() && controllers != "pids") continue;
    const std::string root = controllers.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    std::string group = line.substr(second + 1);
    while (!group.empty()) {
      lower(room, number_in(root + group + "/pids.max"),
            "the control group (TasksMax= of the systemd unit, pids.max)");
      group.resize(std::min(group.rfind('/'), group.size()));
    }
  }
}

}  // namespace

size_t reactor_count(const config::Server& settings) {
  if (settings.threads != 0) return settings.threads;
  return std::max<size_t>(1, std::thread::hardware_concurrency());
}

size_t pool_threads_of_share(const config::Server& settings) {
  return std::min(kPoolThreadsMax, reactor_count(settings) * kPoolThreadsPerReactor);
}

uint64_t thread_count(const config::Server& settings) {
  const uint64_t each = reactor_count(settings) +
                        WorkerPoolLimits::for_files(pool_threads_of_share(settings)).threads +
                        smb2::kLogonPoolLimits.threads + kOtherThreads;
  const uint64_t of_witness = settings.witness ? 1 : 0;  // hears of addresses
  // The process with the cards, and who hears it in each worker.
  const uint64_t of_rdma = settings.rdma ? 1 + settings.workers : 0;
  return each * settings.workers + 2 + of_witness + of_rdma;
}

ThreadRoom thread_room() {
  ThreadRoom room{std::numeric_limits<uint64_t>::max(), ""};
  lower(room, number_in("/proc/sys/kernel/threads-max"), "the machine (kernel.threads-max)");
  lower(room, number_in("/proc/sys/kernel/pid_max"), "the machine (kernel.pid_max)");
  lower_by_control_groups(room);
  rlimit limit{};
  // The kernel lets root have more.
  if (::geteuid() != 0 && ::getrlimit(RLIMIT_NPROC, &limit) == 0 &&
      limit.rlim_cur != RLIM_INFINITY) {
    lower(room, limit.rlim_cur, "the user (RLIMIT_NPROC: LimitNPROC=, or ulimit -u)");
  }
  return room;
}

std::expected<void, std::string> check_thread_limit(const config::Config& config,
                                                    const ThreadRoom& room) {
  const uint64_t wanted = thread_count(config.server);
  if (wanted <= room.count) return {};
  return std::unexpected(fmt::format(
      "workers = {}, of {} threads each, need {} threads with those for disks, and {} has "
      "{}; raise that, or lower workers or threads in {}",
      config.server.workers, reactor_count(config.server), wanted, room.limit, room.count,
      config.file));
}

std::string no_threads(const config::Config& config, const std::string& why) {
  return fmt::format(
      "cannot make the {} threads of the server: {}; raise what limits them (TasksMax= and "
      "LimitNPROC= of the systemd unit, ulimit -u, memory), or lower workers or threads in {}",
      thread_count(config.server), why, config.file);
}

}  // namespace braid::braidd

#include "apps/braid-bench/run_load.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>

#include "apps/braid-bench/threads.h"
#include "base/unique_fd.h"
#include "runtime/task_scope.h"

namespace braid::bench {
namespace {

using std::chrono::steady_clock;

// Logons at a time on each thread.
constexpr size_t kLogonsAtATime = 8;

std::chrono::duration<double> own_cpu() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::duration<double>(static_cast<double>(time.tv_sec) +
                                         static_cast<double>(time.tv_usec) / 1e6);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// "enable" and "disable", the commands of perf-record(1).
Outcome<void> tell_perf(const std::string& fifo, std::string_view command) {
  if (fifo.empty()) return {};
  const UniqueFd file(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file || ::write(file.get(), command.data(), command.size()) < 0) {
    return failure(fmt::format("no perf reads {}", fifo), Error::last_os_error());
  }
  return {};
}

// What a round's clients and the one who measures tell each other. Thread: any.
class Stage {
 public:
  bool is_over() const { return phase_.load(std::memory_order_relaxed) == Phase::kOver; }
  bool is_measured() const { return phase_.load(std::memory_order_relaxed) == Phase::kMeasured; }

  void counted_one() {
    if (has_one_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    has_one_ = true;
    changed_.notify_all();
  }
  void fail(Failure why) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_.emplace(std::move(why));
    phase_ = Phase::kOver;
    changed_.notify_all();
  }

  // Thread: of who measures.
  void warm_up(std::chrono::duration<double> time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return failure_.has_value(); });
  }
  void measure(std::chrono::duration<double> time) {
    std::unique_lock lock(mutex_);
    if (failure_) return;
    phase_ = Phase::kMeasured;
    if (changed_.wait_for(lock, time, [this] { return failure_.has_value(); })) return;
    changed_.wait(lock, [this] { return failure_.has_value() || has_one_.load(); });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kOver;
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  enum class Phase : uint8_t { kWarmUp, kMeasured, kOver };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<Phase> phase_ = Phase::kWarmUp;
  std::atomic<bool> has_one_ = false;
  std::optional<Failure> failure_;
};

// One client with what it does and what it saw. Thread: the client's, but for what stands between
// two rounds.
struct Member {
  Client client;
  std::unique_ptr<Work> work;
  uint64_t operations = 0;
  uint64_t bytes = 0;
  Histogram latencies;
};

Task<void> run_lane(Member& member, size_t lane, Stage& stage, std::string_view load) {
  while (!stage.is_over()) {
    const auto start = steady_clock::now();
    const auto done = co_await member.work->operate(lane);
    if (!done) {
      stage.fail(Failure(
          fmt::format("{} on {}: {}", load, member.client.target.server, done.error().message())));
      co_return;
    }
    if (!stage.is_measured()) continue;
    const std::chrono::nanoseconds time = done->time.value_or(steady_clock::now() - start);
    ++member.operations;
    member.bytes += done->bytes;
    member.latencies.add(static_cast<uint64_t>(time.count()));
    stage.counted_one();
  }
}

Task<void> run_member(Member& member, size_t lanes, Stage& stage, std::string_view load) {
  co_await member.client.reactor.schedule();
  TaskScope scope;
  for (size_t lane = 0; lane < lanes; ++lane) {
    scope.spawn(run_lane(member, lane, stage, load));
  }
  co_await scope.join();
}

// A server with its clients.
class Side {
 public:
  Side(Threads& threads, const Target& target, const LoadOptions& load, const RunOptions& options)
      : threads_(threads),
        target_(target),
        options_(options),
        load_options_(load),
        load_(make_load(load)),
        server_(target.server_pids) {}
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  Outcome<void> begin() {
    if (!target_.server_pids.empty() && !server_.cpu()) {
      return failure("no process has the number that --server-pid or --versus gives");
    }
    for (size_t number = 0; number < options_.clients; ++number) {
      members_.push_back({.client = {.number = number,
                                     .reactor = threads_.of(number),
                                     .target = target_,
                                     .mount = {}},
                          .work = {},
                          .latencies = {}});
    }
    BRAID_CHECK(threads_.run_all(members_.size(), kLogonsAtATime,
                                 [this](size_t number) { return connect_one(members_[number]); }));
    BRAID_CHECK(threads_.run(first().reactor, [this] { return prepare(); }));
    is_prepared_ = true;
    return threads_.run_all(members_.size(), kLogonsAtATime,
                            [this](size_t number) { return begin_one(members_[number]); });
  }

  Outcome<Round> run() {
    Stage stage;
    TaskScope scope;
    for (Member& member : members_) {
      member.operations = 0;
      member.bytes = 0;
      member.latencies = {};
      scope.spawn(run_member(member, load_options_.in_flight, stage, name_of(load_options_.kind)));
    }
    Round round;
    stage.warm_up(options_.warm_up);
    if (const auto told = tell_perf(options_.perf_control, "enable\n"); !told) {
      stage.fail(told.error());
    }
    const auto start = steady_clock::now();
    const auto server_before = server_cpu();
    const auto client_before = own_cpu();
    stage.measure(options_.measured);
    const auto server_after = server_cpu();
    round.client_cpu = own_cpu() - client_before;
    round.wall = steady_clock::now() - start;
    // At once: what ends from now on is not of the time that was read.
    stage.end();
    if (server_before && server_after) {
      // Of a process that ended meanwhile only whole ticks are left.
      round.server_cpu = std::max(*server_after - *server_before, std::chrono::nanoseconds(0));
    }
    if (const auto told = tell_perf(options_.perf_control, "disable\n"); !told) {
      stage.fail(told.error());
    }
    if (!target_.server_pids.empty()) round.server_memory = server_.memory();
    scope.wait();
    if (stage.failure()) return std::unexpected(*stage.failure());
    for (const Member& member : members_) {
      round.operations += member.operations;
      round.bytes += member.bytes;
      round.latencies.add(member.latencies);
    }
    return round;
  }

  void end() {
    // Each has something to end, whatever became of the others.
    const auto ended = threads_.run_all(
        members_.size(), kLogonsAtATime,
        [this](size_t number) { return end_one(members_[number]); }, AfterFailure::kGoOn);
    if (!ended) say_left(ended.error());
    if (is_prepared_) {
      const auto clean = threads_.run(first().reactor, [this] { return clean_up(); });
      if (!clean) say_left(clean.error());
    }
    static_cast<void>(threads_.run_all(members_.size(), kLogonsAtATime, [this](size_t number) {
      return disconnect_one(members_[number]);
    }));
  }

  std::string protection() const {
    return describe(target_.protection, *members_.front().client.mount.connection);
  }

 private:
  const Client& first() const { return members_.front().client; }

  std::optional<std::chrono::nanoseconds> server_cpu() const {
    if (target_.server_pids.empty()) return std::nullopt;
    return server_.cpu();
  }

  Task<Outcome<void>> connect_one(Member& member) {
    BRAID_CO_TRY(member.client.mount, co_await mount(member.client.reactor, target_));
    co_return Outcome<void>();
  }
  Task<Outcome<void>> prepare() {
    auto prepared = co_await load_->prepare(first());
    if (!prepared) co_return cannot_begin(prepared.error());
    co_return Outcome<void>();
  }
  Task<Outcome<void>> begin_one(Member& member) {
    member.work = load_->work_for(member.client);
    auto begun = co_await member.work->begin();
    if (!begun) co_return cannot_begin(begun.error());
    co_return Outcome<void>();
  }
  Task<Outcome<void>> end_one(Member& member) {
    if (!member.work) co_return Outcome<void>();
    BRAID_CO_CHECK(co_await member.work->end());
    co_return Outcome<void>();
  }
  Task<Outcome<void>> clean_up() {
    BRAID_CO_CHECK(co_await load_->clean_up(first()));
    co_return Outcome<void>();
  }
  Task<Outcome<void>> disconnect_one(Member& member) {
    member.work = nullptr;
    if (member.client.mount.connection) co_await member.client.mount.close();
    co_return Outcome<void>();
  }

  std::unexpected<Failure> cannot_begin(const Failure& why) const {
    return failure(fmt::format("{} cannot begin on share {} of {}: {}", name_of(load_options_.kind),
                               target_.share, target_.server, why.text));
  }
  void say_left(const Failure& why) const {
    fmt::print(stderr, "braid-bench: files stay in share {} of {}: {}\n", target_.share,
               target_.server, why.text);
  }

  Threads& threads_;
  const Target& target_;
  const RunOptions& options_;
  const LoadOptions load_options_;
  const std::unique_ptr<Load> load_;
  const ProcessTree server_;
  std::deque<Member> members_;  // stays where it is: clients are referred to
  bool is_prepared_ = false;
};

Outcome<void> run_rounds(std::deque<Side>& sides, std::vector<ServerRounds>& results,
                         const RunOptions& options) {
  for (size_t i = 0; i < sides.size(); ++i) {
    BRAID_CHECK(sides[i].begin());
    results[i].protection = sides[i].protection();
  }
  for (size_t number = 0; number < options.rounds; ++number) {
    for (size_t i = 0; i < sides.size(); ++i) {
      BRAID_TRY(auto round, sides[i].run());
      results[i].rounds.push_back(std::move(round));
    }
  }
  return {};
}

}  // namespace

Outcome<std::vector<ServerRounds>> run_load(const std::vector<Target>& targets,
                                            const LoadOptions& load, const RunOptions& options) {
  Threads threads(options.threads);
  std::deque<Side> sides;
  std::vector<ServerRounds> results;
  for (const Target& target : targets) {
    sides.emplace_back(threads, target, load, options);
    results.push_back({.server = target.server, .protection = {}, .rounds = {}});
  }
  const auto done = run_rounds(sides, results, options);
  for (Side& side : sides) side.end();
  if (!done) return std::unexpected(done.error());
  return results;
}

}  // namespace braid::bench

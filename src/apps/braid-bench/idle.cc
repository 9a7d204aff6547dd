#include "apps/braid-bench/idle.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "apps/braid-bench/load_files.h"
#include "apps/braid-bench/threads.h"

namespace braid::bench {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr size_t kLogonsAtATimeOfIdle = 16;
constexpr size_t kDescriptorsBeside = 100;
constexpr uint32_t kReadSize = 4'096;

Outcome<void> allow_descriptors(size_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = count + kDescriptorsBeside;
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  // Root may have more than it was given.
  limit.rlim_max = std::max(limit.rlim_max, wanted);
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return failure(fmt::format("{} connections need {} file descriptors (ulimit -n)", count, wanted),
                 Error::last_os_error());
}

class IdleSide {
 public:
  IdleSide(Threads& threads, const Target& target, const IdleOptions& options)
      : threads_(threads),
        target_(target),
        options_(options),
        server_(target.server_pids),
        mounts_(options.connections) {}
  IdleSide(const IdleSide&) = delete;
  IdleSide& operator=(const IdleSide&) = delete;

  Outcome<IdleResult> run() {
    IdleResult result;
    result.server = target_.server;
    if (!target_.server_pids.empty() && !server_.cpu()) {
      return failure("no process has the number that --server-pid or --versus gives");
    }
    const auto connections = static_cast<double>(options_.connections);
    // What a server does for its first client is not what each costs.
    BRAID_CHECK(all(1, &IdleSide::connect_one));
    BRAID_CHECK(all(1, &IdleSide::prepare_one));
    const auto memory_before = memory();
    const auto cpu_before = server_.cpu();
    const auto start = steady_clock::now();
    BRAID_CHECK(all(options_.connections, &IdleSide::connect_one));
    result.connecting = steady_clock::now() - start;
    result.protection = describe(target_.protection, *mounts_.front().connection);
    if (const auto cpu = server_.cpu(); cpu && cpu_before) {
      result.server_cpu_us_each =
          std::chrono::duration<double, std::micro>(*cpu - *cpu_before).count() / connections;
    }
    const auto memory_idle = memory();
    if (memory_before && memory_idle) {
      result.memory_each = (*memory_idle - *memory_before) / connections;
    }
    if (options_.opens > 0) BRAID_CHECK(open_all(result));
    BRAID_CHECK(all(options_.connections, &IdleSide::echo_one));
    if (options_.busy == 0) return result;
    const auto memory_before_work = memory();
    end_ =
        steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(options_.measured);
    BRAID_CHECK(all(options_.busy, &IdleSide::work_one));
    if (const auto memory_busy = memory(); memory_busy && memory_before_work) {
      result.memory_busy_each =
          (*memory_busy - *memory_before_work) / static_cast<double>(options_.busy);
    }
    BRAID_CHECK(all(options_.connections, &IdleSide::echo_one));
    result.operations = latencies_.total();
    result.latencies.add(latencies_);
    return result;
  }

  void end() {
    if (!opens_.empty()) static_cast<void>(all(options_.connections, &IdleSide::remove_some));
    if (is_prepared_) static_cast<void>(all(1, &IdleSide::clean_up_one));
    static_cast<void>(all(options_.connections, &IdleSide::disconnect_one));
  }

 private:
  Outcome<void> all(size_t count, Task<Outcome<void>> (IdleSide::*step)(size_t)) {
    // Those that work do it all at once.
    const size_t at_a_time = step == &IdleSide::work_one ? count : kLogonsAtATimeOfIdle;
    return threads_.run_all(count, at_a_time,
                            [this, step](size_t number) { return (this->*step)(number); });
  }
  Outcome<void> open_all(IdleResult& result) {
    const auto opens = static_cast<double>(options_.connections * options_.opens);
    const auto memory_before = memory();
    const auto cpu_before = server_.cpu();
    const auto start = steady_clock::now();
    opens_.resize(options_.connections);
    BRAID_CHECK(all(options_.connections, &IdleSide::open_some));
    result.opening = steady_clock::now() - start;
    if (const auto cpu = server_.cpu(); cpu && cpu_before) {
      result.open_cpu_us_each =
          std::chrono::duration<double, std::micro>(*cpu - *cpu_before).count() / opens;
    }
    if (const auto memory_after = memory(); memory_after && memory_before) {
      result.memory_open_each = (*memory_after - *memory_before) / opens;
    }
    return {};
  }
  std::optional<double> memory() const {
    if (const auto bytes = server_.memory()) return static_cast<double>(*bytes);
    return std::nullopt;
  }
  static std::string path() { return load_path("idle"); }
  std::unexpected<Failure> failed(size_t number, const std::string& why) const {
    return failure(fmt::format("connection {} of {}: {}", number + 1, options_.connections, why));
  }

  Task<Outcome<void>> connect_one(size_t number) {
    if (mounts_[number].connection) co_return Outcome<void>();
    auto mounted = co_await mount(threads_.of(number), target_);
    if (!mounted) co_return failed(number, mounted.error().text);
    mounts_[number] = *std::move(mounted);
    co_return Outcome<void>();
  }
  Task<Outcome<void>> prepare_one(size_t number) {
    const client::TreePtr tree = mounts_[number].tree;
    BRAID_CO_CHECK(co_await make_folder(tree, kLoadFolder));
    BRAID_CO_CHECK(co_await need_file(tree, path(), kReadSize));
    is_prepared_ = true;
    co_return Outcome<void>();
  }
  static std::string folder_of(size_t number) { return load_path(fmt::format("idle{}", number)); }
  static std::string file_of(size_t number, size_t file) {
    return fmt::format("{}\\{}", folder_of(number), file);
  }
  Task<Outcome<void>> open_some(size_t number) {
    const client::TreePtr tree = mounts_[number].tree;
    BRAID_CO_CHECK(co_await make_folder(tree, folder_of(number)));
    for (size_t i = 0; i < options_.opens; ++i) {
      auto file = co_await tree->open(file_of(number, i), wire::Access::kFileGenericWrite,
                                      wire::CreateDisposition::kOpenIf);
      if (!file)
        co_return failed(number, fmt::format("open {}: {}", i + 1, file.error().message()));
      opens_[number].push_back(*std::move(file));
    }
    co_return Outcome<void>();
  }
  Task<Outcome<void>> remove_some(size_t number) {
    const client::TreePtr tree = mounts_[number].tree;
    for (size_t i = 0; i < opens_[number].size(); ++i) {
      BRAID_CO_CHECK(co_await opens_[number][i]->close());
      BRAID_CO_CHECK(co_await remove(tree, file_of(number, i)));
    }
    opens_[number].clear();
    BRAID_CO_CHECK(co_await remove(tree, folder_of(number)));
    co_return Outcome<void>();
  }
  Task<Outcome<void>> echo_one(size_t number) {
    const auto done = co_await mounts_[number].connection->echo();
    if (!done) co_return failed(number, done.error().message());
    co_return Outcome<void>();
  }
  Task<Outcome<void>> work_one(size_t number) {
    Histogram own;
    // At least once.
    do {
      const auto start = steady_clock::now();
      const auto done = co_await operate(mounts_[number].tree);
      if (!done) co_return failed(number, done.error().message());
      own.add(static_cast<uint64_t>(std::chrono::nanoseconds(steady_clock::now() - start).count()));
    } while (steady_clock::now() < end_);
    const std::lock_guard lock(mutex_);
    latencies_.add(own);
    co_return Outcome<void>();
  }
  static Task<Result<void>> operate(client::TreePtr tree) {
    BRAID_CO_TRY(const auto file, co_await tree->open(path()));
    const auto reply = co_await file->read(0, kReadSize);
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(reply);
    co_return Result<void>();
  }
  Task<Outcome<void>> clean_up_one(size_t number) {
    const client::TreePtr tree = mounts_[number].tree;
    BRAID_CO_CHECK(co_await remove(tree, path()));
    BRAID_CO_CHECK(co_await remove(tree, kLoadFolder));
    co_return Outcome<void>();
  }
  Task<Outcome<void>> disconnect_one(size_t number) {
    if (mounts_[number].connection) co_await mounts_[number].close();
    co_return Outcome<void>();
  }

  Threads& threads_;
  const Target& target_;
  const IdleOptions& options_;
  const ProcessTree server_;
  std::vector<Mount> mounts_;
  std::vector<std::vector<client::FilePtr>> opens_;  // of each connection
  bool is_prepared_ = false;
  steady_clock::time_point end_;
  std::mutex mutex_;
  Histogram latencies_;  // with the mutex
};

std::string in_kibibytes(const std::optional<double>& bytes) {
  return bytes ? fmt::format("{:.1f}", *bytes / 1024) : "-";
}
std::string ratio_of(const std::optional<double>& one, const std::optional<double>& other) {
  if (!one || !other || *other == 0) return "-";
  return fmt::format("{:.3f}", *one / *other);
}
json or_null(const std::optional<double>& value) { return value ? json(*value) : json(); }

}  // namespace

Outcome<std::vector<IdleResult>> run_idle(const std::vector<Target>& targets,
                                          const IdleOptions& options) {
  BRAID_CHECK(allow_descriptors(options.connections));
  Threads threads(options.threads);
  std::vector<IdleResult> results;
  for (const Target& target : targets) {
    IdleSide side(threads, target, options);
    auto result = side.run();
    side.end();
    if (!result) return std::unexpected(result.error());
    results.push_back(*std::move(result));
  }
  return results;
}

std::string idle_table(const std::vector<IdleResult>& results, const IdleOptions& options) {
  std::string text = fmt::format("{} connections with a session and a share, {}; none refused\n",
                                 options.connections, results.front().protection);
  const auto row = [&](const char* label, const auto& cell, const auto& value) {
    text += fmt::format("{:<38}", label);
    for (const IdleResult& result : results) text += fmt::format("{:>22}", cell(result));
    if (results.size() == 2) {
      text += fmt::format("{:>10}", ratio_of(value(results[0]), value(results[1])));
    }
    text += "\n";
  };
  const auto none = [](const IdleResult&) { return std::optional<double>(); };
  row("", [](const IdleResult& result) { return result.server; }, none);
  row(
      "memory of an idle one, KiB",
      [](const IdleResult& result) { return in_kibibytes(result.memory_each); },
      [](const IdleResult& result) { return result.memory_each; });
  row(
      "server CPU of a logon, us",
      [](const IdleResult& result) {
        return result.server_cpu_us_each ? fmt::format("{:.0f}", *result.server_cpu_us_each) : "-";
      },
      [](const IdleResult& result) { return result.server_cpu_us_each; });
  if (options.opens > 0) {
    text += fmt::format("{} opens of each, {} in all\n", options.opens,
                        options.connections * options.opens);
    row(
        "memory of an open, KiB",
        [](const IdleResult& result) { return in_kibibytes(result.memory_open_each); },
        [](const IdleResult& result) { return result.memory_open_each; });
    row(
        "server CPU of making and opening, us",
        [](const IdleResult& result) {
          return result.open_cpu_us_each ? fmt::format("{:.0f}", *result.open_cpu_us_each) : "-";
        },
        [](const IdleResult& result) { return result.open_cpu_us_each; });
  }
  if (options.busy == 0) return text;
  text +=
      fmt::format("{} of them busy: CREATE, READ of {} bytes, CLOSE\n", options.busy, kReadSize);
  row(
      "memory a busy one adds, KiB",
      [](const IdleResult& result) { return in_kibibytes(result.memory_busy_each); },
      [](const IdleResult& result) { return result.memory_busy_each; });
  for (const double percent : {50.0, 99.0}) {
    const auto value = [percent](const IdleResult& result) {
      return std::optional(static_cast<double>(result.latencies.percentile(percent)) / 1e3);
    };
    row(
        percent == 50 ? "latency us, p50" : "p99",
        [&value](const IdleResult& result) { return fmt::format("{:.0f}", *value(result)); },
        value);
  }
  return text;
}

json idle_json(const std::vector<IdleResult>& results, const IdleOptions& options) {
  json whole = {{"load", "idle"},
                {"connections", options.connections},
                {"busy", options.busy},
                {"opens", options.opens},
                {"servers", json::array()}};
  for (const IdleResult& result : results) {
    whole["servers"].push_back(
        {{"server", result.server},
         {"protection", result.protection},
         {"memory_bytes", or_null(result.memory_each)},
         {"memory_busy_bytes", or_null(result.memory_busy_each)},
         {"memory_open_bytes", or_null(result.memory_open_each)},
         {"open_cpu_us", or_null(result.open_cpu_us_each)},
         {"opening_seconds", result.opening.count()},
         {"server_cpu_us", or_null(result.server_cpu_us_each)},
         {"connecting_seconds", result.connecting.count()},
         {"operations", result.operations},
         {"latency_p50_us", static_cast<double>(result.latencies.percentile(50)) / 1e3},
         {"latency_p99_us", static_cast<double>(result.latencies.percentile(99)) / 1e3}});
  }
  if (results.size() == 2) {
    const auto ratio = [](const std::optional<double>& one, const std::optional<double>& other) {
      return one && other && *other != 0 ? json(*one / *other) : json();
    };
    whole["ratios"] = {
        {"memory_bytes", ratio(results[0].memory_each, results[1].memory_each)},
        {"server_cpu_us", ratio(results[0].server_cpu_us_each, results[1].server_cpu_us_each)}};
  }
  return whole;
}

}  // namespace braid::bench

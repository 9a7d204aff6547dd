#include "apps/braid-bench/handle_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <chrono>

#include "apps/braid-bench/in_flight.h"
#include "store/handle_log.h"
#include "store/log_reader.h"

namespace braid::bench {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr size_t kWaitingMax = 64;
constexpr size_t kPoolThreads = 2;
constexpr double kMicros = 1e6;

class LogBench {
 public:
  LogBench(Reactor& reactor, HandleLogOptions options, std::unique_ptr<store::LogFolder> folder)
      : reactor_(reactor), options_(std::move(options)), folder_(std::move(folder)) {}

  Task<Result<void>> begin() {
    BRAID_CO_CHECK(co_await seat_.turn());
    const auto result = make_log();
    co_await reactor_.schedule();
    co_return result;
  }
  Task<Result<void>> end() {
    if (!log_) co_return Result<void>();
    log_->stop();
    BRAID_CO_CHECK(co_await seat_.turn());
    const auto result = store::remove_log(*folder_, log_->name());
    co_await reactor_.schedule();
    co_return result;
  }

  Task<Result<void>> append(size_t waiting) {
    const size_t count = std::max<size_t>(1, options_.appends * waiting / kWaitingMax);
    const uint64_t commits_before = log_->metrics().commits;
    const auto start = std::chrono::steady_clock::now();
    BRAID_CO_CHECK(co_await for_each_in_flight(
        count, waiting, [this](size_t) -> Task<Result<void>> { return put(next_++ % 1000); }));
    const Seconds time = std::chrono::steady_clock::now() - start;
    const uint64_t commits = log_->metrics().commits - commits_before;
    fmt::print("{:>3} waiting {:>10.0f} appends/s {:>8.0f} us each {:>8} commits\n", waiting,
               static_cast<double>(count) / time.count(),
               time.count() * kMicros * static_cast<double>(waiting) / static_cast<double>(count),
               commits);
    std::fflush(stdout);
    co_return Result<void>();
  }

  Task<Result<bool>> recover() {
    BRAID_CO_CHECK(co_await for_each_in_flight(
        options_.records, kWaitingMax * 64,
        [this](size_t index) -> Task<Result<void>> { return put(index); }));
    log_->stop();
    BRAID_CO_CHECK(co_await seat_.turn());
    const auto start = std::chrono::steady_clock::now();
    const auto found = store::recover_log(*folder_, log_->name(), owner_.share);
    const Seconds time = std::chrono::steady_clock::now() - start;
    co_await reactor_.schedule();
    const auto metrics = log_->metrics();
    fmt::print("{} records of {} bytes recovered in {:.3f} s from {} bytes; {} compactions\n",
               found.records.size(), options_.record_bytes, time.count(), metrics.file_bytes,
               metrics.compactions);
    if (found.records.size() != std::max<size_t>(options_.records, 1)) co_return fail_os(EIO);
    co_return options_.recovery_max == 0 || time.count() <= options_.recovery_max;
  }

 private:
  Result<void> make_log() {
    // None of a server's: the name is this run's own.
    if (::getrandom(owner_.server.bytes.data(), owner_.server.bytes.size(), 0) < 0) {
      return fail_last_os();
    }
    owner_.epoch = 1;
    BRAID_TRY(log_, store::HandleLog::create(*folder_, owner_, {}, pool_, {}));
    return {};
  }

  Task<Result<void>> put(size_t number) {
    const std::string key = fmt::format("{:016x}", number);
    std::string value(options_.record_bytes, '\0');
    std::ranges::generate(value, [this] { return static_cast<char>(filling_++ * 7 / 5); });
    const auto ticket = log_->put(as_bytes(key), as_bytes(value), store::Urgency::kOrdinary);
    co_return co_await ticket.committed(reactor_);
  }

  Reactor& reactor_;
  const HandleLogOptions options_;
  const std::unique_ptr<store::LogFolder> folder_;
  WorkerPool pool_{kPoolThreads};
  WorkerPool::Seat seat_{pool_, {}};
  store::LogOwner owner_;
  std::unique_ptr<store::HandleLog> log_;
  size_t next_ = 0;
  unsigned filling_ = 0;
};

Task<Result<bool>> measure(LogBench& bench) {
  BRAID_CO_CHECK(co_await bench.begin());
  for (const size_t waiting : {size_t{1}, size_t{8}, kWaitingMax}) {
    BRAID_CO_CHECK(co_await bench.append(waiting));
  }
  co_return co_await bench.recover();
}

}  // namespace

Task<Outcome<bool>> run_handle_log(Reactor& reactor, HandleLogOptions options) {
  UniqueFd fd(::open(options.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) co_return fail_last_os();
  LogBench bench(reactor, std::move(options), store::open_posix_log_folder(std::move(fd)));
  const auto result = co_await measure(bench);
  BRAID_CO_CHECK(co_await bench.end());
  co_return result;
}

}  // namespace braid::bench

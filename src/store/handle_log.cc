#include "store/handle_log.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace braid::store {
namespace {

// More is not written at once: those who come first do not wait for the last.
constexpr uint64_t kBatchBytes = 1 << 20;

}  // namespace

Result<std::unique_ptr<HandleLog>> HandleLog::create(LogFolder& folder, const LogOwner& owner,
                                                     const LogLimits& limits, WorkerPool& pool,
                                                     WorkOwner work_owner, const Clock& clock,
                                                     const std::optional<SipKey>& kin) {
  BRAID_TRY(auto log, CompactingLog::create(folder, owner, limits, clock, kin));
  return std::unique_ptr<HandleLog>(new HandleLog(std::move(log), limits, pool, work_owner, clock));
}

HandleLog::HandleLog(std::unique_ptr<CompactingLog> log, const LogLimits& limits, WorkerPool& pool,
                     WorkOwner work_owner, const Clock& clock)
    : limits_(limits),
      clock_(clock),
      log_(std::move(log)),
      name_(log_->name()),
      seat_(pool, work_owner) {
  update_state(waiting_.lock()->metrics);
}

HandleLog::Ticket HandleLog::put(ByteView key, ByteView value, Urgency urgency) {
  assert(!key.empty() && key.size() <= kLogKeyMax && value.size() <= kLogValueMax);
  return append(
      LogChange{LogOperation::kPut, std::string(as_text(key)), std::string(as_text(value))},
      urgency == Urgency::kMustNotFail ? limits_.live_max_urgent() : limits_.live_max());
}

HandleLog::Ticket HandleLog::erase(ByteView key) {
  assert(!key.empty() && key.size() <= kLogKeyMax);
  return append(LogChange{LogOperation::kErase, std::string(as_text(key)), {}}, ~uint64_t{0});
}

HandleLog::Ticket HandleLog::flush() { return append({}, ~uint64_t{0}); }

HandleLog::Ticket HandleLog::append(std::optional<LogChange> change, uint64_t live_max) {
  const uint64_t bytes = change ? change->bytes() : 0;
  const uint64_t put_bytes = change && change->operation == LogOperation::kPut ? bytes : 0;
  std::shared_ptr<Batch> batch;
  bool begins = false;
  bool is_refused = false;
  {
    auto waiting = waiting_.lock();
    waiting->metrics.appends += change.has_value();
    // What it takes the place of is known when it is written, and counts twice until then.
    is_refused = waiting->metrics.live_bytes + waiting->put_bytes + bytes > live_max;
    if (is_refused) {
      ++waiting->metrics.appends_refused;
      batch = std::make_shared<Batch>();
    } else {
      auto& batches = waiting->batches;
      if (batches.empty() || batches.back()->bytes + bytes > kBatchBytes) {
        batches.push_back(std::make_shared<Batch>());
      }
      batch = batches.back();
      if (change) batch->changes.push_back(std::move(*change));
      batch->bytes += bytes;
      batch->put_bytes += put_bytes;
      waiting->put_bytes += put_bytes;
      begins = !std::exchange(waiting->is_running, true);
    }
  }
  if (is_refused) batch->done.set(fail_os(ENOSPC));
  if (begins) scope_.spawn(run());
  return Ticket(std::move(batch));
}

// One at a time; ends when there is nothing to do, and the next append begins another.
Task<void> HandleLog::run() {
  // The pool, and not before: the caller may be a thread of it, and hold locks.
  co_await static_cast<Executor&>(seat_).next_turn();
  do {
    if (const auto batch = take_batch()) {
      co_await make_way(batch->bytes);
      commit(*batch);
    }
    if (log_->wants_compaction()) static_cast<void>(log_->compact_piece());
    static_cast<void>(co_await seat_.next_turn());  // nobody ever stops wanting it
  } while (!ends());
}

// A log that has failed, or is full, is written anew before anything else is.
Task<void> HandleLog::make_way(uint64_t bytes) {
  while ((log_->failure() || !log_->has_room(bytes)) && log_->wants_compaction()) {
    static_cast<void>(log_->compact_piece());
    static_cast<void>(co_await seat_.next_turn());
  }
}

std::shared_ptr<HandleLog::Batch> HandleLog::take_batch() {
  auto waiting = waiting_.lock();
  if (waiting->batches.empty()) return nullptr;
  auto batch = std::move(waiting->batches.front());
  waiting->batches.pop_front();
  return batch;
}

void HandleLog::commit(Batch& batch) {
  const size_t count = batch.changes.size();
  const auto begin = clock_.monotonic();
  const auto result = log_->commit(batch.changes);
  const auto time = std::chrono::nanoseconds(clock_.monotonic() - begin);
  batch.changes.clear();
  {
    auto waiting = waiting_.lock();
    waiting->put_bytes -= batch.put_bytes;
    HandleLogMetrics& metrics = waiting->metrics;
    update_state(metrics);
    if (result && count > 0) {
      ++metrics.commits;
      metrics.bytes += batch.bytes;
      metrics.commit_time += time;
      metrics.commit_time_max = std::max(metrics.commit_time_max, time);
      const auto micros = static_cast<uint64_t>(time.count() / 1000);
      const auto place = static_cast<size_t>(std::bit_width(micros));
      ++metrics.commit_times[std::min(place, metrics.commit_times.size() - 1)];
    } else if (!result) {
      metrics.appends_refused += count;
    }
  }
  batch.done.set(result);
}

bool HandleLog::ends() {
  auto waiting = waiting_.lock();
  update_state(waiting->metrics);
  if (!waiting->batches.empty() || log_->wants_compaction()) return false;
  waiting->is_running = false;
  return true;
}

void HandleLog::update_state(HandleLogMetrics& metrics) const {
  metrics.records = log_->records();
  metrics.live_bytes = log_->live_bytes();
  metrics.file_bytes = log_->file_bytes();
  metrics.failure = log_->failure();
  metrics.compactions = log_->compactions();
  metrics.compactions_failed = log_->compactions_failed();
  metrics.failures = log_->failures();
}

HandleLogMetrics HandleLog::metrics() const { return waiting_.lock()->metrics; }

}  // namespace braid::store

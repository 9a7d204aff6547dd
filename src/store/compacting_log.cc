#include "store/compacting_log.h"

#include <algorithm>
#include <cassert>

#include "base/log.h"

namespace braid::store {
namespace {

Result<void> remove_if_there(LogFolder& folder, const std::string& name) {
  const auto removed = folder.remove(name);
  if (!removed && !removed.error().is_os(ENOENT)) return removed;
  return {};
}

// Of earlier epochs of this writer: what ended before it had its name.
Result<void> remove_unfinished(LogFolder& folder, const LogOwner& owner) {
  BRAID_TRY(const std::vector<std::string> names, folder.list());
  for (const std::string& name : names) {
    if (!name.ends_with(kLogUnfinishedSuffix)) continue;
    const auto other =
        parse_log_name(std::string_view(name).substr(0, name.size() - kLogUnfinishedSuffix.size()));
    if (!other || other->server != owner.server || other->worker != owner.worker) continue;
    if (other->epoch < owner.epoch) BRAID_CHECK(remove_if_there(folder, name));
  }
  return {};
}

}  // namespace

CompactingLog::CompactingLog(LogFolder& folder, const LogOwner& owner, const LogLimits& limits,
                             const Clock& clock, const std::optional<SipKey>& kin)
    : folder_(folder),
      owner_(owner),
      limits_(limits),
      clock_(clock),
      kin_(kin),
      name_(log_name(owner)),
      unfinished_name_(name_ + std::string(kLogUnfinishedSuffix)) {
  assert(limits.bytes_max >= (8 << 20) && limits.bytes_max <= kLogFileMax);
}

Result<std::unique_ptr<CompactingLog>> CompactingLog::create(LogFolder& folder,
                                                             const LogOwner& owner,
                                                             const LogLimits& limits,
                                                             const Clock& clock,
                                                             const std::optional<SipKey>& kin) {
  std::unique_ptr<CompactingLog> log(new CompactingLog(folder, owner, limits, clock, kin));
  BRAID_CHECK(remove_unfinished(folder, owner));
  BRAID_TRY(const std::vector<std::string> names, folder.list());
  if (std::ranges::find(names, log->name_) != names.end()) return fail_os(EEXIST);
  BRAID_CHECK(log->begin_file());
  while (log->compaction_) BRAID_CHECK(log->continue_file());
  log->compactions_ = 0;
  return log;
}

Result<void> CompactingLog::commit(std::span<LogChange> changes) {
  if (!failure_) {
    uint64_t bytes = 0;
    for (const LogChange& change : changes) bytes += change.bytes();
    Result<void> written;
    if (has_room(bytes)) {
      for (const LogChange& change : changes) {
        writer_->add(change.operation, as_bytes(change.key), as_bytes(change.value));
      }
      written = writer_->commit();
    } else {
      written = fail_os(ENOSPC);  // and writing it anew has not helped
    }
    if (!written) set_failed(written.error());
  }
  for (LogChange& change : changes) {
    if (!failure_ || change.operation == LogOperation::kErase) apply(change);
  }
  if (failure_) return fail(*failure_);
  return {};
}

// Of what the current file has, or, for an erasure on a failed log, must not have again.
void CompactingLog::apply(LogChange& change) {
  if (compaction_) {
    compaction_->writer.add(change.operation, as_bytes(change.key), as_bytes(change.value));
  }
  const auto found = records_.find(change.key);
  if (found != records_.end()) {
    live_bytes_ -= LogRecord::size(found->first.size(), found->second.size());
  }
  if (change.operation == LogOperation::kErase) {
    if (found != records_.end()) records_.erase(found);
    return;
  }
  live_bytes_ += change.bytes();
  if (found != records_.end()) {
    found->second = std::move(change.value);
  } else {
    records_.emplace(std::move(change.key), std::move(change.value));
  }
}

bool CompactingLog::wants_compaction() const {
  if (compaction_) return true;
  const bool is_due = failure_ || writer_->end() > std::max(limits_.compact_min, 2 * live_bytes_);
  return is_due && clock_.monotonic() >= next_try_;
}

Result<void> CompactingLog::compact_piece() {
  auto done = compaction_ ? continue_file() : begin_file();
  if (done) return done;
  compaction_.reset();
  ++compactions_failed_;
  next_try_ = clock_.monotonic() + limits_.retry;
  // It may have its name already, and is not ours any more.
  static_cast<void>(folder_.remove(unfinished_name_));
  log::warn("the handle log {} could not be written anew: {}", name_, done.error().message());
  return done;
}

Result<void> CompactingLog::begin_file() {
  BRAID_TRY(const uint64_t salt, new_salt(kin_));
  BRAID_CHECK(remove_if_there(folder_, unfinished_name_));
  BRAID_TRY(auto file, folder_.create(unfinished_name_));
  compaction_.emplace(Compaction{.writer = LogWriter(std::move(file), {owner_, salt}, limits_.step),
                                 .reached = {}});
  return {};
}

Result<void> CompactingLog::continue_file() {
  Compaction& to = *compaction_;
  auto next = records_.upper_bound(to.reached);  // no key is empty
  const uint64_t piece_end = to.writer.end() + limits_.piece;
  while (next != records_.end() && to.writer.end() < piece_end) {
    to.writer.add(LogOperation::kPut, as_bytes(next->first), as_bytes(next->second));
    to.reached = next->first;
    ++next;
  }
  BRAID_CHECK(to.writer.commit());
  if (next != records_.end()) return {};
  return finish_file();
}

// The new file has all that was committed, and is on the disk. Until the folder is there too, a
// crash gives the one or the other.
Result<void> CompactingLog::finish_file() {
  auto named = folder_.rename(unfinished_name_, name_);
  if (named) named = folder_.sync();
  if (!named) {
    set_failed(named.error());
    return named;
  }
  writer_ = std::make_unique<LogWriter>(std::move(compaction_->writer));
  compaction_.reset();
  ++compactions_;
  if (failure_) log::info("the handle log {} can be written again", name_);
  failure_.reset();
  return {};
}

void CompactingLog::set_failed(Error error) {
  if (!failure_) {
    ++failures_;
    log::error("the handle log {} cannot be written, no further handles are preserved: {}", name_,
               error.message());
  }
  failure_ = error;
  // The file that is being written mends it, or the next one.
  next_try_ = clock_.monotonic();
}

}  // namespace braid::store

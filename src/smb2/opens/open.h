// Open. [MS-SMB2] 3.3.1.10 "Per Open".
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/guarded.h"
#include "filestate/types.h"
#include "rpc/pipe.h"
#include "runtime/one_shot.h"
#include "runtime/turn_guarded.h"
#include "smb2/common/fd_budget.h"
#include "smb2/common/held_memory.h"
#include "smb2/compression/compression_trials.h"
#include "smb2/opens/channel_sequence.h"
#include "smb2/opens/open_values.h"
#include "smb2/opens/pipe_reads.h"
#include "smb2/sessions/session.h"
#include "smb2/sessions/tree_connect.h"
#include "store/worker_tag.h"
#include "vfs/vfs.h"

namespace braid::smb2 {

class Open;

// The right to use an Open, held by a request while it works. Closing waits for all of them.
class OpenUse {
 public:
  OpenUse() = default;
  explicit OpenUse(std::shared_ptr<Open> open) : open_(std::move(open)) {}
  OpenUse(OpenUse&& other) noexcept : open_(std::move(other.open_)) {}
  OpenUse& operator=(OpenUse&& other) noexcept {
    release();
    open_ = std::move(other.open_);
    return *this;
  }
  ~OpenUse() { release(); }

  explicit operator bool() const { return open_ != nullptr; }
  Open* operator->() const { return open_.get(); }
  Open& operator*() const { return *open_; }
  const std::shared_ptr<Open>& get() const { return open_; }
  void release();

 private:
  std::shared_ptr<Open> open_;
};

// Where QUERY_DIRECTORY is. Used by one request at a time, in turns.
struct EnumerationState {
  std::unique_ptr<vfs::Enumeration> enumeration;
  std::string pattern;                       // EnumerationSearchPattern, UTF-8
  std::vector<vfs::DirectoryEntry> pending;  // read and not yet sent, in order
  size_t next_pending = 0;
  bool is_exact = false;    // of a POSIX open: each case of a name is another name
  bool exhausted = false;   // nothing more is to be read
  bool answered = false;    // at least one entry was sent since the last (re)start
  bool is_counted = false;  // in Open::memory
};

// Owned by its Session; used through OpenUse. Thread: any.
// Life: open -> closing (once, begin_close) -> closed when the last OpenUse is gone. An open that
// outlives its connection becomes a PreservedOpen then, and another Open with the same FileId when
// its client comes back: session, tree and values of an Open never change.
class Open : public OpenValues {
 public:
  Open(OpenValues values, std::shared_ptr<Session> its_session,
       std::shared_ptr<TreeConnect> its_tree)
      : OpenValues(std::move(values)),
        session(std::move(its_session)),
        tree_connect(std::move(its_tree)) {}

  const std::weak_ptr<Session> session;
  const std::shared_ptr<TreeConnect> tree_connect;

  // Counts the Open itself with its name, its locks, its enumeration and its notifications.
  HeldMemory memory;
  LockRoom lock_room;

  FdBudget::Files descriptors;  // the room that the two files take
  // Set before the Open is in any table. Exactly one of the two.
  std::unique_ptr<vfs::File> file;
  std::unique_ptr<rpc::Pipe> pipe;
  // Calls of the pipe, which may wait for a name service, one after the other as they came.
  TurnGuarded<std::monostate> pipe_calls;
  PipeReads pipe_reads;
  // For a stream: the file it belongs to, opened for attributes.
  std::unique_ptr<vfs::File> base_file;
  // Of a file whose name something else has taken through this Open (FSCTL_SET_REPARSE_POINT): what
  // that is, as it was put there. Clients ask for it by the same handle.
  Guarded<std::unique_ptr<const vfs::Attributes>> in_its_place;
  // What is told of it.
  Result<vfs::Attributes> seen() const;
  // Of a file that others' changes are heard of, files/local_access.h; it ends before the file
  // does.
  std::shared_ptr<const void> local_watch;
  // Of a stream, as its last rename left it, whoever asked for that; null for all else.
  std::shared_ptr<const vfs::StreamName> its_stream_name;
  std::string stream_name() const { return its_stream_name ? its_stream_name->text() : ""; }
  // Data was changed through this Open: its directory's leases hear of it at the CLOSE.
  std::atomic<bool> is_modified = false;
  // The audit has a line that something was written.
  std::atomic<bool> is_write_audited = false;

  bool is_pipe() const { return pipe != nullptr; }
  // What a stream is a part of, or the file itself: where attributes, times, extended attributes
  // and security are.
  vfs::File& whole_file() const { return base_file ? *base_file : *file; }

  // The name as the CREATE, or the last rename through this Open, left it. Where it is now is told
  // by open_name.h.
  Guarded<vfs::Path> path;
  // Made for the first answer that is to be compressed.
  Guarded<std::shared_ptr<CompressionTrials>> compression_trials;
  TurnGuarded<EnumerationState> enumeration;
  // FilePositionInformation and FileModeInformation: kept, as clients read back what they set.
  std::atomic<uint64_t> position = 0;
  std::atomic<uint32_t> mode = 0;
  // errno of a flush that failed, as what was written may be lost: see sync.h. 0: none has.
  std::atomic<int> flush_error = 0;
  // Open.NextEaEntry of [MS-FSA] 2.1.1.6 "Per Open": how many were told already.
  std::atomic<uint32_t> next_ea = 0;
  // PendingNotifications of [MS-FSA] 2.1.1.3 "Per File": changes made through this open that are
  // told when it is flushed or closed. wire::CompletionFilter.
  std::atomic<uint32_t> pending_notifications = 0;

  // UserSetAccessTime, UserSetModificationTime and UserSetChangeTime of [MS-FSA] 2.1.1.6 "Per
  // Open"; the two files do what they say.
  std::atomic<vfs::TimeRules> time_rules{};
  void set_time_rules(const vfs::TimeRules& rules);
  ChannelSequence channel_sequence;

  // Set by CREATE and FSCTL_LMR_REQUEST_RESILIENCY, after filestate has agreed.
  Guarded<DurableTerms> durable_terms;
  // Open.IsReplayEligible: nothing has been done with the Open yet, so its CREATE may be answered
  // again.
  std::atomic<bool> is_replay_eligible = false;
  // What is counted in `memory` for changes that nobody has asked for yet and their directory.
  std::atomic<size_t> counted_for_notifications = 0;
  // Whether the OpenTable has it.
  std::atomic<bool> is_in_open_table = false;

  // A request that names the Open does something with it: [MS-SMB2] 3.3.5.10 and others.
  void end_replay_eligibility() {
    if (is_replay_eligible.load(std::memory_order_relaxed)) is_replay_eligible = false;
  }

  // As they are now. Thread: any; others may be changing them.
  OpenChanges changes() const;
  // REQUIRES: the Open is in no table yet, and its files are there.
  void resume(OpenChanges changes);

  // Empty when the Open is closing.
  static OpenUse use(const std::shared_ptr<Open>& open);
  // True for the one caller that closes.
  bool begin_close();
  // The same where no request uses the Open; else nothing happens.
  bool begin_close_unused();
  bool is_used() const { return (state_.load(std::memory_order_acquire) & ~kClosing) != 0; }
  bool is_closing() const { return (state_.load(std::memory_order_acquire) & kClosing) != 0; }
  // After begin_close(): continues when no request uses the Open any more.
  auto unused(Executor& executor) { return unused_.wait(executor); }

 private:
  friend class OpenUse;
  void end_use();

  static constexpr uint32_t kClosing = 1u << 31;
  std::atomic<uint32_t> state_ = 0;  // users, and kClosing
  OneShot<bool> unused_;
};

// Numbers for FileIds. Thread: any.
class FileIdSource {
 public:
  // With several workers the numbers say whose they are.
  explicit FileIdSource(store::WorkerTag worker = {}) : worker_(worker) {}
  // Before the first.
  void start_at(uint64_t number) { next_ = number; }
  FileId next() {
    const uint64_t number = worker_.tagged(next_.fetch_add(1, std::memory_order_relaxed));
    return {number, number};
  }

 private:
  const store::WorkerTag worker_;
  std::atomic<uint64_t> next_ = 1;
};

}  // namespace braid::smb2

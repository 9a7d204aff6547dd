// FileTable's insides: where files are kept and how an event reaches one. For file_table*.cc only.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "base/guarded.h"
#include "base/sip_hash.h"
#include "filestate/file_node.h"
#include "filestate/file_table.h"
#include "filestate/lease_keys.h"
#include "filestate/sleepers.h"
#include "store/group.h"
#include "store/names_in_making.h"

namespace braid::filestate {

inline constexpr size_t kShards = 256;    // several times the cores of a large machine
inline constexpr size_t kSparesMax = 16;  // per shard: enough for files opened one after the other

// Keyed by the file alone, so that streams are found with their file.
struct Files {
  using Nodes = std::unordered_map<FileKey, std::unique_ptr<FileNode>>;

  Nodes nodes;
  std::vector<Nodes::node_type> spares;  // so that opening a file costs no allocation for it
  uint64_t last_serial{};                // the largest break serial of files that are gone

  // REQUIRES: file is not in nodes; it is the key of a file, not of a stream.
  Nodes::iterator add(const FileKey& file, FileNode::Sharing sharing);
  void drop_idle_streams(FileNode& node);
  void remove(Nodes::iterator node);
};

inline FileKey node_key(const FileKey& file) { return {file.device, file.inode, 0}; }
inline store::RecordKey record_key(const FileKey& file) {
  return {store::RecordKind::kFile, file.device, file.inode, 0};
}

// What an event leaves to do once its locks are dropped.
struct Effects {
  Outcome outcome;
  std::vector<CloseDecision> closed;  // one for each of outcome.purged
  // With several workers, instead of these two:
  std::vector<Output> own;                // for this one, in order
  std::vector<store::WorkerTag> to_wake;  // have something in a record's outbox
  std::vector<OrphanedDeletion> orphans;  // for this one
  size_t kept_parts = 0;                  // of a file that is kept from now on
};

// Files that this worker has nothing of and knows all the same, since reading them again would take
// long: whoever opens the root of a share reads what has changed and not who else has it open.
// Thread: any.
class KeptFiles {
 public:
  // What is forgotten and read again at the next event, which costs less than to keep it.
  static constexpr size_t kSmall = 16;
  // Some 300 bytes each.
  static constexpr size_t kPartsMax = 131'072;

  // Returns those that are to be forgotten instead.
  std::vector<FileKey> add(const FileKey& file, size_t parts);

 private:
  struct Kept {
    std::deque<std::pair<FileKey, size_t>> files;  // with their parts, the oldest first
    size_t parts = 0;
  };
  Guarded<Kept> kept_;
};

struct FileTable::Impl {
  Impl(BreakSink& to, store::Group* workers, Keeping what)
      : sink(to),
        group(workers),
        self(workers ? workers->own_tag() : store::WorkerTag{}),
        records(workers ? &workers->records() : nullptr),
        is_spread(records && records->is_spread()),
        roster_version(workers ? &workers->roster_version() : nullptr),
        keeping(what),
        hash_key(workers ? workers->hash_key() : random_sip_key()),
        names_gone(workers ? workers->counter(store::Counter::kNamesGone) : own_names_gone) {}

  using Shard = Guarded<Files, LockRank::kFiles>;
  Shard& shard_of(const FileKey& file) {
    return shards[std::hash<FileKey>{}(node_key(file)) % kShards];
  }
  store::WorkerTag own_tag() const { return self; }
  // Whether the persistent opens of such a worker, which has died, wait for its next life.
  bool keeps(store::WorkerTag dead) const { return keeps_own || dead.index() != own_tag().index(); }
  // A token may come from a life that had workers, but who is alone has all opens.
  store::WorkerTag worker_of(OpenToken token) const {
    return group ? store::WorkerTag::of(token.value) : store::WorkerTag{};
  }

  // Brought here with no lock held, so that nobody waits for it who is after another file of the
  // shard. It may have gone again before HeldFile has it, which waits for it then.
  Impl& having(const FileKey& file) {
    if (is_spread) records->await_here(record_key(file));
    return *this;
  }

  // A file with its lock held; a stream of it by its identity. With several workers that is also
  // the lock of its record, and the node is as the record says, without what dead workers left.
  class HeldFile {
   public:
    HeldFile(Impl& impl, const FileKey& file, Effects& effects);

    FileNode* node() { return found_ == files_->nodes.end() ? nullptr : found_->second.get(); }
    FileState* state() { return node() ? node()->find(file_) : nullptr; }
    // Of the stream that is called as the file says; made if need be.
    FileState& open_state();
    // After an event of `state`: unbinds the keys of leases that ended and sees what purged opens
    // leave to delete.
    void settle(FileState& state);
    // At the end, always: forgets the file if nobody has it open, and writes the record. False when
    // there was no room for it: what happened did not. The shape of things is not looked at again
    // unless `changed`.
    bool finish(bool changed, store::Urgency urgency);

   private:
    void make_current();
    bool take_changes();
    bool commit(bool changed, store::Urgency urgency);
    bool write_changes(store::Urgency urgency);
    void keep_or_forget();
    void drop_dead();
    void adopt_deletions();
    void adopt(FileState& state, const CloseResult& left);
    void end_orphaned_deletes();
    void fetch_own();
    CloseDecision end_purged(FileState& state, const Outcome::Purged& purged);
    void send(FileState& state, const Outcome& outcome);
    // Of this process only: the record is as it is.
    void forget();
    void unbind_all();
    bool has_own();

    Impl& impl_;
    const FileKey file_;
    Effects& effects_;
    Shard::Handle<Files> files_;
    std::optional<store::RecordStore::Held> record_;
    Files::Nodes::iterator found_;
    bool changed_ = false;
  };

  // Runs `event(node, state, outcome)` with the file's lock held and tells the sink of the outcome
  // afterwards. Not run, and `absent` returned, if nothing has the file open.
  template <class Result, class Event>
  Result with(const FileKey& file, Result absent, Event event) {
    Effects effects;
    Result result = absent;
    {
      HeldFile held(*this, file, effects);
      FileState* const state = held.state();
      if (state) {
        result = event(*held.node(), *state, effects.outcome);
        held.settle(*state);
      }
      held.finish(state != nullptr, store::Urgency::kMustNotFail);
    }
    tell(file, effects);
    return result;
  }
  // The same for what has no result.
  template <class Event>
  void change(const FileKey& file, Event event) {
    with(file, std::monostate{}, [&](FileNode& node, FileState& state, Outcome& outcome) {
      event(node, state, outcome);
      return std::monostate{};
    });
  }
  // Instead of with(), for what takes room in a record: `refused` when there is none, and then it
  // has not happened.
  template <class Result, class Event>
  Result with_room(const FileKey& file, Result absent, Result refused, Event event,
                   store::Urgency urgency = store::Urgency::kOrdinary) {
    Effects effects;
    Result result = absent;
    {
      HeldFile held(*this, file, effects);
      FileState* const state = held.state();
      if (state) {
        result = event(*held.node(), *state, effects.outcome);
        held.settle(*state);
      }
      if (!held.finish(state != nullptr, urgency)) result = refused;
    }
    tell(file, effects);
    return result;
  }
  // Whether the node is as its record says, which is not locked for that.
  bool is_current(const FileNode& node) const {
    const FileKey& file = node.main.key();
    return node.changes_seen == records->changes(record_key(file)) &&
           node.roster_version == *roster_version;
  }
  // The file as it is known here, if nobody has changed it since; null also when nothing is known
  // here. As long as the lock of `files` is held.
  FileNode* find_unchanged(const Files& files, const FileKey& file) const;
  // The same as with() for what changes nothing.
  template <class Result, class Question>
  Result ask(const FileKey& file, Result absent, Question question) {
    if (group) {
      auto files = shard_of(file).lock();
      if (FileNode* const node = find_unchanged(*files, file)) {
        const FileState* const state = node->find(file);
        return state ? question(*node, *state) : absent;
      }
    }
    Effects effects;
    Result result = absent;
    {
      HeldFile held(*this, file, effects);
      const FileState* const state = held.state();
      if (state) result = question(*held.node(), *state);
      held.finish(false, store::Urgency::kMustNotFail);
    }
    tell(file, effects);
    return result;
  }

  // [MS-FSA] 2.1.5.5, phases 2 and 3: a stream goes with its last open, a name of the file with the
  // last open of any stream by it. `by` is the worker that removes it; `until_deleted` is not set.
  static CloseDecision close_decision(
      FileNode& node, const FileState& state, const CloseResult& result, store::WorkerTag by,
      FileNode::Deletion::Why why = FileNode::Deletion::Why::kLastClose);
  // `of`: the file or stream that was open.
  std::shared_ptr<const void> until_deleted(const CloseDecision& closed, const FileKey& of) {
    return {this, [this, of, file = closed.file, path = closed.path](const void*) {
              end_delete(file, path);
              if (of != file) end_delete(of, path);
            }};
  }
  enum class Removed : uint8_t { kYes, kNo };
  void end_delete(const FileKey& file, const SharedPath& path, Removed removed = Removed::kYes);
  std::shared_ptr<const void> until_replaced(const FileKey& file) {
    return {this, [this, file](const void*) { end_replace(file); }};
  }
  void end_replace(const FileKey& file);
  // Takes what an open of `file`, or a rename over it, is about to remove or exchange: in
  // file_table_replace.cc, where `judge(node, state)` says whether it may.
  enum class Unopened : uint8_t { kRefuse, kTake };
  template <class Judge>
  ReplaceDecision take(const FileKey& file, Unopened unopened, Judge judge);

  // A name went, moved or was replaced: before those come in who were kept out until now.
  void name_went() { group ? group->raise(store::Counter::kNamesGone) : void(++own_names_gone); }

  std::optional<size_t> begin_making(uint64_t name) {
    return group ? group->begin_making(name) : own_names_in_making.add(name);
  }
  void end_making(size_t at) { group ? group->end_making(at) : own_names_in_making.remove(at); }
  FileKey key_of_name(std::string_view path) const;
  // Who is making what has this name.
  std::optional<store::WorkerTag> maker_of(std::string_view path) const;

  // FileTable::take_noted() is to have it. With the file's lock held.
  void note(const FileKey& file);
  // The same of FileTable::take_noted_elsewhere().
  void note_elsewhere(const FileNode& node);
  // Of these, the others that live.
  std::vector<store::WorkerTag> others_of(const std::vector<store::WorkerTag>& workers) const;
  void tell(const FileKey& file, Effects& effects);
  void tell(OrphanedDeletion deletion);
  // Something may be in this file's record for this worker.
  void look(const FileKey& file) {
    change(file, [](FileNode&, FileState&, Outcome&) {});
  }
  // The same, also for what dead workers have left there: who is alive may count otherwise now.
  void look_for_dead(const FileKey& file) {
    {
      auto files = shard_of(file).lock();
      const auto found = files->nodes.find(node_key(file));
      if (found != files->nodes.end()) found->second->roster_version = 0;
    }
    look(file);
  }
  // The same for every file that this worker has anything of.
  void look_at_all();
  void keep(const FileKey& file, size_t parts);
  // Files with a path for which `is(path)`, in this process or in all.
  std::vector<FileKey> files_where(const std::function<bool(std::string_view)>& is);

  void wake(const FileKey& file) {
    if (sleepers) sleepers->wake(node_key(file));
  }
  void wake_where(const std::function<bool(std::string_view)>& is) {
    if (sleepers) sleepers->wake_where(is);
  }

  BreakSink& sink;
  Sleepers* sleepers = nullptr;
  store::Group* const group;
  // Of the group, which every event asks for; null without one.
  const store::WorkerTag self;
  store::RecordStore* const records;
  const bool is_spread;
  const std::atomic<uint64_t>* const roster_version;
  const Keeping keeping;
  const SipKey hash_key;
  std::atomic<uint64_t> own_names_gone{};
  const std::atomic<uint64_t>& names_gone;   // those, or the ones of all workers
  store::NamesInMaking own_names_in_making;  // when there are no others
  LeaseKeys keys;
  KeptFiles kept;
  struct Orphans {
    bool are_handed_out = false;
    std::vector<OrphanedDeletion> kept;
  };
  Guarded<Orphans> orphans;
  Guarded<std::unordered_set<FileKey>> noted;
  std::atomic<bool> has_noted{};  // there may be some
  Guarded<std::unordered_map<FileKey, std::vector<store::WorkerTag>>> noted_elsewhere;
  std::atomic<bool> has_noted_elsewhere{};
  std::atomic<bool> keeps_own = true;  // until drop_kept()
  std::atomic<uint64_t> parts_read{};  // of records, that others had changed
  std::array<Shard, kShards> shards;
};

}  // namespace braid::filestate

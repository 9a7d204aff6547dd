// FileNode: a file with its streams, which share its fate when it is deleted.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "filestate/file_state.h"
#include "filestate/part_table.h"
#include "filestate/types.h"
#include "store/record_store.h"
#include "store/worker_tag.h"

namespace braid::filestate {

// An open that was given up, as its worker has to be told: see BreakSink::purged.
struct PurgedOpen {
  OpenRef open;
  bool delete_now{};
  FileKey file;
  bool stream_too{};
  SharedPath path;
  Deleters link_deleters;
  Deleters stream_deleters;
};

// What an event made happen, for one worker.
struct Output {
  store::WorkerTag to;
  FileKey file;
  std::variant<Break, Completion, PurgedOpen> what;
  uint64_t order{};  // among those in the outbox
  uint32_t part = kNoPart;
  size_t slot{};

  uint64_t key() const { return order; }
};

// The bytes of what has changed of a node.
struct NodeChanges {
  Bytes head;
  Bytes bytes;  // of all parts
  std::vector<store::PartChange> parts;
};

// Owned by a FileTable. Thread: under the lock of its shard.
//
// With several workers it is a record, whose value says what there is one of, and whose parts are
// everything that there can be many of: an event writes as much as it changes, and another worker
// reads as much as has changed, however many have the file open.
struct FileNode {
  enum class Sharing : uint8_t { kOneWorker, kSeveral };

  FileNode(const FileKey& file, uint64_t last_serial, Sharing sharing = Sharing::kOneWorker)
      : parts(sharing == Sharing::kSeveral ? std::make_unique<PartTable>() : nullptr),
        main(file, last_serial, parts.get()) {}

  // Decided to be removed, and not removed yet.
  struct Deletion {
    enum class Why : uint8_t {
      kLastClose,
      kNewcomer,  // a disconnected open made way
      kReplaced,  // a rename or link is about to take the name, or will leave it alone
    };
    FileKey file;
    SharedPath path;  // of a name of the file
    store::WorkerTag by;
    Why why = Why::kLastClose;

    // Whether who comes meanwhile is to ask again, instead of hearing of it.
    bool newcomers_wait() const { return why != Why::kLastClose; }
    bool is_of(const SharedPath& name) const {
      return name == path || (name && path && *name == *path);
    }
  };

  const std::unique_ptr<PartTable> parts;  // with several workers only
  FileState main;                          // the unnamed stream, or the directory
  std::vector<std::unique_ptr<FileState>> streams;
  Account account{};  // of who opened it last
  // Somebody has, or had, it open with a promise that outlives this process: its changes are noted.
  bool is_noted = false;
  // With several workers only: in which of their logs such promises are. It may be none's any more.
  std::vector<store::WorkerTag> promised_by;
  std::vector<Deletion> deleting;

  // With several workers only: what the others have to be told and have not fetched yet. It is part
  // of the record, so that nothing is lost when the one who caused it dies before saying so.
  IndexedSet<Output, uint64_t> outbox;
  uint64_t last_output{};       // not below the order of any
  uint64_t version = 0;         // of the record this is the same as
  uint64_t changes_seen = 0;    // RecordStore::changes() when it was
  uint64_t roster_version = 0;  // of the workers when it was last looked for dead ones
  size_t kept_parts = 0;        // how many it had when it was last counted to KeptFiles

  FileState* find(const FileKey& file) {
    if (file.stream == 0) return &main;
    const auto found =
        std::ranges::find(streams, file, [](const auto& stream) { return stream->key(); });
    return found == streams.end() ? nullptr : found->get();
  }
  // `file` is as vfs gives it: what the stream is called now. The other find() goes by identity.
  FileState* find_called(const FileKey& file) {
    if (file.stream == 0) return &main;
    const auto found =
        std::ranges::find(streams, file.stream, [](const auto& stream) { return stream->name(); });
    return found == streams.end() ? nullptr : found->get();
  }
  FileState& find_or_add_called(const FileKey& file, uint64_t last_serial) {
    if (FileState* found = find_called(file)) return *found;
    FileKey identity = file;
    if (find(file)) identity.stream = free_identity(file.stream);
    FileState& added = *streams.emplace_back(
        std::make_unique<FileState>(identity, last_serial, parts.get(), kNoPart, &main.links()));
    if (identity != file) added.set_name(file.stream);
    return added;
  }
  // One that was renamed keeps the number that its first name made: the next that no stream has.
  uint64_t free_identity(uint64_t from) const;
  bool is_deleting(const FileKey& file) const {
    return std::ranges::find(deleting, file, &Deletion::file) != deleting.end();
  }
  bool is_being_replaced() const {
    return std::ranges::find(deleting, Deletion::Why::kReplaced, &Deletion::why) != deleting.end();
  }
  // [MS-FSA] 2.1.5.1.2.1: with the file its streams go. Whether an open of `file` that may delete
  // it
  // (`deletes`), or has this access to a stream, gets along with opens of the others.
  bool shares_deletion(const FileKey& file, bool deletes, uint32_t access, uint32_t share) const {
    if (file.stream != 0) return !main.collides_with_deleter(access, share);
    return !deletes || std::ranges::none_of(
                           streams, [](const auto& stream) { return stream->denies(kDelete); });
  }
  bool is_idle() const {
    return streams.empty() && !main.has_opens() && deleting.empty() && outbox.empty();
  }
  // An open of `worker` is persistent from now on.
  void note_promise(store::WorkerTag worker) {
    is_noted = true;
    if (!parts) return;
    const auto has = [this](store::WorkerTag by) {
      return parts->any_holder([by](store::WorkerTag holder) { return holder == by; });
    };
    std::erase_if(promised_by, [&](store::WorkerTag by) { return by == worker || !has(by); });
    promised_by.push_back(worker);
  }
  // One of them is over. `is_gone`: the name is, too.
  void end(const Deletion& deletion, bool is_gone = true) {
    if (deletion.why == Deletion::Why::kReplaced) return;
    FileState* const state = find(deletion.file);
    if (!state) return;
    const std::string_view path = deletion.path ? std::string_view(*deletion.path) : "";
    is_gone ? state->end_delete(path) : state->keep_name(path);
  }
  // The name of `open` is another one now.
  void renamed(const OpenRef& open, SharedPath path) {
    FileState* const state = find(open.file);
    if (state) state->renamed(open.token, std::move(path), streams, &main);
  }
  template <class Visit>
  void for_each_state(Visit visit) {
    visit(main);
    for (const auto& stream : streams) visit(*stream);
  }

  void put_out(store::WorkerTag to, const FileKey& file,
               std::variant<Break, Completion, PurgedOpen> what);
  // Takes those that are meant out of the outbox, in order.
  template <class Test>
  std::vector<std::unique_ptr<Output>> take_outputs(Test is_meant);

  // Of a record. REQUIRES: it is one of several workers.
  //
  // What events have changed since this was last asked.
  void encode_changes(NodeChanges& out);
  // Parts with what they are now, with empty views for what is not there; see take().
  using PartValue = std::pair<uint32_t, ByteView>;
  struct EndedLease {
    LeaseId lease;
    FileKey file;
  };
  // Becomes what the record says, of which `parts` differ from what is here. Returns the leases
  // that are no longer. After an error it is of no use.
  Result<std::vector<EndedLease>> take(ByteView head, std::span<const PartValue> parts);
  // Only whether it may be open by a name that `is` so: one is looked at, of others it is not
  // known.
  static bool may_have_path(ByteView record, const std::function<bool(std::string_view)>& is);
};

template <class Test>
std::vector<std::unique_ptr<Output>> FileNode::take_outputs(Test is_meant) {
  std::vector<Output*> meant;
  for (const auto& output : outbox) {
    if (is_meant(*output)) meant.push_back(output.get());
  }
  std::ranges::sort(meant, {}, &Output::order);
  std::vector<std::unique_ptr<Output>> taken;
  for (Output* const output : meant) {
    parts->remove(output->part);
    taken.push_back(outbox.take(*output));
  }
  return taken;
}

}  // namespace braid::filestate

#include "filestate/file_table.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "filestate/file_state.h"
#include "filestate/lease_keys.h"

namespace braid::filestate {
namespace {

constexpr size_t kShards = 256;    // several times the cores of a large machine
constexpr size_t kSparesMax = 16;  // per shard: enough for files opened one after the other

// A file with its streams, which share its fate when it is deleted.
struct FileNode {
  FileNode(const FileKey& file, uint64_t last_serial) : main(file, last_serial) {}

  FileState main;  // the unnamed stream, or the directory
  std::vector<std::unique_ptr<FileState>> streams;
  SharedPath path;
  std::vector<FileKey> deleting;  // decided to be removed, and not removed yet

  FileState* find(const FileKey& file) {
    if (file.stream == 0) return &main;
    const auto found =
        std::ranges::find(streams, file, [](const auto& stream) { return stream->key(); });
    return found == streams.end() ? nullptr : found->get();
  }
  FileState& find_or_add(const FileKey& file, uint64_t last_serial) {
    if (FileState* found = find(file)) return *found;
    return *streams.emplace_back(std::make_unique<FileState>(file, last_serial));
  }
  bool is_idle() const { return streams.empty() && !main.has_opens() && deleting.empty(); }
};

// Keyed by the file alone, so that streams are found with their file.
struct Files {
  using Nodes = std::unordered_map<FileKey, std::unique_ptr<FileNode>>;

  Nodes nodes;
  std::vector<Nodes::node_type> spares;  // so that opening a file costs no allocation for it
  uint64_t last_serial = 0;              // the largest break serial of files that are gone

  // REQUIRES: file is not in nodes; it is the key of a file, not of a stream.
  Nodes::iterator add(const FileKey& file) {
    if (spares.empty()) {
      return nodes.emplace(file, std::make_unique<FileNode>(file, last_serial)).first;
    }
    Nodes::node_type node = std::move(spares.back());
    spares.pop_back();
    node.key() = file;
    node.mapped()->main.reuse_for(file, last_serial);
    return nodes.insert(std::move(node)).position;
  }
  void drop_idle_streams(FileNode& node) {
    std::erase_if(node.streams, [&](const auto& stream) {
      if (stream->has_opens() || std::ranges::count(node.deleting, stream->key())) return false;
      last_serial = std::max(last_serial, stream->last_break_serial());
      return true;
    });
  }
  void remove(Nodes::iterator node) {
    last_serial = std::max(last_serial, node->second->main.last_break_serial());
    node->second->path = nullptr;
    Nodes::node_type removed = nodes.extract(node);
    if (spares.size() < kSparesMax) spares.push_back(std::move(removed));
  }
};
using Shard = Guarded<Files>;

FileKey node_key(const FileKey& file) { return {file.device, file.inode, 0}; }

}  // namespace

struct FileTable::Impl {
  explicit Impl(BreakSink& to) : sink(to) {}

  Shard& shard_of(const FileKey& file) {
    return shards[std::hash<FileKey>{}(node_key(file)) % kShards];
  }

  // Runs `event(node, state, outcome)` with the file's shard locked and tells the sink of the
  // outcome afterwards. Not run, and `absent` returned, if nothing has the file open.
  template <class Result, class Event>
  Result with(const FileKey& file, Result absent, Event event) {
    Outcome outcome;
    std::vector<CloseDecision> closed;
    Result result = absent;
    {
      auto files = shard_of(file).lock();
      const auto found = files->nodes.find(node_key(file));
      if (found == files->nodes.end()) return absent;
      FileState* state = found->second->find(file);
      if (!state) return absent;
      result = event(*found->second, *state, outcome);
      closed = settle(*files, found, *state, outcome);
    }
    tell(file, outcome, closed);
    return result;
  }
  template <class Result, class Question>
  Result ask(const FileKey& file, Result absent, Question question) {
    auto files = shard_of(file).lock();
    const auto found = files->nodes.find(node_key(file));
    if (found == files->nodes.end()) return absent;
    const FileState* state = found->second->find(file);
    return state ? question(*found->second, *state) : absent;
  }

  // After an event: unbinds the keys of leases that ended, sees what purged opens leave to delete,
  // and forgets the file if nobody has it open.
  std::vector<CloseDecision> settle(Files& files, Files::Nodes::iterator node, FileState& state,
                                    const Outcome& outcome) {
    for (const LeaseId& lease : state.take_ended_leases()) keys.unbind(lease, state.key());
    std::vector<CloseDecision> closed(outcome.purged.size());
    if (!closed.empty() && !state.has_opens()) {
      closed.back() = close_decision(*node->second, state,
                                     {.last_open = true, .delete_now = state.is_delete_pending()});
    }
    if (!state.has_opens()) {
      if (state.key().stream != 0) files.drop_idle_streams(*node->second);
      if (node->second->is_idle()) files.remove(node);
    }
    return closed;
  }

  // [MS-FSA] 2.1.5.5, phases 2 and 3: a stream goes with its last open, a file with the last open
  // of any of its streams.
  CloseDecision close_decision(FileNode& node, const FileState& state, CloseResult result) {
    if (!result.last_open) return {};
    const bool others_open = (state.key().stream != 0 && node.main.has_opens()) ||
                             std::ranges::any_of(node.streams, [&](const auto& stream) {
                               return stream.get() != &state && stream->has_opens();
                             });
    if (node.main.is_delete_pending()) {
      if (others_open) return {};
      return deletion(node, node.main.key());
    }
    if (!result.delete_now) return {};
    return deletion(node, state.key());
  }
  CloseDecision deletion(FileNode& node, const FileKey& file) {
    node.deleting.push_back(file);
    return {.delete_now = true,
            .file = file,
            .path = node.path,
            .until_deleted = {this, [this, file](const void*) { end_delete(file); }}};
  }
  void end_delete(const FileKey& file) {
    auto files = shard_of(file).lock();
    const auto found = files->nodes.find(node_key(file));
    FileNode& node = *found->second;  // stays while something is being deleted
    node.find(file)->end_delete();
    std::erase(node.deleting, file);
    files->drop_idle_streams(node);
    if (node.is_idle()) files->remove(found);
  }

  void tell(const FileKey& file, const Outcome& outcome, const std::vector<CloseDecision>& closed) {
    if (outcome.empty()) return;
    for (size_t i = 0; i < outcome.purged.size(); ++i) sink.purged(outcome.purged[i], closed[i]);
    for (const Break& notification : outcome.breaks) sink.send_break(notification);
    for (const Completion& completion : outcome.completions) sink.completed(file, completion);
  }

  BreakSink& sink;
  LeaseKeys keys;
  std::array<Shard, kShards> shards;
};

FileTable::FileTable(BreakSink& sink) : impl_(std::make_unique<Impl>(sink)) {}
FileTable::~FileTable() = default;

NtStatus FileTable::check_lease_key(const LeaseId& lease,
                                    const std::optional<FileKey>& file) const {
  return impl_->keys.may_bind(lease, file) ? NtStatus::kSuccess : NtStatus::kInvalidParameter;
}

OpenDecision FileTable::open(const FileKey& file, const OpenRequest& request) {
  Outcome outcome;
  std::vector<CloseDecision> closed;
  OpenDecision decision;
  {
    auto files = impl_->shard_of(file).lock();
    auto found = files->nodes.find(node_key(file));
    if (found == files->nodes.end()) found = files->add(node_key(file));
    FileNode& node = *found->second;
    FileState& state = node.find_or_add(file, files->last_serial);

    const bool deletes = (request.granted_access & kDelete) != 0 || request.delete_on_close;
    const bool with_lease = request.requested_oplock == OplockLevel::kLease && request.lease;
    const LeaseId lease = with_lease ? LeaseId{request.client_guid, request.lease->key} : LeaseId{};
    if (node.main.is_delete_pending()) {
      decision.decision = Decision::fail(NtStatus::kDeletePending);
    } else if (file.stream == 0 && deletes &&
               std::ranges::any_of(node.streams,
                                   [](const auto& stream) { return stream->denies(kDelete); })) {
      decision.decision = Decision::fail(NtStatus::kSharingViolation);
    } else if (with_lease && !impl_->keys.bind(lease, file)) {
      decision.decision = Decision::fail(NtStatus::kInvalidParameter);
    } else {
      decision = state.open(request, outcome);
      if (decision.decision.verdict == Verdict::kGo && request.path) node.path = request.path;
      if (with_lease) {
        if (!state.has_lease(lease)) {
          impl_->keys.unbind(lease, file);
        } else if (request.delete_on_close && decision.decision.verdict == Verdict::kGo) {
          impl_->keys.set_delete_on_close(lease);
        }
      }
    }
    closed = impl_->settle(*files, found, state, outcome);
  }
  impl_->tell(file, outcome, closed);
  return decision;
}

bool FileTable::cancel_wait(const OpenRef& ref) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome&) {
    return state.cancel_wait(ref.token);
  });
}

CloseDecision FileTable::close(const OpenRef& ref) {
  return impl_->with(ref.file, CloseDecision{},
                     [&](FileNode& node, FileState& state, Outcome& outcome) {
                       return impl_->close_decision(node, state, state.close(ref.token, outcome));
                     });
}

Decision FileTable::prepare(const OpenRef& ref, Operation operation) {
  return impl_->with(ref.file, Decision::fail(NtStatus::kFileClosed),
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.prepare(ref.token, operation, outcome);
                     });
}

Decision FileTable::set_delete_pending(const OpenRef& ref, bool delete_pending) {
  return impl_->with(ref.file, Decision::fail(NtStatus::kFileClosed),
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.set_delete_pending(ref.token, delete_pending, outcome);
                     });
}

bool FileTable::is_delete_pending(const FileKey& file) const {
  auto files = impl_->shard_of(file).lock();
  const auto found = files->nodes.find(node_key(file));
  if (found == files->nodes.end()) return false;
  if (found->second->main.is_delete_pending()) return true;
  const FileState* state = found->second->find(file);
  return state && state->is_delete_pending();
}

NtStatus FileTable::check_sharing(const OpenRef& ref, uint32_t access) const {
  return impl_->ask(ref.file, NtStatus::kFileClosed, [&](FileNode&, const FileState& state) {
    return state.check_sharing(ref.token, access);
  });
}

bool FileTable::is_open(const FileKey& file) const {
  return impl_->ask(file, false,
                    [&](FileNode&, const FileState& state) { return state.has_opens(); });
}

bool FileTable::is_open_with(const FileKey& file, uint32_t access) const {
  return impl_->ask(file, false,
                    [&](FileNode&, const FileState& state) { return state.is_open_with(access); });
}

void FileTable::renamed(const FileKey& file, SharedPath new_path) {
  auto files = impl_->shard_of(file).lock();
  const auto found = files->nodes.find(node_key(file));
  if (found != files->nodes.end()) found->second->path = std::move(new_path);
}

SharedPath FileTable::path_of(const FileKey& file) const {
  auto files = impl_->shard_of(file).lock();
  const auto found = files->nodes.find(node_key(file));
  return found == files->nodes.end() ? nullptr : found->second->path;
}

namespace {

// "a\b" is above "a\b\c".
bool is_below(std::string_view directory, const SharedPath& path) {
  return path && path->size() > directory.size() && path->starts_with(directory) &&
         (directory.empty() || (*path)[directory.size()] == '\\');
}

}  // namespace

bool FileTable::any_open_below(std::string_view directory) const {
  return std::ranges::any_of(impl_->shards, [&](Shard& shard) {
    auto files = shard.lock();
    return std::ranges::any_of(
        files->nodes, [&](const auto& entry) { return is_below(directory, entry.second->path); });
  });
}

Decision FileTable::break_handles_below(std::string_view directory, const OpenRef& directory_open) {
  std::vector<FileKey> below;
  for (Shard& shard : impl_->shards) {
    auto files = shard.lock();
    for (const auto& [key, node] : files->nodes) {
      if (is_below(directory, node->path)) below.push_back(key);
    }
  }
  Decision decision = Decision::go();
  for (const FileKey& key : below) {
    const Decision one =
        impl_->with(key, Decision::go(), [&](FileNode&, FileState& state, Outcome& outcome) {
          return state.take_handles(directory_open.token, outcome);
        });
    if (one.verdict == Verdict::kWait) decision = one;
  }
  return decision;
}

void FileTable::child_changed(const FileKey& directory, const ClientGuid& client,
                              const std::optional<LeaseKey>& parent_key) {
  impl_->with(directory, 0, [&](FileNode&, FileState& state, Outcome& outcome) {
    std::optional<LeaseId> actor;
    if (parent_key) actor = LeaseId{client, *parent_key};
    state.child_changed(actor, outcome);
    return 0;
  });
}

void FileTable::child_changed(const FileKey& directory, const OpenRef& child) {
  struct Actor {
    ClientGuid client{};
    std::optional<LeaseKey> parent_key;
  };
  const auto actor = impl_->ask(child.file, Actor{}, [&](FileNode&, const FileState& state) {
    const OpenRecord* open = state.find(child.token);
    if (!open) return Actor{};
    return Actor{open->client, open->lease ? open->lease->parent_key : std::nullopt};
  });
  child_changed(directory, actor.client, actor.parent_key);
}

Decision FileTable::lock(const OpenRef& ref, std::span<const LockRange> ranges,
                         bool fail_immediately, LockId id,
                         const std::optional<LockSequence>& sequence) {
  return impl_->with(ref.file, Decision::fail(NtStatus::kFileClosed),
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.lock(ref.token, ranges, fail_immediately, id, sequence,
                                         outcome);
                     });
}

NtStatus FileTable::unlock(const OpenRef& ref, std::span<const LockRange> ranges,
                           const std::optional<LockSequence>& sequence) {
  return impl_->with(ref.file, NtStatus::kFileClosed,
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.unlock(ref.token, ranges, sequence, outcome);
                     });
}

bool FileTable::cancel_lock(const OpenRef& ref, LockId id) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome&) {
    return state.cancel_lock(ref.token, id);
  });
}

NtStatus FileTable::check_io(const OpenRef& ref, uint64_t offset, uint64_t length,
                             bool write) const {
  return impl_->ask(ref.file, NtStatus::kFileClosed, [&](FileNode&, const FileState& state) {
    return state.check_io(ref.token, offset, length, write);
  });
}

OplockAck FileTable::ack_oplock(const OpenRef& ref, OplockLevel level) {
  return impl_->with(ref.file, OplockAck{NtStatus::kFileClosed, OplockLevel::kNone},
                     [&](FileNode&, FileState& state, Outcome& outcome) {
                       return state.ack_oplock(ref.token, level, outcome);
                     });
}

LeaseAck FileTable::ack_lease(const LeaseId& lease, Caching state) {
  const LeaseAck absent{NtStatus::kObjectNameNotFound, Caching::kNone};
  const std::optional<FileKey> file = impl_->keys.file_of(lease);
  if (!file) return absent;
  return impl_->with(*file, absent, [&](FileNode&, FileState& of, Outcome& outcome) {
    return of.ack_lease(lease, state, outcome);
  });
}

void FileTable::break_timed_out(const BreakId& id) {
  impl_->with(id.file, 0, [&](FileNode&, FileState& state, Outcome& outcome) {
    state.break_timed_out(id.serial, outcome);
    return 0;
  });
}

Caching FileTable::caching_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, Caching::kNone,
                    [&](FileNode&, const FileState& state) { return state.caching_of(ref.token); });
}

OpenDecision FileTable::grant_of(const OpenRef& ref) const {
  return impl_->ask(ref.file, OpenDecision{},
                    [&](FileNode&, const FileState& state) { return state.grant_of(ref.token); });
}

bool FileTable::set_durability(const OpenRef& ref, Durability durability) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome&) {
    return state.set_durability(ref.token, durability);
  });
}

bool FileTable::disconnect(const OpenRef& ref) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome& outcome) {
    return state.disconnect(ref.token, outcome);
  });
}

bool FileTable::reconnect(const OpenRef& ref, SessionId session) {
  return impl_->with(ref.file, false, [&](FileNode&, FileState& state, Outcome&) {
    return state.reconnect(ref.token, session);
  });
}

}  // namespace braid::filestate

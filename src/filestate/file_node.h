// FileNode: a file with its streams, which share its fate when it is deleted.
#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/result.h"
#include "filestate/file_state.h"
#include "filestate/types.h"
#include "store/worker_tag.h"

namespace braid::filestate {

// An open that was given up, as its worker has to be told: see BreakSink::purged.
struct PurgedOpen {
  OpenRef open;
  bool delete_now = false;
  FileKey file;
  SharedPath path;
};

// What an event made happen, for one worker.
struct Output {
  store::WorkerTag to;
  FileKey file;
  std::variant<Break, Completion, PurgedOpen> what;
};

// Owned by a FileTable. Thread: under the lock of its shard.
struct FileNode {
  FileNode(const FileKey& file, uint64_t last_serial) : main(file, last_serial) {}

  // Decided to be removed, and not removed yet.
  struct Deletion {
    FileKey file;
    store::WorkerTag by;
    bool is_for_newcomer = false;  // a disconnected open made way
  };

  FileState main;  // the unnamed stream, or the directory
  std::vector<std::unique_ptr<FileState>> streams;
  SharedPath path;
  std::vector<Deletion> deleting;

  // With several workers only: what the others have to be told and have not fetched yet. It is part
  // of the record, so that nothing is lost when the one who caused it dies before saying so.
  std::vector<Output> outbox;
  uint64_t version = 0;         // of the record this is the same as
  uint64_t roster_version = 0;  // of the workers when it was last looked for dead ones

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
  bool is_deleting(const FileKey& file) const {
    return std::ranges::find(deleting, file, &Deletion::file) != deleting.end();
  }
  bool is_idle() const {
    return streams.empty() && !main.has_opens() && deleting.empty() && outbox.empty();
  }
  template <class Visit>
  void for_each_state(Visit visit) {
    visit(main);
    for (const auto& stream : streams) visit(*stream);
  }

  void encode(Bytes& out) const;
  // `file` says device and inode, which the record's key has.
  static Result<std::unique_ptr<FileNode>> decode(const FileKey& file, ByteView record);
  // Only its path; "" when there is none.
  static std::string_view path_in(ByteView record);
};

}  // namespace braid::filestate

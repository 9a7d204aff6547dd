// What a memory Volume is made of.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "runtime/reactor.h"
#include "vfs/volume.h"

namespace braid::vfs {

// A file system on a disk would make whoever calls it wait.
struct WaitingMutex : std::mutex {
  void lock() {
    about_to_wait();
    std::mutex::lock();
  }
};

struct MemoryNode;
using MemoryNodeRef = std::shared_ptr<MemoryNode>;

// One file, directory or symbolic link. Guarded by MemoryTree::mutex.
struct MemoryNode {
  Attributes attributes;  // size, key and times are kept true
  Bytes content;
  std::string target;                             // of a symbolic link
  std::map<std::string, MemoryNodeRef> children;  // by spelling
  std::map<std::string, Bytes> xattrs;
  struct Stream {
    Bytes content;
    std::shared_ptr<StreamName> name;  // of those that have it open
  };
  std::map<std::string, Stream> streams;
  std::weak_ptr<MemoryNode> parent;
};

// Owned by the Volume and every open file together.
struct MemoryTree {
  explicit MemoryTree(const Clock& with) : clock(with) {}

  MemoryNodeRef make(Kind kind, uint32_t mode, uint32_t dos_attributes);
  // The change and write times of something just modified, and with `data` ARCHIVE.
  void touch(MemoryNode& node, bool data) const;

  const Clock& clock;
  WaitingMutex mutex;
  std::recursive_mutex exclusive;  // before the other; all files have this one
  uint64_t next_inode = 2;
  MemoryNodeRef root;
  Features features;
  std::optional<bool> checksums;  // kept of files; empty: there are none
};

struct MemoryPin final : Node {
  explicit MemoryPin(MemoryNodeRef pinned)
      : node(std::move(pinned)), file_key_(node->attributes.key) {}
  FileKey key() const override { return file_key_; }

  const MemoryNodeRef node;

 private:
  const FileKey file_key_;
};

// What every memory Volume says it has.
inline Space memory_space() { return {4096, 1 << 20, 1 << 19, 1 << 19}; }

inline const MemoryNodeRef& node_of(const std::shared_ptr<Node>& node) {
  return static_cast<const MemoryPin&>(*node).node;
}

}  // namespace braid::vfs

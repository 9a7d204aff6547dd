// InotifyTree: which directories have an inotify watch, and why.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "smb2/notify/local_changes.h"

namespace braid::smb2 {

// Directories by their paths on disk. Thread: under its owner's lock.
class InotifyTree {
 public:
  // Directories watched at most: each costs the kernel about a kilobyte. Beyond it changes deep in
  // large trees go untold, and the log says so.
  static constexpr size_t kDirectoriesMax = 65536;

  explicit InotifyTree(int inotify) : inotify_(inotify) {}

  // Watches the directory itself; covers() says whether those below are wanted too. 0: cannot.
  uint64_t add_root(const LocalWatch& watch);
  // Ends a root and the watches of directories that only it wanted.
  void remove_root(uint64_t id);

  // Whether something wants to know what happens in the tree of `directory`.
  bool covers_tree(const std::string& directory) const;
  // One more directory of a covered tree. The names in it, or nothing if it is watched already,
  // not wanted, or cannot be.
  struct Child {
    std::string path;
    bool is_directory;
  };
  std::optional<std::vector<Child>> add(const std::string& directory);

  // The path of a watch descriptor; null when there is none.
  const std::string* path_of(int descriptor) const;
  bool is_watched(const std::string& directory) const { return by_path_.contains(directory); }
  void moved(const std::string& from, const std::string& to);
  // The kernel dropped it.
  void forget(int descriptor);

 private:
  struct Root {
    std::string share_root;
    std::string directory;
    bool tree;
  };

  bool is_wanted(const std::string& directory) const;
  bool add_watch(const std::string& share_root, const std::string& directory, UniqueFd* opened);
  const Root* root_over(const std::string& directory) const;

  const int inotify_;
  std::map<uint64_t, Root> roots_;
  uint64_t last_root_ = 0;
  std::unordered_map<int, std::string> by_descriptor_;
  std::map<std::string, int> by_path_;
  bool warned_ = false;
};

}  // namespace braid::smb2

// InotifyTree: which directories have an inotify watch, and why.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "smb2/notify/local_changes.h"

namespace braid::smb2 {

// Directories by their paths on disk. Thread: under its owner's lock.
class InotifyTree {
 public:
  // Directories watched at most, and by one user: each costs the kernel about a kilobyte. The same
  // for the bytes of their paths, which clients can make long. Beyond it changes deep in large
  // trees go untold, and the log says so. Others' watches are not touched.
  struct Limits {
    size_t directories = 65'536;
    size_t of_user = 16'384;
    size_t path_bytes = 64u << 20;
    size_t path_bytes_of_user = 16u << 20;
    // No more than half of what the kernel lets this user watch in all
    // (fs.inotify.max_user_watches): other programs want some, and the index of names does.
    static Limits usual();
  };

  explicit InotifyTree(int inotify, Limits limits = Limits::usual())
      : inotify_(inotify), limits_(limits) {}

  // Watches the directory itself; covers() says whether those below are wanted too. 0: cannot.
  uint64_t add_root(const LocalWatch& watch);
  // Ends a root and the watches of directories that only it wanted.
  void remove_root(uint64_t id);

  // Whether something wants to know what happens in the tree of `directory`.
  bool covers_tree(const std::string& directory) const;
  // One more directory of a covered tree. The names in it, or nothing if it is watched already,
  // not wanted, or cannot be.
  struct Child {
    std::string name;
    bool is_directory;
  };
  std::optional<std::vector<Child>> add(const std::string& directory);

  // The path of a watch descriptor; null when there is none.
  const std::string* path_of(int descriptor) const;
  // What a directory's child is called.
  static std::string child_of(const std::string& directory, std::string_view name) {
    return (directory == "/" ? "/" : directory + "/").append(name);
  }
  bool is_watched(const std::string& directory) const { return by_path_.contains(directory); }
  size_t size() const { return by_path_.size(); }
  void moved(const std::string& from, const std::string& to);
  // The kernel dropped it.
  void forget(int descriptor);

 private:
  struct Root {
    std::string share_root;
    std::string directory;
    bool tree;
    uint64_t user;
  };
  // A directory that is watched, by whom first.
  struct Watched {
    int descriptor;
    uint64_t user;
  };

  // The roots of one directory.
  struct RootsAt {
    size_t count = 0;
    std::set<uint64_t> trees;  // of them
  };

  void link(uint64_t id, const Root& root);
  void unlink(uint64_t id, const Root& root);
  bool is_wanted(const std::string& directory) const;
  bool add_watch(const Root& root, const std::string& directory, UniqueFd* opened);
  bool has_room(uint64_t user, const std::string& directory) const;
  void warn_once();
  // What it is of.
  using Watches = std::map<std::string, Watched>;
  void keep_watch(const std::string& directory, const Watched& watched);
  // Returns what comes next.
  Watches::iterator end_watch(Watches::iterator watch);
  const Root* root_over(const std::string& directory) const;

  const int inotify_;
  const Limits limits_;
  std::map<uint64_t, Root> roots_;
  // However many there are, what one directory costs goes by how deep it is.
  std::map<std::string, RootsAt, std::less<>> roots_at_;
  uint64_t last_root_ = 0;
  Watches by_path_;
  std::unordered_map<int, Watches::iterator> by_descriptor_;
  struct Use {
    size_t directories = 0;
    size_t path_bytes = 0;
  };
  std::unordered_map<uint64_t, Use> by_user_;
  size_t path_bytes_ = 0;
  bool warned_ = false;
};

}  // namespace braid::smb2

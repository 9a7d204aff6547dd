#include "smb2/notify/inotify_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "base/log.h"
#include "runtime/identity.h"
#include "smb2/notify/paths.h"

namespace braid::smb2 {
namespace {

constexpr uint32_t kWatched = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY |
                              IN_ATTRIB | IN_DELETE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;

bool is_below(const std::string& path, const std::string& directory) {
  if (directory == "/") return path.size() > 1;
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

}  // namespace

const InotifyTree::Root* InotifyTree::root_over(const std::string& directory) const {
  uint64_t first = 0;
  for (std::string_view at = directory;;) {
    const auto found = roots_at_.find(at);
    if (found != roots_at_.end() && !found->second.trees.empty()) {
      const uint64_t id = *found->second.trees.begin();
      if (first == 0 || id < first) first = id;
    }
    const size_t separator = at.rfind('/');
    if (at.size() <= 1 || separator == at.npos) break;
    at = at.substr(0, std::max<size_t>(separator, 1));
  }
  return first == 0 ? nullptr : &roots_.at(first);
}

void InotifyTree::link(uint64_t id, const Root& root) {
  RootsAt& at = roots_at_[root.directory];
  ++at.count;
  if (root.tree) at.trees.insert(id);
}

void InotifyTree::unlink(uint64_t id, const Root& root) {
  const auto at = roots_at_.find(root.directory);
  at->second.trees.erase(id);
  if (--at->second.count == 0) roots_at_.erase(at);
}

bool InotifyTree::covers_tree(const std::string& directory) const {
  return root_over(directory) != nullptr;
}

bool InotifyTree::is_wanted(const std::string& directory) const {
  return roots_at_.contains(directory) || covers_tree(directory);
}

InotifyTree::Limits InotifyTree::Limits::usual() {
  Limits limits;
  size_t watches = 0;
  std::ifstream("/proc/sys/fs/inotify/max_user_watches") >> watches;
  if (watches != 0) limits.directories = std::clamp<size_t>(watches / 2, 1, limits.directories);
  limits.of_user = std::max<size_t>(1, limits.directories / 4);
  return limits;
}

bool InotifyTree::has_room(uint64_t user, const std::string& directory) const {
  if (by_path_.size() >= limits_.directories) return false;
  if (path_bytes_ + directory.size() > limits_.path_bytes) return false;
  const auto own = by_user_.find(user);
  if (own == by_user_.end()) return directory.size() <= limits_.path_bytes_of_user;
  return own->second.directories < limits_.of_user &&
         own->second.path_bytes + directory.size() <= limits_.path_bytes_of_user;
}

void InotifyTree::warn_once() {
  if (!std::exchange(warned_, true)) {
    log::warn("{} directories are watched, or {} for one user: changes in others go untold",
              limits_.directories, limits_.of_user);
  }
}

bool InotifyTree::add_watch(const Root& root, const std::string& directory, UniqueFd* opened) {
  if (!has_room(root.user, directory)) {
    warn_once();
    return false;
  }
  UniqueFd fd = open_directory(root.share_root, directory);
  if (!fd) return false;
  ScopedPrivilege privilege;
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  const int descriptor = ::inotify_add_watch(inotify_, link.c_str(), kWatched);
  if (descriptor < 0) {
    if (!warned_) log::warn("cannot watch {}: {}", directory, std::strerror(errno));
    warned_ = true;
    return false;
  }
  keep_watch(directory, {descriptor, root.user});
  if (opened) *opened = std::move(fd);
  return true;
}

uint64_t InotifyTree::add_root(const LocalWatch& watch) {
  const Root root{watch.root, watch.directory, watch.tree, watch.user};
  if (!is_watched(watch.directory) && !add_watch(root, watch.directory, nullptr)) return 0;
  roots_[++last_root_] = root;
  link(last_root_, root);
  return last_root_;
}

void InotifyTree::remove_root(uint64_t id) {
  const auto node = roots_.extract(id);
  if (!node) return;
  const Root& root = node.mapped();
  unlink(id, root);
  for (auto it = by_path_.lower_bound(root.directory); it != by_path_.end();) {
    if (!it->first.starts_with(root.directory)) break;
    const bool concerned = it->first == root.directory || is_below(it->first, root.directory);
    if (!concerned || is_wanted(it->first)) {
      ++it;
      continue;
    }
    ::inotify_rm_watch(inotify_, it->second.descriptor);
    it = end_watch(it);
  }
}

void InotifyTree::keep_watch(const std::string& directory, const Watched& watched) {
  const auto [at, added] = by_path_.emplace(directory, watched);
  // The kernel gives one descriptor for one directory, which may have had another name here.
  const auto [known, is_new] = by_descriptor_.try_emplace(watched.descriptor, at);
  if (!is_new) {
    const auto before = known->second;
    end_watch(before);
    by_descriptor_[watched.descriptor] = at;
  }
  Use& own = by_user_[watched.user];
  ++own.directories;
  own.path_bytes += directory.size();
  path_bytes_ += directory.size();
}

InotifyTree::Watches::iterator InotifyTree::end_watch(Watches::iterator watch) {
  const auto& [path, watched] = *watch;
  by_descriptor_.erase(watched.descriptor);
  path_bytes_ -= path.size();
  const auto own = by_user_.find(watched.user);
  own->second.path_bytes -= path.size();
  if (--own->second.directories == 0) by_user_.erase(own);
  return by_path_.erase(watch);
}

std::optional<std::vector<InotifyTree::Child>> InotifyTree::add(const std::string& directory) {
  const Root* root = root_over(directory);
  if (!root) return std::nullopt;
  UniqueFd fd;
  // The root of a tree has its watch already and its children have not been looked at.
  if (is_watched(directory)) {
    if (root->directory != directory) return std::nullopt;
    fd = open_directory(root->share_root, directory);
  } else {
    add_watch(*root, directory, &fd);
  }
  if (!fd) return std::nullopt;
  std::vector<Child> children;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd.get()), ::closedir);
  if (!listing) return std::nullopt;
  (void)fd.release();
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    bool is_directory = entry->d_type == DT_DIR;
    struct stat info{};
    if (entry->d_type == DT_UNKNOWN &&
        ::fstatat(::dirfd(listing.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
      is_directory = S_ISDIR(info.st_mode);
    }
    children.push_back({name, is_directory});
  }
  return children;
}

const std::string* InotifyTree::path_of(int descriptor) const {
  const auto found = by_descriptor_.find(descriptor);
  return found == by_descriptor_.end() ? nullptr : &found->second->first;
}

void InotifyTree::moved(const std::string& from, const std::string& to) {
  const auto renamed = [&](const std::string& path) { return to + path.substr(from.size()); };
  std::vector<std::pair<std::string, Watched>> moving;
  for (auto it = by_path_.lower_bound(from); it != by_path_.end() && it->first.starts_with(from);) {
    if (it->first != from && !is_below(it->first, from)) {
      ++it;
      continue;
    }
    moving.emplace_back(renamed(it->first), it->second);
    it = end_watch(it);
  }
  for (const auto& [path, watched] : moving) {
    if (const auto hidden = by_path_.find(path); hidden != by_path_.end()) end_watch(hidden);
    // Its path may be longer now.
    if (has_room(watched.user, path)) {
      keep_watch(path, watched);
    } else {
      warn_once();
      ::inotify_rm_watch(inotify_, watched.descriptor);
    }
  }
  for (auto& [id, root] : roots_) {
    if (root.directory == from || is_below(root.directory, from)) {
      unlink(id, root);
      root.directory = renamed(root.directory);
      link(id, root);
    }
  }
}

void InotifyTree::forget(int descriptor) {
  const auto found = by_descriptor_.find(descriptor);
  if (found != by_descriptor_.end()) end_watch(found->second);
}

}  // namespace braid::smb2

#include "vfs/posix/lookup.h"

#include <algorithm>
#include <climits>
#include <optional>
#include <span>

#include "runtime/at_once.h"
#include "vfs/names.h"
#include "vfs/posix/renaming.h"

namespace braid::vfs {
namespace {

// A rename by someone else between two steps makes the walk start over; not for ever.
constexpr int kWalksMax = 16;

std::string join(std::span<const std::string> names) {
  std::string path;
  for (const std::string& name : names) {
    if (!path.empty()) path += '/';
    path += name;
  }
  return path;
}

Result<std::string> read_link_at(int fd) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(fd, "", target.data(), target.size());
  if (size < 0) return fail_last_os();
  target.resize(static_cast<size_t>(size));
  return target;
}

// Links in links, as many as the kernel follows.
constexpr int kLinksMax = 40;

// Where the kernel has what `fd` holds.
std::optional<std::string> kernel_path_of(int fd) {
  std::string path(PATH_MAX, '\0');
  const ssize_t size = ::readlink(descriptor_path(fd).c_str(), path.data(), path.size());
  if (size <= 0 || static_cast<size_t>(size) == path.size()) return std::nullopt;
  path.resize(static_cast<size_t>(size));
  return path;
}

// The server's own, which is no name of a client's.
bool is_own(std::string_view name) {
  // Each character takes up to three bytes as clients spell it.
  const bool may_be_private = name.size() <= 3 * kPrivateFolder.size();
  return (may_be_private && is_private_folder(to_disk(name))) || is_unfinished(name);
}

class Walk {
 public:
  Walk(PosixContext& context, const Path& path, const LookupOptions& options)
      : context_(context), path_(path), options_(options) {
    for (const std::string_view name : path.components()) {
      names_.push_back(mapping() ? to_disk(name) : std::string(name));
      given_.emplace_back(name);
    }
  }

  Result<Resolved> run();

 private:
  bool folding() const { return options_.rules == NameRules::kWindows; }
  bool mapping() const { return options_.rules != NameRules::kPosix; }
  bool is_exact() const { return options_.rules == NameRules::kExact; }
  std::string shown(const std::string& name) const { return mapping() ? to_client(name) : name; }
  // Whether clients are kept from this name, as it was sent and as it is known to be on disk.
  bool is_vetoed(size_t at) const {
    return !context_.vetoed.empty() &&
           (context_.vetoes(given_[at]) || context_.vetoes(to_client(names_[at])));
  }
  bool is_any_vetoed(size_t first_names) const;

  // `parent`: that of the last name, with pin_parent.
  Result<Resolved> found(UniqueFd fd, UniqueFd parent);
  Result<Resolved> stopped(UniqueFd fd, size_t consumed);
  // The whole path, name by name. Nothing: something moved, start over.
  Result<std::optional<Resolved>> slow();
  // Opens names_[at] in `directory`, correcting its spelling. Nothing: there is no such name.
  Result<std::optional<UniqueFd>> step(int directory, size_t at);
  Result<UniqueFd> open_parent() const;
  Result<Resolved> last_vetoed();
  Result<Resolved> missing(UniqueFd parent);

  PosixContext& context_;
  const Path& path_;
  const LookupOptions& options_;
  std::vector<std::string> names_;  // as on disk, as far as known
  std::vector<std::string> given_;  // as the client sent them
  std::string wanted_;
};

bool Walk::is_any_vetoed(size_t first_names) const {
  if (context_.vetoed.empty()) return false;
  for (size_t at = 0; at < first_names; ++at) {
    if (is_vetoed(at)) return true;
  }
  return false;
}

Result<Resolved> Walk::run() {
  if (!names_.empty()) wanted_ = names_.back();
  if (is_any_vetoed(names_.size())) {
    if (options_.wait == Wait::kNever) return fail_os(EAGAIN);
    if (is_any_vetoed(names_.size() - 1)) return fail(NtStatus::kObjectPathNotFound);
    return last_vetoed();
  }
  if (options_.wait == Wait::kNever) {
    BRAID_TRY(UniqueFd whole, open_beneath_at_once(context_.root.get(), join(names_)));
    return found(std::move(whole), {});
  }
  // A parent that is asked for is the one in which the last name was found: it is opened first.
  if (!options_.pin_parent || names_.empty()) {
    auto whole = open_beneath(context_.root.get(), join(names_), O_PATH | O_NOFOLLOW);
    if (whole) return found(*std::move(whole), {});
    const int error = whole.error().os_error();
    if (error != ENOENT && error != ENOTDIR && error != ELOOP) return fail(whole.error());
  }
  for (int walks = 0; walks < kWalksMax; ++walks) {
    BRAID_TRY(std::optional<Resolved> resolved, slow());
    if (resolved) return *std::move(resolved);
  }
  return fail_os(EAGAIN);
}

// As if it were not there, whether or not it is: what would be made there is refused.
Result<Resolved> Walk::last_vetoed() {
  Path parent = path_.parent();
  LookupOptions options = options_;
  options.pin_parent = false;
  BRAID_TRY(Resolved there, Walk(context_, parent, options).run());
  if (auto* const link = std::get_if<Link>(&there)) return std::move(*link);
  auto* const folder = std::get_if<Found>(&there);
  if (folder && folder->attributes.is_symlink()) {
    return Link{std::move(folder->path), std::move(folder->symlink_target)};
  }
  if (!folder || folder->attributes.kind != Kind::kDirectory) {
    return fail(NtStatus::kObjectPathNotFound);
  }
  Missing missing({std::move(folder->node), wanted_, is_exact()});
  missing.path = std::move(folder->path);
  BRAID_CHECK(missing.path.append(shown(wanted_)));
  return missing;
}

Result<UniqueFd> Walk::open_parent() const {
  return open_beneath(context_.root.get(), join(std::span(names_).first(names_.size() - 1)),
                      O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

Result<std::optional<Resolved>> Walk::slow() {
  if (names_.empty()) return fail_os(ENOENT);
  auto parent = open_parent();
  if (!parent) {
    // Walk to learn the spelling, or what stands in the way; then resolve anew from the root.
    BRAID_TRY(UniqueFd directory, open_beneath(context_.root.get(), "", O_PATH | O_DIRECTORY));
    for (size_t at = 0; at + 1 < names_.size(); ++at) {
      BRAID_TRY(std::optional<UniqueFd> next, step(directory.get(), at));
      if (!next) return fail(NtStatus::kObjectPathNotFound);
      BRAID_TRY(const struct statx st, stat_of(next->get()));
      if (S_ISLNK(st.stx_mode)) return stopped(*std::move(next), at + 1);
      if (!S_ISDIR(st.stx_mode)) return fail(NtStatus::kObjectPathNotFound);
      directory = *std::move(next);
    }
    parent = open_parent();
    if (!parent) {
      const int error = parent.error().os_error();
      if (error == ENOENT || error == ENOTDIR || error == ELOOP) return std::optional<Resolved>();
      return fail(parent.error());
    }
  }
  BRAID_TRY(std::optional<UniqueFd> last, step(parent->get(), names_.size() - 1));
  if (last) return found(*std::move(last), *std::move(parent));
  return missing(*std::move(parent));
}

Result<Resolved> Walk::missing(UniqueFd parent) {
  BRAID_TRY(const struct statx st, stat_of(parent.get()));
  Missing missing(
      {std::make_shared<PosixNode>(std::move(parent), key_of(st)), wanted_, is_exact()});
  names_.back() = wanted_;
  for (const std::string& name : names_) BRAID_CHECK(missing.path.append(shown(name)));
  return missing;
}

Result<std::optional<UniqueFd>> Walk::step(int directory, size_t at) {
  auto exact = open_beneath(directory, names_[at], O_PATH | O_NOFOLLOW);
  if (exact) return *std::move(exact);
  if (!exact.error().is_os(ENOENT)) return fail(exact.error());
  if (!folding()) return std::nullopt;
  BRAID_TRY(const struct statx st, stat_of(directory));
  // A name found is gone again when it was removed meanwhile; the index then knows at the next try.
  for (int tries = 0; tries < kWalksMax; ++tries) {
    auto spelling = context_.index.find(directory, key_of(st), given_[at], options_.in_pieces);
    // A name that would be shown differently from how it was sent, like one with a dot at its end.
    if (spelling && !*spelling && to_client(names_[at]) != given_[at]) {
      spelling =
          context_.index.find(directory, key_of(st), to_client(names_[at]), options_.in_pieces);
    }
    // A directory that may be searched but not read, on a server that is not root.
    if (!spelling && spelling.error().is_os(EACCES)) return std::nullopt;
    if (!spelling) return fail(spelling.error());
    if (!*spelling) return std::nullopt;
    auto folded = open_beneath(directory, **spelling, O_PATH | O_NOFOLLOW);
    if (folded) {
      names_[at] = **spelling;
      return *std::move(folded);
    }
    if (!folded.error().is_os(ENOENT)) return fail(folded.error());
  }
  return std::nullopt;
}

Result<Resolved> Walk::found(UniqueFd fd, UniqueFd parent) {
  // Found by another spelling than was sent.
  if (is_any_vetoed(names_.size())) return fail(NtStatus::kObjectPathNotFound);
  BRAID_TRY(const Attributes attributes, attributes_of(context_, fd.get(), options_.wait));
  std::string target;
  if (attributes.is_symlink()) {
    if (options_.wait == Wait::kNever) return fail_os(EAGAIN);
    BRAID_TRY(target, read_link_at(fd.get()));
    if (is_stand_in(target)) {
      if (!parent) {
        BRAID_TRY(parent, open_parent());
      }
      return missing(std::move(parent));
    }
  }
  Found out(std::make_shared<PosixNode>(std::move(fd), attributes.key), attributes);
  if (!names_.empty()) out.place.name = names_.back();
  out.place.is_exact = is_exact();
  out.wanted_name = wanted_;
  out.symlink_target = std::move(target);
  for (const std::string& name : names_) BRAID_CHECK(out.path.append(shown(name)));
  context_.adjust(out.attributes, context_.hides(out.place.name));
  if (options_.pin_parent && !names_.empty()) {
    BRAID_TRY(const struct statx st, stat_of(parent.get()));
    out.place.parent = std::make_shared<PosixNode>(std::move(parent), key_of(st));
  }
  return out;
}

Result<Resolved> Walk::stopped(UniqueFd fd, size_t consumed) {
  Link out;
  BRAID_TRY(out.target, read_link_at(fd.get()));
  if (is_stand_in(out.target)) return fail(NtStatus::kObjectPathNotFound);
  for (size_t i = 0; i < consumed; ++i) BRAID_CHECK(out.path.append(shown(names_[i])));
  return out;
}

Result<Resolved> look_up(PosixContext& context, const Path& path, const LookupOptions& options) {
  if (std::ranges::any_of(path.components(), is_own)) return fail_os(EACCES);
  if (!must_not_wait()) return Walk(context, path, options).run();
  if (options.pin_parent) return fail_os(EAGAIN);
  LookupOptions at_once = options;
  at_once.wait = Wait::kNever;
  return Walk(context, path, at_once).run();
}

// Resolves a path again with what its links say, until there is none in it. The kernel is never
// asked to follow one: each path is looked up from the root by names alone, so that whatever is
// changed meanwhile, what is found is inside.
class Following {
 public:
  Following(PosixContext& context, const LookupOptions& options)
      : context_(context), options_(options) {}

  // `first`: what `path` is without. That again, where a link leads out of the tree, into a circle,
  // or at the end of the path to nothing.
  Result<Resolved> follow(Path path, Resolved first);

 private:
  // Where `target`, the text of a link in `directory`, leads; nothing: out of the tree, or to what
  // cannot be looked at. REQUIRES: no link in `directory`.
  std::optional<Path> through(const Path& directory, std::string_view target);
  // Without the links in it. Nothing unless it is a folder.
  std::optional<Path> folder_at(const Path& path);

  PosixContext& context_;
  const LookupOptions& options_;
  int links_left_ = kLinksMax;
};

Result<Resolved> Following::follow(Path path, Resolved first) {
  Result<Resolved> now = first;
  bool is_last = false;  // whether the link before was at the end
  while (now) {
    const auto* const link = std::get_if<Link>(&*now);
    const auto* const found = std::get_if<Found>(&*now);
    const bool ends_in_link = found && found->attributes.is_symlink() && options_.follow_last;
    if (!link && !ends_in_link) {
      if (is_last && !found) return first;
      return now;
    }
    if (links_left_-- <= 0) return first;
    const Path& at = link ? link->path : found->path;
    auto next = through(at.parent(), link ? link->target : found->symlink_target);
    if (!next) return first;
    if (link) {
      const auto names = path.components();
      for (size_t i = at.components().size(); i < names.size(); ++i) {
        BRAID_CHECK(next->append(names[i]));
      }
    }
    is_last = ends_in_link;
    path = *std::move(next);
    now = look_up(context_, path, options_);
  }
  if (is_last && now.error().status() == NtStatus::kObjectPathNotFound) return first;
  return now;
}

std::optional<Path> Following::through(const Path& directory, std::string_view target) {
  Path at = directory;
  bool has_no_link = true;
  std::string root;
  if (target.starts_with('/')) {
    root = kernel_path_of(context_.root.get()).value_or("");
    if (!root.ends_with('/')) root += '/';
    // Of a root that is lost, and of another's folder, it leads nowhere here.
    if (root.size() <= 1 || !(std::string(target) + '/').starts_with(root)) return std::nullopt;
    target.remove_prefix(std::min(root.size(), target.size()));
    at = Path();
  }
  while (!target.empty()) {
    const std::string_view name = target.substr(0, target.find('/'));
    target.remove_prefix(std::min(name.size() + 1, target.size()));
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      if (!at.append(to_client(name))) return std::nullopt;
      has_no_link = false;
      continue;
    }
    // Above what is there, and not above what it is called.
    if (!has_no_link) {
      auto folder = folder_at(at);
      if (!folder) return std::nullopt;
      at = *std::move(folder);
      has_no_link = true;
    }
    if (at.is_root()) return std::nullopt;
    at = at.parent();
  }
  return at;
}

std::optional<Path> Following::folder_at(const Path& path) {
  LookupOptions options = options_;
  options.pin_parent = false;
  options.follow_last = true;
  auto there = look_up(context_, path, options);
  if (there) {
    Following further(context_, options);
    further.links_left_ = links_left_ - 1;
    if (further.links_left_ <= 0) return std::nullopt;
    there = further.follow(path, *std::move(there));
    links_left_ = further.links_left_;
  }
  const Found* const found = found_in(there);
  if (!found || found->attributes.kind != Kind::kDirectory) return std::nullopt;
  return found->path;
}

}  // namespace

Result<Resolved> posix_lookup(PosixContext& context, const Path& path,
                              const LookupOptions& options) {
  auto resolved = look_up(context, path, options);
  if (!context.options.follow_links || options.rules != NameRules::kWindows || !resolved) {
    return resolved;
  }
  return Following(context, options).follow(path, *std::move(resolved));
}

Result<Attributes> posix_glance(PosixContext& context, const Path& path) {
  std::string name;
  bool is_vetoed = false;
  for (const std::string_view each : path.components()) {
    if (is_own(each)) return fail_os(EACCES);
    is_vetoed = is_vetoed || context.vetoes(each);
    if (!name.empty()) name += '/';
    name += to_disk(each);
  }
  auto there = is_vetoed ? Result<UniqueFd>(fail_os(ENOENT))
                         : open_beneath(context.root.get(), name, O_PATH | O_NOFOLLOW);
  if (there) {
    BRAID_TRY(const struct statx st, stat_of(there->get()));
    if (!S_ISLNK(st.stx_mode)) return make_attributes(st, std::nullopt);
  }
  // Spelled otherwise, or what stands for another thing.
  BRAID_TRY(Resolved resolved, posix_lookup(context, path, {}));
  if (const auto* const found = std::get_if<Found>(&resolved)) return found->attributes;
  return fail_os(ENOENT);
}

}  // namespace braid::vfs

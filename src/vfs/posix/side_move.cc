#include "vfs/posix/side_move.h"

#include <sys/sendfile.h>
#include <unistd.h>

#include <utility>

#include "vfs/posix/space.h"

namespace braid::vfs {
namespace {

constexpr int kTimesMax = 4;

Result<void> copy_file(int from, int to) {
  off_t at = 0;
  for (;;) {
    const ssize_t copied = ::sendfile(to, from, &at, 1 << 20);
    if (copied < 0) return fail_last_os();
    if (copied == 0) return {};
  }
}

Result<void> write_all(const Bytes& content, int to) {
  const ssize_t put = ::pwrite(to, content.data(), content.size(), 0);
  if (put < 0) return fail_last_os();
  return put == static_cast<ssize_t>(content.size()) ? Result<void>() : fail_os(ENOSPC);
}

// At each moment one of the two is there. Where the attribute holds the room that the marker needs,
// the marker takes its place first.
Result<void> replace_with_marker(int fd, const std::string& name, const Marker& marker) {
  auto stored = store_marker(fd, name, marker);
  if (stored) {
    const auto dropped = drop_attribute(fd, inline_name(name));
    if (!dropped) (void)drop_marker(fd, name);
    return dropped;
  }
  if (!stored.error().is_os(ENOSPC)) return stored;
  BRAID_CHECK(store_marker_inline(fd, name, marker));
  // Without room still it does where it is.
  if (store_marker(fd, name, marker)) (void)drop_attribute(fd, inline_name(name));
  return {};
}

}  // namespace

Result<UniqueFd> SideMove::take(StreamLock& held, const std::string& name) {
  const bool keeps_lock = ++times_ > kTimesMax;
  BRAID_TRY(UniqueFd file, settle(name));
  if (file) return file;
  if (!keeps_lock) held.let_go();
  BRAID_CHECK(copy());
  if (keeps_lock) return settle(name);
  held.take_again();
  return UniqueFd();
}

Result<UniqueFd> SideMove::settle(const std::string& name) {
  BRAID_TRY(const StreamRef stream, find_stream(context_, fd_, name));
  if (!stream.side) {
    BRAID_TRY(Bytes content, load_inline(fd_, name));
    if (!made_ || source_ || content != content_) {
      source_.reset();
      content_ = std::move(content);
      return UniqueFd();
    }
    BRAID_CHECK(forget_leftover(context_, fd_, name));
    BRAID_CHECK(replace_with_marker(fd_, name, marker_));
    return std::move(made_);
  }
  BRAID_TRY(Side side, find_side(context_, fd_, name));
  // What a copied file names is as good as a copy.
  if (side.is_read_only) return std::move(side.file);
  if (side.claim == Claim::kOwn) {
    vfs::settle(fd_, name, side);
    return std::move(side.file);
  }
  if (!made_ || !source_ || source_->found.marker.id != side.found.marker.id) {
    source_ = std::move(side);
    return UniqueFd();
  }
  BRAID_CHECK(store_marker(fd_, name, marker_));
  return std::move(made_);
}

template <class Fill>
Result<void> SideMove::make(Fill fill) {
  drop();
  BRAID_TRY(const struct statx st, stat_of(fd_));
  marker_ = {.inode = st.stx_ino};
  BRAID_TRY(made_, new_side_file(context_, marker_.id, st));
  const auto as_user = [&]() -> Result<void> {
    const ScopedUser user(who_);
    BRAID_CHECK(user.status());
    return fill();
  };
  auto done = as_user();
  if (done) done = settle_on_disk(context_, made_.get(), marker_.id);
  if (!done) drop();
  return done;
}

Result<void> SideMove::copy() {
  return make([&] {
    return source_ ? copy_file(source_->file.get(), made_.get()) : write_all(content_, made_.get());
  });
}

Result<void> SideMove::make_room(uint64_t allocation) {
  return make([&]() -> Result<void> {
    const auto taken = reserve(made_.get(), allocation, who_->uid == 0);
    // A file system that reserves nothing makes the stream all the same.
    return taken || taken.error().is_os(EOPNOTSUPP) ? Result<void>() : taken;
  });
}

void SideMove::drop() {
  if (!std::exchange(made_, UniqueFd())) return;
  const ScopedPrivilege privilege;
  if (privilege.status()) remove_side_file(context_, marker_.id);
}

}  // namespace braid::vfs

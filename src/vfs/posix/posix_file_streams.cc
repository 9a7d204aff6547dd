// PosixFile: its named streams.
#include <atomic>
#include <chrono>
#include <climits>

#include "base/log.h"
#include "vfs/names.h"
#include "vfs/posix/kept_times.h"
#include "vfs/posix/posix_stream.h"
#include "vfs/posix/side_move.h"
#include "vfs/posix/stream_marker.h"
#include "vfs/posix/stream_names.h"

namespace braid::vfs {

namespace {

FileKey with_stream(FileKey file, std::string_view name) {
  file.stream = stream_key(name);
  return file;
}

// Says that a stream is lost: who asks may go on asking, and one line a minute is enough.
void tell_lost(int fd, std::string_view stream) {
  static std::atomic<int64_t> told_until = 0;
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
  int64_t until = told_until;
  if (now < until || !told_until.compare_exchange_strong(until, now + 60)) return;
  std::string path(PATH_MAX, '\0');
  const ssize_t size = ::readlink(descriptor_path(fd).c_str(), path.data(), path.size());
  path.resize(size > 0 ? static_cast<size_t>(size) : 0);
  log::warn(
      "the stream '{}' of {} is not in the folder {} of any share: it stays refused until "
      "that is there again, or the stream is overwritten",
      stream, path, kPrivateFolder);
}

// A new stream, with the room that was made for it: others of the server look for it when the
// metadata lock is free, so that one that gets no room was never there.
Result<void> make_stream(PosixContext& context, StreamLock& held, int fd, const std::string& name,
                         SideMove* room) {
  BRAID_CHECK(create_stream(fd, name));
  if (!room) return {};
  const auto taken = room->take(held, name);
  if (taken) return {};
  if (const auto made = find_stream(context, fd, name)) {
    BRAID_CHECK(vfs::remove_stream(context, fd, *made));
  }
  return fail(taken.error());
}

}  // namespace

Result<std::vector<StreamInfo>> PosixFile::streams() {
  BRAID_CHECK(assume(who_));
  if (!context_->features.streams) return fail_os(ENOTSUP);
  const StreamLock held(*context_, who_, key_);
  BRAID_CHECK(held.status());
  BRAID_TRY(const std::vector<StreamRef> refs, list_streams(fd_.get()));
  std::vector<StreamInfo> out;
  for (const StreamRef& ref : refs) {
    auto info = stream_info(*context_, fd_.get(), ref);
    if (info) {
      out.push_back(*std::move(info));
    } else if (is_lost(info.error())) {
      out.push_back({ref.name, 0, 0});
    } else if (!info.error().is_os(ENOENT)) {
      // Only one that was never the file's may be missing.
      return fail(info.error());
    }
  }
  return out;
}

Result<std::unique_ptr<File>> PosixFile::open_stream(std::string_view name, const StreamHow& how) {
  BRAID_CHECK(assume(who_));
  if (!context_->features.streams) return fail_os(ENOTSUP);
  const bool creates = how.disposition != StreamHow::Disposition::kOpen;
  if (kind_ != Kind::kFile && kind_ != Kind::kDirectory) return fail_os(creates ? EPERM : ENOENT);
  const int wanted = how.write || how.truncate ? W_OK : R_OK;
  if (!how.was_granted && ::faccessat(fd_.get(), "", wanted, AT_EMPTY_PATH | AT_EACCESS) != 0)
    return fail_last_os();

  Parts parts;
  parts.context = context_;
  parts.who = who_;
  BRAID_TRY(parts.fd, reopen(fd_.get(), O_PATH));
  parts.attributes.key = key_;
  parts.attributes.kind = kind_;
  parts.access.write = how.write;
  parts.hide = hide_;
  const int base_fd = parts.fd.get();
  std::shared_ptr<StreamName> shared_name;
  std::optional<SideMove> room;
  while (!shared_name) {
    StreamLock held(*context_, who_, key_);
    BRAID_CHECK(held.status());
    auto found = find_stream(*context_, base_fd, name);
    if (found && how.disposition == StreamHow::Disposition::kCreate) return fail_os(EEXIST);
    if (!found && is_lost(found.error()) && !how.truncate) tell_lost(base_fd, name);
    const bool is_free =
        !found && (found.error().is_os(ENOENT) || (is_lost(found.error()) && how.truncate));
    if (!found && !(creates && is_free)) return fail(found.error());
    if (!found) {
      // Making a stream changes the file, whatever is then done with it.
      BRAID_CHECK(assume(who_));
      if (::faccessat(base_fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) return fail_last_os();
      const ScopedPrivilege privilege;
      BRAID_CHECK(privilege.status());
      if (how.allocation > 0 && !room) {
        held.let_go();
        BRAID_CHECK(room.emplace(*context_, base_fd, who_).make_room(how.allocation));
        continue;
      }
      BRAID_CHECK(
          make_stream(*context_, held, base_fd, std::string(name), room ? &*room : nullptr));
      StreamNames::of_process().removed(with_stream(key_, name));
    }
    shared_name = StreamNames::of_process().of(with_stream(key_, name),
                                               found ? std::string_view(found->name) : name);
  }
  auto base = std::make_unique<PosixFile>(std::move(parts));
  auto stream = std::make_unique<PosixStream>(context_, who_, std::move(base), base_fd,
                                              std::move(shared_name), how.write);
  if (how.truncate) BRAID_CHECK(stream->truncate(0));
  return stream;
}

Result<void> PosixFile::remove_stream(std::string_view name) {
  BRAID_CHECK(check_may_change());
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  UniqueFd gone;
  const StreamLock held(*context_, who_, key_);
  BRAID_CHECK(held.status());
  const auto stream = find_stream(*context_, fd_.get(), name);
  if (!stream && !is_lost(stream.error())) return fail(stream.error());
  if (stream) {
    BRAID_TRY(gone, vfs::remove_stream(*context_, fd_.get(), *stream));
  } else {
    BRAID_CHECK(remove_lost_stream(fd_.get(), name));
  }
  StreamNames::of_process().removed(with_stream(key_, name));
  return {};
}

Result<void> PosixFile::rename_stream(std::string_view from, std::string_view to, bool replace) {
  BRAID_CHECK(check_may_change());
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  UniqueFd gone;
  StreamLock held(*context_, who_, key_);
  BRAID_CHECK(held.status());
  SideMove move(*context_, fd_.get(), who_);
  for (bool moves = false;;) {
    BRAID_TRY(StreamRef stream, find_stream(*context_, fd_.get(), from));
    if (stream.side || moves) {
      BRAID_TRY(const UniqueFd own, move.take(held, stream.name));
      if (!own) continue;
      stream.side = true;
    }
    if (!equal_folded(from, to)) {
      const auto taken = find_stream(*context_, fd_.get(), to);
      if (!taken && !taken.error().is_os(ENOENT)) return fail(taken.error());
      if (taken && !replace) return fail_os(EEXIST);
      if (taken) {
        BRAID_TRY(gone, vfs::remove_stream(*context_, fd_.get(), *taken));
      }
    }
    const auto renamed = vfs::rename_stream(*context_, fd_.get(), stream, std::string(to));
    if (!renamed && !stream.side && renamed.error().is_os(ENOSPC)) {
      moves = true;
      continue;
    }
    BRAID_CHECK(renamed);
    StreamNames::of_process().renamed(with_stream(key_, from), with_stream(key_, to), to);
    return {};
  }
}

}  // namespace braid::vfs

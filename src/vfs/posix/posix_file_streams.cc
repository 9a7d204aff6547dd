// PosixFile: its named streams.
#include "vfs/names.h"
#include "vfs/posix/kept_times.h"
#include "vfs/posix/posix_stream.h"
#include "vfs/posix/space.h"
#include "vfs/posix/stream_names.h"

namespace braid::vfs {

namespace {

FileKey with_stream(FileKey file, std::string_view name) {
  file.stream = stream_key(name);
  return file;
}

// A new stream with its room: others of the server look for it when the metadata lock is free, so
// that one that gets no room was never there.
Result<void> make_stream(PosixContext& context, int fd, const std::string& name,
                         uint64_t allocation, const Credentials& who) {
  BRAID_CHECK(create_stream(fd, name));
  if (allocation == 0) return {};
  const auto take_room = [&]() -> Result<void> {
    BRAID_TRY(const UniqueFd side, move_to_side(context, fd, name, who));
    const ScopedUser user(who);
    BRAID_CHECK(user.status());
    return reserve(side.get(), allocation, who->uid == 0);
  };
  const auto taken = take_room();
  // A file system that reserves nothing makes the stream all the same.
  if (taken || taken.error().is_os(EOPNOTSUPP)) return {};
  if (const auto made = find_stream(context, fd, name)) {
    BRAID_CHECK(vfs::remove_stream(context, fd, *made));
  }
  return taken;
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
    } else if (!info.error().is_os(ENOENT)) {
      // Only a side file that is lost takes its stream with it.
      return fail(info.error());
    }
  }
  return out;
}

Result<std::unique_ptr<File>> PosixFile::open_stream(std::string_view name, const StreamHow& how) {
  BRAID_CHECK(assume(who_));
  if (!context_->features.streams) return fail_os(ENOTSUP);
  const bool creates = how.disposition != StreamHow::Disposition::kOpen;
  const int wanted = how.write || how.truncate ? W_OK : R_OK;
  if (::faccessat(fd_.get(), "", wanted, AT_EMPTY_PATH | AT_EACCESS) != 0) return fail_last_os();

  Parts parts;
  parts.context = context_;
  parts.who = who_;
  BRAID_TRY(parts.fd, reopen(fd_.get(), O_PATH));
  parts.attributes.key = key_;
  parts.attributes.kind = kind_;
  parts.access.write = how.write;
  parts.has_archive = true;
  parts.hide = hide_;
  const int base_fd = parts.fd.get();
  std::shared_ptr<StreamName> shared_name;
  {
    const StreamLock held(*context_, who_, key_);
    BRAID_CHECK(held.status());
    auto found = find_stream(*context_, base_fd, name);
    if (found && how.disposition == StreamHow::Disposition::kCreate) return fail_os(EEXIST);
    if (!found && !(creates && found.error().is_os(ENOENT))) return fail(found.error());
    if (!found) {
      // Making a stream changes the file, whatever is then done with it.
      BRAID_CHECK(assume(who_));
      if (::faccessat(base_fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) return fail_last_os();
      const ScopedPrivilege privilege;
      BRAID_CHECK(privilege.status());
      BRAID_CHECK(make_stream(*context_, base_fd, std::string(name), how.allocation, who_));
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
  const StreamLock held(*context_, who_, key_);
  BRAID_CHECK(held.status());
  BRAID_TRY(const StreamRef stream, find_stream(*context_, fd_.get(), name));
  BRAID_CHECK(vfs::remove_stream(*context_, fd_.get(), stream));
  StreamNames::of_process().removed(with_stream(key_, name));
  return {};
}

Result<void> PosixFile::rename_stream(std::string_view from, std::string_view to, bool replace) {
  BRAID_CHECK(check_may_change());
  const KeptTimes kept(*this, KeptTimes::Operation::kMetadata);
  const StreamLock held(*context_, who_, key_);
  BRAID_CHECK(held.status());
  BRAID_TRY(const StreamRef stream, find_stream(*context_, fd_.get(), from));
  if (!equal_folded(from, to)) {
    const auto taken = find_stream(*context_, fd_.get(), to);
    if (taken && !replace) return fail_os(EEXIST);
    if (taken) BRAID_CHECK(vfs::remove_stream(*context_, fd_.get(), *taken));
  }
  BRAID_CHECK(vfs::rename_stream(*context_, fd_.get(), stream, std::string(to), who_));
  StreamNames::of_process().renamed(with_stream(key_, from), with_stream(key_, to), to);
  return {};
}

}  // namespace braid::vfs

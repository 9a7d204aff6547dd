// [MS-FSA] 2.1.5.10.14 "FSCTL_GET_REPARSE_POINT", 2.1.5.10.37 "FSCTL_SET_REPARSE_POINT" and
// 2.1.5.10.3 "FSCTL_DELETE_REPARSE_POINT".
#include "wire/fscc/reparse.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "smb2/commands/create/create_security.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/files/access_check.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/files/report.h"
#include "smb2/files/taking.h"
#include "smb2/shares/extended_attributes.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

// ReparseTag, ReparseDataLength and Reserved.
constexpr size_t kHeadSize = 8;
// [MS-FSCC] 2.1.2.1: IO_REPARSE_TAG_RESERVED_ZERO and _ONE.
constexpr uint32_t kReservedTagMax = 1;

// A POSIX open is told the text of the link as it is.
wire::ReparseData of_symlink(std::string target, bool is_posix) {
  wire::SymlinkReparse link;
  link.relative = !target.starts_with('/');
  if (!is_posix) std::ranges::replace(target, '/', '\\');
  link.print_name = target;
  link.substitute_name = std::move(target);
  return {.tag = vfs::kReparseTagSymlink, .data = std::move(link)};
}

wire::ReparseData of_special(const vfs::Attributes& attributes) {
  using Type = wire::NfsReparse::Type;
  wire::NfsReparse special;
  switch (attributes.kind) {
    case vfs::Kind::kCharDevice:
      special.type = Type::kCharacterDevice;
      break;
    case vfs::Kind::kBlockDevice:
      special.type = Type::kBlockDevice;
      break;
    case vfs::Kind::kSocket:
      special.type = Type::kSocket;
      break;
    default:
      special.type = Type::kFifo;
      break;
  }
  special.major = gnu_dev_major(attributes.device);
  special.minor = gnu_dev_minor(attributes.device);
  return {.tag = vfs::kReparseTagNfs, .data = std::move(special)};
}

// The text of the symbolic link that the client wants. STATUS_NOT_SUPPORTED for what is no link, or
// one to where only Windows finds its way.
Result<std::string> target_of(const wire::ReparseData& reparse) {
  std::string target;
  if (const auto* link = std::get_if<wire::SymlinkReparse>(&reparse.data)) {
    target = link->substitute_name;
    std::ranges::replace(target, '\\', '/');
    const bool names_device = target.starts_with("//") || target.starts_with("/?");
    if (!link->relative && (names_device || !target.starts_with('/'))) {
      return fail(NtStatus::kNotSupported);
    }
  } else if (const auto* lx = std::get_if<wire::LxSymlinkReparse>(&reparse.data)) {
    target = lx->target;
  } else if (const auto* nfs = std::get_if<wire::NfsReparse>(&reparse.data)) {
    target = nfs->target;
  } else {
    return fail(NtStatus::kNotSupported);
  }
  if (target.empty() || target.contains('\0')) return fail(NtStatus::kIoReparseDataInvalid);
  return target;
}

// Linux sends the path of an absolute link without the slash in front of it, mounted with posix or
// not. Windows sends none that looks so: it begins with a backslash or a drive.
void root_linux_target(wire::ReparseData& reparse, bool is_posix) {
  auto* const link = std::get_if<wire::SymlinkReparse>(&reparse.data);
  if (!link || link->relative) return;
  std::string& target = link->substitute_name;
  if (target.starts_with('/')) return;
  const bool is_of_windows = target.empty() || target.front() == '\\' || target.find(':') == 1;
  if (is_posix || !is_of_windows) target.insert(0, "/");
}

// Linux has twelve bits for the one number and twenty for the other; what is cut off would be
// another device.
Result<uint64_t> device_of(const wire::NfsReparse& nfs) {
  const uint64_t device = gnu_dev_makedev(nfs.major, nfs.minor);
  if (nfs.major >= 1u << 12 || nfs.minor >= 1u << 20) return fail(NtStatus::kIoReparseDataInvalid);
  return device;
}

// What the client wants to be there instead of the file.
Result<vfs::Replacement> replacement_of(const wire::ReparseData& reparse) {
  using Type = wire::NfsReparse::Type;
  vfs::Replacement made;
  const auto* const nfs = std::get_if<wire::NfsReparse>(&reparse.data);
  switch (nfs ? nfs->type : Type::kSymlink) {
    case Type::kSymlink: {
      made.kind = vfs::Kind::kSymlink;
      BRAID_TRY(made.target, target_of(reparse));
      break;
    }
    case Type::kFifo:
      made.kind = vfs::Kind::kFifo;
      break;
    case Type::kSocket:
      made.kind = vfs::Kind::kSocket;
      break;
    case Type::kCharacterDevice:
    case Type::kBlockDevice: {
      const bool is_block = nfs->type == Type::kBlockDevice;
      made.kind = is_block ? vfs::Kind::kBlockDevice : vfs::Kind::kCharDevice;
      BRAID_TRY(made.device, device_of(*nfs));
      break;
    }
  }
  return made;
}

bool is_link(const vfs::Replacement& made) { return made.kind == vfs::Kind::kSymlink; }

// What [MS-FSA] wants of the file before it becomes a reparse point with this tag.
Result<vfs::Attributes> check_may_become(Open& open, uint32_t tag, const vfs::Replacement& made) {
  using wire::Access;
  if (!open.has_access(Access::kFileWriteData | Access::kFileWriteAttributes)) {
    return fail(NtStatus::kAccessDenied);
  }
  if (open.attributes.is_stream || open.path.lock()->is_root()) {
    return fail(NtStatus::kInvalidParameter);
  }
  BRAID_TRY(auto now, open.file->stat());
  if (now.dos_attributes & vfs::dos::kReparsePoint) {
    // A link is one, whatever it was called when it was made.
    if (now.is_symlink() ? !is_link(made) : is_link(made) || tag != now.reparse_tag) {
      return fail(NtStatus::kIoReparseTagMismatch);
    }
    return now;
  }
  if (now.is_directory() && !is_link(made)) return fail(NtStatus::kFileIsADirectory);
  if (!now.is_directory() && now.size != 0) return fail(NtStatus::kIoReparseDataInvalid);
  BRAID_TRY(const uint32_t ea_size, ea_size_of(*open.file));
  if (ea_size != 0) return fail(NtStatus::kEasNotSupported);
  // A link of Linux has none, nor has a pipe, and they would be lost.
  BRAID_TRY(const auto streams, open.file->streams());
  const bool has_named =
      std::ranges::any_of(streams, [](const vfs::StreamInfo& s) { return !s.name.empty(); });
  if (has_named) return fail(NtStatus::kIoReparseDataInvalid);
  return now;
}

// A link has no rights of its own, so what takes its place has those of a new file
// (create_security.h). What takes the place of anything else has the rights that it had: its maker
// has said who may have it. Its owner is who puts it there.
Result<NewSecurity> security_in_place(Request& request, const vfs::Attributes& now,
                                      const FileSecurity& directory) {
  BRAID_TRY(NewSecurity made, security_for_new(request, {}, directory, false));
  if (now.is_symlink()) return made;
  vfs::File& file = request.open->whole_file();
  BRAID_TRY(const auto before, request.files.descriptors.load(file, now));
  made.mode = now.mode & 0777;
  const auto of_new = std::exchange(made.descriptor, std::nullopt);
  if (!before->is_stored) return made;
  made.descriptor = before->descriptor;
  made.descriptor->owner = of_new ? of_new->owner : request.principal.identity->user_sid;
  made.descriptor->group = of_new ? of_new->group : request.principal.identity->primary_group_sid;
  return made;
}

// A pipe or device has nowhere to keep a descriptor on some systems; it has its bits then.
Result<void> apply_to_new(Request& request, vfs::File& file, const NewSecurity& security,
                          const vfs::Attributes& made, bool was_link) {
  if (!security.descriptor) {
    // A new file's mode is before the directory's default list, by which the kernel made it.
    return was_link ? Result<void>{} : file.change({.mode = security.mode});
  }
  auto done = apply(request, file, security);
  const bool is_file = made.kind == vfs::Kind::kFile;
  if (!done && !is_file && done.error().is_os(EPERM)) return {};
  return done;
}

// What it is then. A link has no rights of its own.
Result<vfs::Attributes> secure_new(Request& request, const vfs::Path& path,
                                   const NewSecurity& security, bool was_link) {
  vfs::Volume& volume = *request.tree_connect->share->volume;
  BRAID_TRY(const auto made, volume.find(request.credentials(), path));
  if (made.attributes.is_symlink()) return made.attributes;
  BRAID_TRY(const auto file, volume.open(request.credentials(), made, {}));
  BRAID_CHECK(apply_to_new(request, *file, security, made.attributes, was_link));
  return file->stat();
}

// REQUIRES: the file is taken.
Result<void> put_in_place(Request& request, vfs::Replacement made) {
  Open& open = *request.open;
  vfs::Volume& volume = *request.tree_connect->share->volume;
  BRAID_TRY(const auto located, locate(request.files, open, request.credentials()));
  BRAID_TRY(const auto found,
            volume.find(request.credentials(), located.path, {.pin_parent = true}));
  const FileKey key = open.attributes.file_key;
  if (found.attributes.key != key) return fail(NtStatus::kObjectNameNotFound);
  BRAID_CHECK(check_may_replace(request, found));
  BRAID_CHECK(check_may_add(request, found.path, found.place, false));
  BRAID_TRY(const auto directory, rights_on_parent(request, found.path, found.place));
  BRAID_TRY(const auto security, security_in_place(request, found.attributes, *directory.security));
  // Before it has its descriptor it is nobody's but its maker's.
  made.mode = security.descriptor ? 0600 : security.mode;
  BRAID_CHECK(volume.replace(request.credentials(), found.place, key, made));
  auto now = secure_new(request, found.path, security, found.attributes.is_symlink());
  if (now) *open.in_its_place.lock() = std::make_unique<vfs::Attributes>(*std::move(now));
  // A link is whole without it.
  if (!now && !is_link(made)) return std::unexpected(now.error());
  report_modified(request.files, open, wire::CompletionFilter::kAttributes);
  // The file of the open is not in the directory any more, so that nothing leads there from it.
  request.files.file_table.child_changed(found.place.parent->key(), open.parent_lease());
  return {};
}

// Puts `made` in the place of request.open; with a tag, as a reparse point. Another inode takes the
// name: whoever has the old one open would write into nothing, and a deletion would be of what is
// gone. So nobody has it, and nobody opens it before the name leads to the other.
Task<Result<void>> replace(Request& request, vfs::Replacement made, std::optional<uint32_t> tag) {
  const filestate::OpenRef ref = request.open->ref();
  filestate::FileTable& table = request.files.file_table;
  BRAID_CO_TRY(const auto taken,
               co_await take(request, ref.file, [&] { return table.begin_exchange(ref); }));
  if (taken.decision.verdict != filestate::Verdict::kGo) co_return fail(taken.decision.status);
  if (tag) {
    // Again: until now somebody may have opened it, written and closed.
    BRAID_CO_CHECK(check_may_become(*request.open, *tag, made));
  }
  BRAID_CO_CHECK(put_in_place(request, std::move(made)));
  co_return Result<void>{};
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_get_reparse_point(Request& request,
                                                  const wire::IoctlRequest& ioctl) {
  vfs::File& file = request.open->whole_file();
  BRAID_CO_TRY(const auto attributes, file.stat());
  if (!(attributes.dos_attributes & vfs::dos::kReparsePoint)) {
    co_return fail(NtStatus::kNotAReparsePoint);
  }
  if (ioctl.max_output_response < kHeadSize) co_return fail(NtStatus::kBufferTooSmall);
  wire::ReparseData reparse = of_special(attributes);
  if (attributes.is_symlink()) {
    BRAID_CO_TRY(auto target, file.read_link());
    reparse = of_symlink(std::move(target), request.open->attributes.is_posix);
  }
  IoctlAnswer answer{.output = reparse.encode()};
  if (answer.output.size() > ioctl.max_output_response) {
    answer.output.resize(ioctl.max_output_response);
    answer.status = NtStatus::kBufferOverflow;
  }
  co_return answer;
}

// A file of Linux cannot turn into a link or a pipe: that takes its name, and the handle keeps the
// file that had it, with nothing left to do but to be closed.
Task<Result<IoctlAnswer>> ioctl_set_reparse_point(Request& request,
                                                  const wire::IoctlRequest& ioctl) {
  Open& open = *request.open;
  BRAID_CO_TRY(auto reparse, wire::ReparseData::decode(ioctl.input));
  root_linux_target(reparse, open.attributes.is_posix);
  BRAID_CO_TRY(vfs::Replacement made, replacement_of(reparse));
  BRAID_CO_CHECK(check_may_become(open, reparse.tag, made));
  BRAID_CO_CHECK(co_await replace(request, std::move(made), reparse.tag));
  co_return IoctlAnswer{};
}

// The other way round: an empty file takes the name of the link, pipe or device.
Task<Result<IoctlAnswer>> ioctl_delete_reparse_point(Request& request,
                                                     const wire::IoctlRequest& ioctl) {
  using wire::Access;
  Open& open = *request.open;
  if (!open.has_access(Access::kFileWriteData | Access::kFileWriteAttributes)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  wire::Reader reader(ioctl.input);
  const uint32_t tag = reader.u32();
  const uint16_t data_length = reader.u16();
  if (!reader.ok() || ioctl.input.size() < kHeadSize || data_length != 0) {
    co_return fail(NtStatus::kIoReparseDataInvalid);
  }
  if (tag <= kReservedTagMax) co_return fail(NtStatus::kIoReparseTagInvalid);
  BRAID_CO_TRY(const auto now, open.file->stat());
  if (!(now.dos_attributes & vfs::dos::kReparsePoint)) co_return fail(NtStatus::kNotAReparsePoint);
  if (tag != now.reparse_tag) co_return fail(NtStatus::kIoReparseTagMismatch);
  BRAID_CO_CHECK(co_await replace(request, {}, std::nullopt));
  co_return IoctlAnswer{};
}

}  // namespace braid::smb2

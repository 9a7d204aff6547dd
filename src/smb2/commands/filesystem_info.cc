// The file system information classes. [MS-SMB2] 3.3.5.20.2 and 3.3.5.21.2 "Handling
// SMB2_0_INFO_FILESYSTEM"; [MS-FSA] 2.1.5.13 "Server Requests a Query of File System Information"
// and 2.1.5.16 "Server Requests Setting of File System Information".
#include <algorithm>

#include "smb2/commands/info_rows.h"
#include "smb2/common/limits.h"
#include "smb2/opens/quota_file.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/info_class.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::FsInfoClass;

uint32_t serial_number(const vfs::Features& features) {
  const uint64_t device = features.device * 0x9e3779b97f4a7c15ULL;
  return static_cast<uint32_t>(device >> 32);
}

vfs::QuotaState quota_state(const Share& share) {
  vfs::Quotas* quotas = share.volume->quotas();
  return quotas ? quotas->state() : vfs::QuotaState::kUnsupported;
}

// Of the file system that the open is on, which is another one than the share's below a mount. A
// user with a limit sees a volume of that size. [MS-FSA] 2.1.5.13.3 and 2.1.5.13.7.
Result<vfs::Space> space_for(const Request& request, const Share& share) {
  Open& open = *request.open;
  if (!QuotaFile::of(open) && open.attributes.file_key.device != share.volume->features().device) {
    return open.file->space();
  }
  BRAID_TRY(vfs::Space space, share.volume->space(request.credentials()));
  if (quota_state(share) != vfs::QuotaState::kEnforced) return space;
  const auto quota = share.volume->quotas()->of(request.credentials()->uid);
  if (!quota) return space;  // an unprivileged server is not told everybody's
  if (quota->limits.hard) {
    const uint64_t limit = *quota->limits.hard;
    const uint64_t left = limit > quota->used ? limit - quota->used : 0;
    space.total_blocks = std::min(space.total_blocks, limit / space.block_size);
    space.available_blocks = std::min(space.available_blocks, left / space.block_size);
  }
  if (quota->is_grace_over) space.available_blocks = 0;
  return space;
}

wire::FileFsControlInformation control_of(const Share& share) {
  using Info = wire::FileFsControlInformation;
  Info info;
  const vfs::QuotaState state = quota_state(share);
  if (state < vfs::QuotaState::kTracked) return info;
  if (const auto limits = share.volume->quotas()->default_limits()) {  // as above
    info.default_quota_threshold = limits->soft.value_or(Info::kNoLimit);
    info.default_quota_limit = limits->hard.value_or(Info::kNoLimit);
  }
  info.file_system_control_flags =
      state == vfs::QuotaState::kEnforced ? Info::kQuotaEnforce : Info::kQuotaTrack;
  return info;
}

uint32_t attributes_of(const Share& share, const vfs::Features& features) {
  using Info = wire::FileFsAttributeInformation;
  uint32_t attributes = Info::kCaseSensitiveSearch | Info::kCasePreservedNames |
                        Info::kUnicodeOnDisk | Info::kPersistentAcls;
  if (features.streams) attributes |= Info::kNamedStreams;
  if (features.sparse) attributes |= Info::kSupportsSparseFiles;
  attributes |= Info::kSupportsObjectIds;
  if (features.hard_links) attributes |= Info::kSupportsHardLinks;
  if (features.xattrs) attributes |= Info::kSupportsExtendedAttributes;
  if (features.compression) attributes |= Info::kFileCompression;
  if (features.reflink) attributes |= Info::kSupportsBlockRefcounting;
  if (quota_state(share) >= vfs::QuotaState::kTracked) attributes |= Info::kVolumeQuotas;
  if (share.read_only) attributes |= Info::kReadOnlyVolume;
  return attributes;
}

// `tell` says it of the share.
template <auto tell>
Result<QueryAnswer> of_share(Request& request, const wire::QueryInfoRequest&) {
  const Share& share = *request.tree_connect->share;
  return encoded(tell(share, share.volume->features()));
}

// `tell` says it of the room there is for the user.
template <auto tell>
Result<QueryAnswer> of_space(Request& request, const wire::QueryInfoRequest&) {
  BRAID_TRY(const vfs::Space space, space_for(request, *request.tree_connect->share));
  return encoded(tell(space));
}

wire::FileFsVolumeInformation volume(const Share& share, const vfs::Features& features) {
  return {.volume_creation_time = features.creation_time,
          .volume_serial_number = serial_number(features),
          .volume_label = share.name};
}

wire::FileFsSizeInformation fs_size(const vfs::Space& space) {
  return {.total_allocation_units = space.total_blocks,
          .available_allocation_units = space.available_blocks,
          .sectors_per_allocation_unit = space.block_size / kSectorSize,
          .bytes_per_sector = kSectorSize};
}

wire::FileFsFullSizeInformation fs_full_size(const vfs::Space& space) {
  return {.total_allocation_units = space.total_blocks,
          .caller_available_allocation_units = space.available_blocks,
          .actual_available_allocation_units = space.free_blocks,
          .sectors_per_allocation_unit = space.block_size / kSectorSize,
          .bytes_per_sector = kSectorSize};
}

wire::FileFsDeviceInformation fs_device(const Share& share, const vfs::Features&) {
  using Info = wire::FileFsDeviceInformation;
  return {.characteristics =
              Info::kDeviceIsMounted | (share.read_only ? Info::kReadOnlyDevice : 0)};
}

wire::FileFsAttributeInformation fs_attributes(const Share& share, const vfs::Features& features) {
  return {.file_system_attributes = attributes_of(share, features), .file_system_name = "NTFS"};
}

wire::FileFsControlInformation fs_control(const Share& share, const vfs::Features&) {
  return control_of(share);
}

wire::FileFsObjectIdInformation fs_object_id(const Share&, const vfs::Features& features) {
  wire::FileFsObjectIdInformation info;
  const std::string& id = features.file_system_id;
  std::memcpy(info.object_id.bytes.data(), id.data(),
              std::min(id.size(), info.object_id.bytes.size()));
  return info;
}

wire::FileFsSectorSizeInformation fs_sector_size(const Share&, const vfs::Features& features) {
  wire::FileFsSectorSizeInformation info;
  // FSCTL_FILE_LEVEL_TRIM gives the space back to the file system.
  if (features.sparse) info.flags |= wire::FileFsSectorSizeInformation::kTrimEnabled;
  return info;
}

// A file system that makes files as it needs them has room for none and any number.
wire::FileFsPosixInformation fs_posix_of(const vfs::Space& space, const vfs::Features& features) {
  wire::FileFsPosixInformation info{.optimal_transfer_size = space.transfer_size,
                                    .block_size = space.block_size,
                                    .total_blocks = space.total_blocks,
                                    .blocks_avail = space.free_blocks,
                                    .user_blocks_avail = space.available_blocks,
                                    .total_file_nodes = space.total_nodes,
                                    .free_file_nodes = space.free_nodes};
  const std::string& id = features.file_system_id;
  std::memcpy(&info.fs_identifier, id.data(), std::min(id.size(), sizeof info.fs_identifier));
  return info;
}

Result<QueryAnswer> fs_posix(Request& request, const wire::QueryInfoRequest&) {
  const Share& share = *request.tree_connect->share;
  BRAID_TRY(const vfs::Space space, space_for(request, share));
  return encoded(fs_posix_of(space, share.volume->features()));
}

using Control = wire::FileFsControlInformation;

Result<std::optional<uint64_t>> default_limit(uint64_t given) {
  if (given == Control::kNoLimit) return std::optional<uint64_t>();
  if (given > INT64_MAX) return fail(NtStatus::kInvalidParameter);
  return std::optional<uint64_t>(given);
}

// [MS-FSA] 2.1.5.16.6. What is as it should be is left alone, so that a client can write back what
// it read where not everything can be set.
Result<void> set_control(Request& request, const Control& control) {
  if (!may_manage_quotas(request.principal)) return fail(NtStatus::kAccessDenied);
  vfs::Quotas* quotas = request.tree_connect->share->volume->quotas();
  const auto state = quotas ? quotas->state() : vfs::QuotaState::kUnsupported;
  if (state == vfs::QuotaState::kUnsupported) return fail(NtStatus::kVolumeNotUpgraded);
  vfs::QuotaLimits limits;
  BRAID_TRY(limits.soft, default_limit(control.default_quota_threshold));
  BRAID_TRY(limits.hard, default_limit(control.default_quota_limit));

  // The first of these two flags wins when both are there.
  vfs::QuotaState wanted = vfs::QuotaState::kOff;
  if (control.file_system_control_flags & Control::kQuotaTrack) {
    wanted = vfs::QuotaState::kTracked;
  } else if (control.file_system_control_flags & Control::kQuotaEnforce) {
    wanted = vfs::QuotaState::kEnforced;
  }
  // Counting begins when a file system is mounted.
  const bool counts = state >= vfs::QuotaState::kTracked;
  if (counts != (wanted >= vfs::QuotaState::kTracked)) return fail(NtStatus::kNotSupported);
  if (!counts) return {};
  BRAID_TRY(const vfs::QuotaLimits before, quotas->default_limits());
  if (limits != before) BRAID_CHECK(quotas->set_default_limits(limits));
  if (wanted != state) BRAID_CHECK(quotas->set_enforced(wanted == vfs::QuotaState::kEnforced));
  return {};
}

constexpr Rights kFsAny = Rights::none();
constexpr Rights kFsWriteData = Rights::any_of(wire::Access::kFileWriteData);
constexpr QueryHandler kFsNotOfPipes = nullptr;
constexpr InfoSet kFsNoSet = InfoSet::never();
// [MS-FSA] 2.1.5.13.2 and 2.1.5.13.9, with whatever room.
constexpr InfoQuery kFsRefused{0, kFsAny, refused_query<NtStatus::kNotSupported>, kFsNotOfPipes};
// Labels and object ids are the administrator's, who has the file system's own tools.
constexpr InfoSet kAdministrators{0, kFsAny, Changes::kOpen, refused_set<NtStatus::kAccessDenied>};

// Names have room for one character at least, in whole 4 or 8 bytes.
// clang-format off
constexpr InfoRow kFilesystemRows[] = {
  {FsInfoClass::kVolume,     {24, kFsAny, of_share<volume>, kFsNotOfPipes},         kFsNoSet},
  {FsInfoClass::kLabel,      kFsRefused,                                            kAdministrators},
  {FsInfoClass::kSize,       {24, kFsAny, of_space<fs_size>, kFsNotOfPipes},        kFsNoSet},
  {FsInfoClass::kDevice,     {8, kFsAny, of_share<fs_device>, kFsNotOfPipes},       kFsNoSet},
  {FsInfoClass::kAttribute,  {16, kFsAny, of_share<fs_attributes>, kFsNotOfPipes},  kFsNoSet},
  {FsInfoClass::kControl,    {48, kFsAny, of_share<fs_control>, kFsNotOfPipes},     {48, kFsWriteData, Changes::kOpen, decoded<Control, set_control>}},
  {FsInfoClass::kFullSize,   {32, kFsAny, of_space<fs_full_size>, kFsNotOfPipes},   kFsNoSet},
  {FsInfoClass::kObjectId,   {64, kFsAny, of_share<fs_object_id>, kFsNotOfPipes},   kAdministrators},
  {FsInfoClass::kDriverPath, kFsRefused,                                            kFsNoSet},
  {FsInfoClass::kSectorSize, {28, kFsAny, of_share<fs_sector_size>, kFsNotOfPipes}, kFsNoSet},
  {FsInfoClass::kPosix,      {56, kFsAny, fs_posix, kFsNotOfPipes},                 kFsNoSet},
};
// clang-format on

}  // namespace

const InfoRow* find_filesystem_info(uint8_t info_class) {
  const auto found = std::ranges::find(kFilesystemRows, info_class, &InfoRow::info_class);
  return found == std::end(kFilesystemRows) ? nullptr : &*found;
}

}  // namespace braid::smb2

// [MS-SMB2] 3.3.5.20.2 "Handling SMB2_0_INFO_FILESYSTEM"; [MS-FSA] 2.1.5.13 "Server Requests a
// Query of File System Information".
#include "smb2/commands/query_info_parts.h"
#include "smb2/common/limits.h"
#include "smb2/opens/quota_file.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/info_class.h"

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

}  // namespace

Result<QueryAnswer> query_filesystem_info(Request& request, const wire::QueryInfoRequest& query) {
  const auto info_class = static_cast<FsInfoClass>(query.file_info_class);
  const auto minimum = wire::minimum_query_length(info_class);
  if (!minimum) return fail(NtStatus::kInvalidInfoClass);
  if (query.output_buffer_length < *minimum) return fail(NtStatus::kInfoLengthMismatch);
  const Share& share = *request.tree_connect->share;
  const vfs::Features& features = share.volume->features();

  switch (info_class) {
    case FsInfoClass::kVolume:
      return encoded(wire::FileFsVolumeInformation{.volume_creation_time = features.creation_time,
                                                   .volume_serial_number = serial_number(features),
                                                   .volume_label = share.name});
    case FsInfoClass::kSize: {
      BRAID_TRY(const vfs::Space space, space_for(request, share));
      return encoded(
          wire::FileFsSizeInformation{.total_allocation_units = space.total_blocks,
                                      .available_allocation_units = space.available_blocks,
                                      .sectors_per_allocation_unit = space.block_size / kSectorSize,
                                      .bytes_per_sector = kSectorSize});
    }
    case FsInfoClass::kFullSize: {
      BRAID_TRY(const vfs::Space space, space_for(request, share));
      return encoded(wire::FileFsFullSizeInformation{
          .total_allocation_units = space.total_blocks,
          .caller_available_allocation_units = space.available_blocks,
          .actual_available_allocation_units = space.free_blocks,
          .sectors_per_allocation_unit = space.block_size / kSectorSize,
          .bytes_per_sector = kSectorSize});
    }
    case FsInfoClass::kDevice:
      return encoded(wire::FileFsDeviceInformation{
          .characteristics =
              wire::FileFsDeviceInformation::kDeviceIsMounted |
              (share.read_only ? wire::FileFsDeviceInformation::kReadOnlyDevice : 0)});
    case FsInfoClass::kAttribute:
      return encoded(wire::FileFsAttributeInformation{
          .file_system_attributes = attributes_of(share, features), .file_system_name = "NTFS"});
    case FsInfoClass::kObjectId: {
      wire::FileFsObjectIdInformation info;
      const std::string& id = features.file_system_id;
      std::memcpy(info.object_id.bytes.data(), id.data(),
                  std::min(id.size(), info.object_id.bytes.size()));
      return encoded(info);
    }
    case FsInfoClass::kControl:
      return encoded(control_of(share));
    case FsInfoClass::kSectorSize: {
      wire::FileFsSectorSizeInformation info;
      // FSCTL_FILE_LEVEL_TRIM gives the space back to the file system.
      if (features.sparse) info.flags |= wire::FileFsSectorSizeInformation::kTrimEnabled;
      return encoded(info);
    }
    // [MS-FSA] 2.1.5.13.2 and .9.
    case FsInfoClass::kLabel:
    case FsInfoClass::kDriverPath:
      return fail(NtStatus::kNotSupported);
    default:
      return fail(NtStatus::kInvalidInfoClass);
  }
}

}  // namespace braid::smb2

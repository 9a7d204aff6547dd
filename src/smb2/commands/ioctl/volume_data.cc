// What NTFS tells of its volume and of the records of files: [MS-FSA] 2.1.5.10.11
// "FSCTL_GET_NTFS_VOLUME_DATA" and 2.1.5.10.27 "FSCTL_READ_FILE_USN_DATA".
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/limits.h"
#include "smb2/files/open_name.h"
#include "smb2/shares/index_number.h"
#include "wire/reader.h"
#include "wire/utf16.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.3.22 "FSCTL_GET_NTFS_VOLUME_DATA Reply".
constexpr size_t kVolumeDataSize = 96;
// What an NTFS file record takes; there is no table of them here.
constexpr uint32_t kFileRecordSize = 1024;

// [MS-FSCC] 2.3.61 and 2.3.62.2 to .3: READ_FILE_USN_DATA, USN_RECORD_V2 and USN_RECORD_V3.
constexpr size_t kUsnRequestSize = 4;
constexpr uint16_t kVersionMin = 2;
constexpr uint16_t kVersionMax = 3;
constexpr size_t kNameOffset2 = 60;
constexpr size_t kNameOffset3 = 76;

Result<uint16_t> version_to_use(ByteView input) {
  if (input.size() < kUsnRequestSize) return kVersionMin;
  wire::Reader reader(input);
  const uint16_t min = reader.u16();
  const uint16_t max = reader.u16();
  if (min > max || min > kVersionMax || max < kVersionMin) return fail(NtStatus::kInvalidParameter);
  return max >= kVersionMax ? kVersionMax : kVersionMin;
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_get_ntfs_volume_data(Request& request,
                                                     const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < kVolumeDataSize) co_return fail(NtStatus::kBufferTooSmall);
  BRAID_CO_TRY(const auto space, request.open->whole_file().space());
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  writer.u64(request.open->attributes.file_key.device);  // VolumeSerialNumber
  writer.u64(space.total_blocks * (space.block_size / kSectorSize));
  writer.u64(space.total_blocks);
  writer.u64(space.free_blocks);
  writer.u64(space.free_blocks - space.available_blocks);  // TotalReserved
  writer.u32(kSectorSize);
  writer.u32(space.block_size);
  writer.u32(kFileRecordSize);
  writer.u32(0);     // ClustersPerFileRecordSegment: a part of one
  writer.zeros(40);  // of a master file table, which there is not
  co_return answer;
}

// The record as the file is now. There is no journal, and so no Usn: 0 says that none was logged.
Task<Result<IoctlAnswer>> ioctl_read_file_usn_data(Request& request,
                                                   const wire::IoctlRequest& ioctl) {
  BRAID_CO_TRY(const uint16_t version, version_to_use(ioctl.input));
  Open& open = *request.open;
  vfs::Volume& volume = *request.tree_connect->share->volume;
  const vfs::Path path = current_path(request.files, open);
  BRAID_CO_TRY(const auto now, open.whole_file().stat());
  FileKey parent = now.key;  // the root is its own
  if (!path.is_root()) {
    BRAID_CO_TRY(const auto found, volume.find(request.credentials(), path.parent()));
    parent = found.attributes.key;
  }
  const std::string_view name = path.is_root() ? "." : path.name();
  const size_t name_offset = version == kVersionMin ? kNameOffset2 : kNameOffset3;
  const size_t name_size = wire::utf16le_size(name);
  const size_t length = (name_offset + name_size + 7) / 8 * 8;
  if (ioctl.max_output_response < length) co_return fail(NtStatus::kBufferTooSmall);
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  const auto reference = [&](const FileKey& key) {
    writer.u64(index_number(volume, key));
    if (version == kVersionMax) writer.u64(0);
  };
  writer.u32(static_cast<uint32_t>(length));
  writer.u16(version);
  writer.u16(0);
  reference(now.key);
  reference(parent);
  writer.u64(0);  // Usn
  writer.u64(0);  // TimeStamp
  writer.u32(0);  // Reason
  writer.u32(0);  // SourceInfo
  writer.u32(0);  // SecurityId
  writer.u32(now.dos_attributes);
  writer.u16(static_cast<uint16_t>(name_size));
  writer.u16(static_cast<uint16_t>(name_offset));
  wire::write_utf16le(writer, name);
  writer.zeros(length - answer.output.size());
  co_return answer;
}

// [MS-FSA] 2.1.5.10.29: streams have no snapshots.
Task<Result<IoctlAnswer>> ioctl_refs_stream_snapshot(Request&, const wire::IoctlRequest&) {
  co_return fail(NtStatus::kNotSupported);
}

}  // namespace braid::smb2

// File system information: [MS-FSCC] 2.5 "File System Information Classes".
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.5.9 "FileFsVolumeInformation".
struct FileFsVolumeInformation {
  FileTime volume_creation_time;
  uint32_t volume_serial_number = 0;
  bool supports_objects = false;
  std::string volume_label;  // UTF-8; sent cut to 32 UTF-16 units

  static Result<FileFsVolumeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.5 "FileFsLabelInformation".
struct FileFsLabelInformation {
  std::string volume_label;

  static Result<FileFsLabelInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.8 "FileFsSizeInformation".
struct FileFsSizeInformation {
  uint64_t total_allocation_units = 0;
  uint64_t available_allocation_units = 0;
  uint32_t sectors_per_allocation_unit = 0;
  uint32_t bytes_per_sector = 0;

  static Result<FileFsSizeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.4 "FileFsFullSizeInformation".
struct FileFsFullSizeInformation {
  uint64_t total_allocation_units = 0;
  uint64_t caller_available_allocation_units = 0;
  uint64_t actual_available_allocation_units = 0;
  uint32_t sectors_per_allocation_unit = 0;
  uint32_t bytes_per_sector = 0;

  static Result<FileFsFullSizeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.10 "FileFsDeviceInformation".
struct FileFsDeviceInformation {
  static constexpr uint32_t kTypeDisk = 0x00000007;
  static constexpr uint32_t kTypeNamedPipe = 0x00000011;
  static constexpr uint32_t kReadOnlyDevice = 0x00000002;
  static constexpr uint32_t kRemoteDevice = 0x00000010;
  static constexpr uint32_t kDeviceIsMounted = 0x00000020;

  uint32_t device_type = kTypeDisk;
  uint32_t characteristics = kDeviceIsMounted;

  static Result<FileFsDeviceInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.1 "FileFsAttributeInformation".
struct FileFsAttributeInformation {
  static constexpr uint32_t kCaseSensitiveSearch = 0x00000001;
  static constexpr uint32_t kCasePreservedNames = 0x00000002;
  static constexpr uint32_t kUnicodeOnDisk = 0x00000004;
  static constexpr uint32_t kPersistentAcls = 0x00000008;
  static constexpr uint32_t kFileCompression = 0x00000010;
  static constexpr uint32_t kVolumeQuotas = 0x00000020;
  static constexpr uint32_t kSupportsSparseFiles = 0x00000040;
  static constexpr uint32_t kSupportsReparsePoints = 0x00000080;
  static constexpr uint32_t kSupportsPosixUnlinkRename = 0x00000400;
  static constexpr uint32_t kSupportsObjectIds = 0x00010000;
  static constexpr uint32_t kSupportsEncryption = 0x00020000;
  static constexpr uint32_t kNamedStreams = 0x00040000;
  static constexpr uint32_t kReadOnlyVolume = 0x00080000;
  static constexpr uint32_t kSupportsHardLinks = 0x00400000;
  static constexpr uint32_t kSupportsExtendedAttributes = 0x00800000;
  static constexpr uint32_t kSupportsOpenByFileId = 0x01000000;
  static constexpr uint32_t kSupportIntegrityStreams = 0x04000000;
  static constexpr uint32_t kSupportsBlockRefcounting = 0x08000000;

  uint32_t file_system_attributes = 0;
  uint32_t maximum_component_name_length = 255;  // UTF-16 units
  std::string file_system_name;                  // "NTFS" is what clients trust

  static Result<FileFsAttributeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.2 "FileFsControlInformation".
struct FileFsControlInformation {
  static constexpr uint32_t kQuotaTrack = 0x00000001;
  static constexpr uint32_t kQuotaEnforce = 0x00000002;
  static constexpr uint32_t kContentIndexDisabled = 0x00000008;
  static constexpr uint64_t kNoLimit = ~uint64_t{0};

  uint64_t free_space_start_filtering = 0;
  uint64_t free_space_threshold = 0;
  uint64_t free_space_stop_filtering = 0;
  uint64_t default_quota_threshold = kNoLimit;
  uint64_t default_quota_limit = kNoLimit;
  uint32_t file_system_control_flags = 0;

  static Result<FileFsControlInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.6 "FileFsObjectIdInformation".
struct FileFsObjectIdInformation {
  Guid object_id;
  std::array<uint8_t, 48> extended_info{};

  static Result<FileFsObjectIdInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.5.7 "FileFsSectorSizeInformation".
struct FileFsSectorSizeInformation {
  static constexpr uint32_t kAlignedDevice = 0x00000001;
  static constexpr uint32_t kPartitionAlignedOnDevice = 0x00000002;
  static constexpr uint32_t kNoSeekPenalty = 0x00000004;
  static constexpr uint32_t kTrimEnabled = 0x00000008;

  uint32_t logical_bytes_per_sector = 512;
  uint32_t physical_bytes_per_sector_for_atomicity = 4096;
  uint32_t physical_bytes_per_sector_for_performance = 4096;
  uint32_t effective_physical_bytes_per_sector_for_atomicity = 4096;
  uint32_t flags = kAlignedDevice | kPartitionAlignedOnDevice;
  uint32_t byte_offset_for_sector_alignment = 0;
  uint32_t byte_offset_for_partition_alignment = 0;

  static Result<FileFsSectorSizeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// SMB3 POSIX Extensions, FILE_FS_POSIX_INFORMATION: statvfs(3) of the volume.
struct FileFsPosixInformation {
  uint32_t optimal_transfer_size = 0;
  uint32_t block_size = 0;
  uint64_t total_blocks = 0;
  uint64_t blocks_avail = 0;       // free ones
  uint64_t user_blocks_avail = 0;  // of these, to the user
  uint64_t total_file_nodes = 0;
  uint64_t free_file_nodes = 0;
  uint64_t fs_identifier = 0;

  static Result<FileFsPosixInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

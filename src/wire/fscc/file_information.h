// File information of fixed size: [MS-FSCC] 2.4 "File Information Classes". Sizes and offsets are
// in bytes, times are FILETIMEs. Decoders take the fields and leave what follows to the caller.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/dtyp/sid.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.1.10 "128-bit file ID".
using FileId128 = Id128<struct FileId128Tag>;

// [MS-FSCC] 2.4.7 "FileBasicInformation". In a set, a time of 0 leaves it alone, kTimeFrozen stops
// the server from updating it for this open, and kTimeThawed lets it update again.
struct FileBasicInformation {
  static constexpr uint64_t kTimeFrozen = ~uint64_t{0};
  static constexpr uint64_t kTimeThawed = ~uint64_t{1};

  FileTime creation_time;
  FileTime last_access_time;
  FileTime last_write_time;
  FileTime change_time;
  uint32_t file_attributes = 0;

  static Result<FileBasicInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.47 "FileStandardInformation".
struct FileStandardInformation {
  uint64_t allocation_size = 0;
  uint64_t end_of_file = 0;
  uint32_t number_of_links = 0;
  bool delete_pending = false;
  bool directory = false;

  static Result<FileStandardInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.27 "FileInternalInformation".
struct FileInternalInformation {
  uint64_t index_number = 0;

  static Result<FileInternalInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.13 "FileEaInformation".
struct FileEaInformation {
  uint32_t ea_size = 0;

  static Result<FileEaInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.1 "FileAccessInformation".
struct FileAccessInformation {
  uint32_t access_flags = 0;

  static Result<FileAccessInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.40 "FilePositionInformation".
struct FilePositionInformation {
  uint64_t current_byte_offset = 0;

  static Result<FilePositionInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.31 "FileModeInformation".
struct FileModeInformation {
  static constexpr uint32_t kWriteThrough = 0x00000002;
  static constexpr uint32_t kSequentialOnly = 0x00000004;
  static constexpr uint32_t kNoIntermediateBuffering = 0x00000008;
  static constexpr uint32_t kSynchronousIoAlert = 0x00000010;
  static constexpr uint32_t kSynchronousIoNonalert = 0x00000020;
  static constexpr uint32_t kDeleteOnClose = 0x00001000;

  uint32_t mode = 0;

  static Result<FileModeInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.3 "FileAlignmentInformation". The alignment less one; 0 for none.
struct FileAlignmentInformation {
  uint32_t alignment_requirement = 0;

  static Result<FileAlignmentInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.6 "FileAttributeTagInformation".
struct FileAttributeTagInformation {
  uint32_t file_attributes = 0;
  uint32_t reparse_tag = 0;

  static Result<FileAttributeTagInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.34 "FileNetworkOpenInformation".
struct FileNetworkOpenInformation {
  FileTime creation_time;
  FileTime last_access_time;
  FileTime last_write_time;
  FileTime change_time;
  uint64_t allocation_size = 0;
  uint64_t end_of_file = 0;
  uint32_t file_attributes = 0;

  static Result<FileNetworkOpenInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.9 "FileCompressionInformation".
struct FileCompressionInformation {
  static constexpr uint16_t kFormatNone = 0;
  static constexpr uint16_t kFormatLznt1 = 2;

  uint64_t compressed_file_size = 0;
  uint16_t compression_format = 0;
  uint8_t compression_unit_shift = 0;
  uint8_t chunk_shift = 0;
  uint8_t cluster_shift = 0;

  static Result<FileCompressionInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.26 "FileIdInformation".
struct FileIdInformation {
  uint64_t volume_serial_number = 0;
  FileId128 file_id;

  static Result<FileIdInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.48 "FileStandardLinkInformation".
struct FileStandardLinkInformation {
  uint32_t number_of_accessible_links = 0;
  uint32_t total_number_of_links = 0;
  bool delete_pending = false;
  bool directory = false;

  static Result<FileStandardLinkInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// Mode of the SMB3 POSIX Extensions: permissions, and from bit 12 on what kind of file it is.
struct PosixMode {
  static constexpr uint32_t kPermissions = 07777;
  static constexpr uint32_t kTypeShift = 12;
  static constexpr uint32_t kFile = 0u << kTypeShift;
  static constexpr uint32_t kDirectory = 1u << kTypeShift;
  static constexpr uint32_t kSymlink = 2u << kTypeShift;
  static constexpr uint32_t kCharDevice = 3u << kTypeShift;
  static constexpr uint32_t kBlockDevice = 4u << kTypeShift;
  static constexpr uint32_t kFifo = 5u << kTypeShift;
  static constexpr uint32_t kSocket = 6u << kTypeShift;
};

// SMB3 POSIX Extensions, FILE_POSIX_INFORMATION.
struct FilePosixInformation {
  FileTime creation_time;
  FileTime last_access_time;
  FileTime last_write_time;
  FileTime change_time;
  uint64_t end_of_file = 0;
  uint64_t allocation_size = 0;
  uint32_t file_attributes = 0;
  uint64_t inode = 0;
  uint32_t device_id = 0;
  uint32_t number_of_links = 0;
  uint32_t reparse_tag = 0;
  uint32_t mode = 0;  // PosixMode
  Sid owner;
  Sid group;

  static Result<FilePosixInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

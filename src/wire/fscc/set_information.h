// File information that only a client sends.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.4.42.2 "FileRenameInformation for SMB2" (FILE_RENAME_INFORMATION_TYPE_2) and 2.4.28.2
// "FileLinkInformation for the SMB2 Protocol", which are the same on the wire. `file_name` is UTF-8
// with backslashes as they came. The length of the name must fit; bytes after it are padding.
struct FileRenameInformation {
  bool replace_if_exists = false;
  uint64_t root_directory = 0;  // a server answers other values with STATUS_INVALID_PARAMETER
  std::string file_name;

  static Result<FileRenameInformation> decode(Reader& r);
  void encode(Writer& w) const;
};
using FileLinkInformation = FileRenameInformation;

// [MS-FSCC] 2.4.43 "FileRenameInformationEx".
struct FileRenameInformationEx {
  static constexpr uint32_t kReplaceIfExists = 0x00000001;
  static constexpr uint32_t kPosixSemantics = 0x00000002;
  static constexpr uint32_t kSuppressPinStateInheritance = 0x00000004;
  static constexpr uint32_t kSuppressStorageReserveInheritance = 0x00000008;
  static constexpr uint32_t kIgnoreReadOnlyAttribute = 0x00000040;

  uint32_t flags = 0;
  uint64_t root_directory = 0;
  std::string file_name;

  static Result<FileRenameInformationEx> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.42.1 "FileRenameInformation for SMB" (FILE_RENAME_INFORMATION_TYPE_1), which local
// 32-bit callers and SMB1 pass-through use; same for links (2.4.28.1).
struct FileRenameInformationType1 {
  bool replace_if_exists = false;
  uint32_t root_directory = 0;
  std::string file_name;

  static Result<FileRenameInformationType1> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.11 "FileDispositionInformation".
struct FileDispositionInformation {
  bool delete_pending = false;

  static Result<FileDispositionInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.12 "FileDispositionInformationEx".
struct FileDispositionInformationEx {
  static constexpr uint32_t kDelete = 0x00000001;
  static constexpr uint32_t kPosixSemantics = 0x00000002;
  static constexpr uint32_t kForceImageSectionCheck = 0x00000004;
  static constexpr uint32_t kOnClose = 0x00000008;
  static constexpr uint32_t kIgnoreReadOnlyAttribute = 0x00000010;

  uint32_t flags = 0;

  static Result<FileDispositionInformationEx> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.4 "FileAllocationInformation". Sent signed: a negative size is malformed, here and
// in the two below.
struct FileAllocationInformation {
  uint64_t allocation_size = 0;

  static Result<FileAllocationInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.14 "FileEndOfFileInformation".
struct FileEndOfFileInformation {
  uint64_t end_of_file = 0;

  static Result<FileEndOfFileInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.50 "FileValidDataLengthInformation".
struct FileValidDataLengthInformation {
  uint64_t valid_data_length = 0;

  static Result<FileValidDataLengthInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

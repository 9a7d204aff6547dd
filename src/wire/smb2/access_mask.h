// Access rights, [MS-SMB2] 2.2.13.1 "SMB2 Access Mask Encoding".
#pragma once

#include <cstdint>

namespace braid::wire {

using AccessMask = uint32_t;

// FILE_READ_DATA is Access::kFileReadData, and so on mechanically.
struct Access {
  // 2.2.13.1.1 "File_Pipe_Printer_Access_Mask"
  static constexpr AccessMask kFileReadData = 0x00000001;
  static constexpr AccessMask kFileWriteData = 0x00000002;
  static constexpr AccessMask kFileAppendData = 0x00000004;
  static constexpr AccessMask kFileReadEa = 0x00000008;
  static constexpr AccessMask kFileWriteEa = 0x00000010;
  static constexpr AccessMask kFileExecute = 0x00000020;
  static constexpr AccessMask kFileDeleteChild = 0x00000040;
  static constexpr AccessMask kFileReadAttributes = 0x00000080;
  static constexpr AccessMask kFileWriteAttributes = 0x00000100;
  // 2.2.13.1.2 "Directory_Access_Mask": the same bits under other names
  static constexpr AccessMask kFileListDirectory = kFileReadData;
  static constexpr AccessMask kFileAddFile = kFileWriteData;
  static constexpr AccessMask kFileAddSubdirectory = kFileAppendData;
  static constexpr AccessMask kFileTraverse = kFileExecute;
  // Both
  static constexpr AccessMask kDelete = 0x00010000;
  static constexpr AccessMask kReadControl = 0x00020000;
  static constexpr AccessMask kWriteDac = 0x00040000;
  static constexpr AccessMask kWriteOwner = 0x00080000;
  static constexpr AccessMask kSynchronize = 0x00100000;
  static constexpr AccessMask kAccessSystemSecurity = 0x01000000;
  static constexpr AccessMask kMaximumAllowed = 0x02000000;
  static constexpr AccessMask kGenericAll = 0x10000000;
  static constexpr AccessMask kGenericExecute = 0x20000000;
  static constexpr AccessMask kGenericWrite = 0x40000000;
  static constexpr AccessMask kGenericRead = 0x80000000;

  // What the generic bits stand for on files.
  static constexpr AccessMask kFileGenericRead =
      kFileReadData | kFileReadEa | kFileReadAttributes | kReadControl | kSynchronize;
  static constexpr AccessMask kFileGenericWrite = kFileWriteData | kFileAppendData | kFileWriteEa |
                                                  kFileWriteAttributes | kReadControl |
                                                  kSynchronize;
  static constexpr AccessMask kFileGenericExecute =
      kFileExecute | kFileReadAttributes | kReadControl | kSynchronize;
  static constexpr AccessMask kFileAllAccess = 0x001F01FF;
};

}  // namespace braid::wire

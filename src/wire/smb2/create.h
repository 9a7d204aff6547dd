// SMB2 CREATE.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/create_context.h"
#include "wire/writer.h"

namespace braid::wire {

// SMB2_OPLOCK_LEVEL_*
enum class OplockLevel : uint8_t {
  kNone = 0x00,
  kLevelIi = 0x01,
  kExclusive = 0x08,
  kBatch = 0x09,
  kLease = 0xFF,
};

enum class ImpersonationLevel : uint32_t {
  kAnonymous = 0,
  kIdentification = 1,
  kImpersonation = 2,
  kDelegate = 3,
};

// FILE_SHARE_*
struct ShareAccess {
  static constexpr uint32_t kRead = 0x00000001;
  static constexpr uint32_t kWrite = 0x00000002;
  static constexpr uint32_t kDelete = 0x00000004;
  static constexpr uint32_t kAll = kRead | kWrite | kDelete;
};

enum class CreateDisposition : uint32_t {
  kSupersede = 0,
  kOpen = 1,
  kCreate = 2,
  kOpenIf = 3,
  kOverwrite = 4,
  kOverwriteIf = 5,
};

// FILE_DIRECTORY_FILE is CreateOptions::kDirectoryFile, and so on mechanically.
struct CreateOptions {
  static constexpr uint32_t kDirectoryFile = 0x00000001;
  static constexpr uint32_t kWriteThrough = 0x00000002;
  static constexpr uint32_t kSequentialOnly = 0x00000004;
  static constexpr uint32_t kNoIntermediateBuffering = 0x00000008;
  static constexpr uint32_t kSynchronousIoAlert = 0x00000010;
  static constexpr uint32_t kSynchronousIoNonalert = 0x00000020;
  static constexpr uint32_t kNonDirectoryFile = 0x00000040;
  static constexpr uint32_t kCompleteIfOplocked = 0x00000100;
  static constexpr uint32_t kNoEaKnowledge = 0x00000200;
  static constexpr uint32_t kOpenRemoteInstance = 0x00000400;
  static constexpr uint32_t kRandomAccess = 0x00000800;
  static constexpr uint32_t kDeleteOnClose = 0x00001000;
  static constexpr uint32_t kOpenByFileId = 0x00002000;
  static constexpr uint32_t kOpenForBackupIntent = 0x00004000;
  static constexpr uint32_t kNoCompression = 0x00008000;
  static constexpr uint32_t kOpenRequiringOplock = 0x00010000;
  static constexpr uint32_t kDisallowExclusive = 0x00020000;
  static constexpr uint32_t kReserveOpfilter = 0x00100000;
  static constexpr uint32_t kOpenReparsePoint = 0x00200000;
  static constexpr uint32_t kOpenNoRecall = 0x00400000;
  static constexpr uint32_t kOpenForFreeSpaceQuery = 0x00800000;
};

// [MS-SMB2] 2.2.13 "SMB2 CREATE Request". Enum fields may hold values outside their enum: the
// command answers those with statuses of their own.
struct CreateRequest {
  OplockLevel requested_oplock_level = OplockLevel::kNone;
  ImpersonationLevel impersonation_level = ImpersonationLevel::kImpersonation;
  AccessMask desired_access = 0;
  uint32_t file_attributes = 0;  // [MS-FSCC] 2.6
  uint32_t share_access = 0;     // ShareAccess
  CreateDisposition create_disposition = CreateDisposition::kOpen;
  uint32_t create_options = 0;  // CreateOptions
  std::string name;             // UTF-8, '\' between components, as the client sent it
  CreateRequestContexts contexts;

  static Result<CreateRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

enum class CreateAction : uint32_t {
  kSuperseded = 0,
  kOpened = 1,
  kCreated = 2,
  kOverwritten = 3,
};

// [MS-SMB2] 2.2.14 "SMB2 CREATE Response".
struct CreateResponse {
  static constexpr uint8_t kFlagReparsepoint = 0x01;

  OplockLevel oplock_level = OplockLevel::kNone;
  uint8_t flags = 0;
  CreateAction create_action = CreateAction::kOpened;
  FileTime creation_time;
  FileTime last_access_time;
  FileTime last_write_time;
  FileTime change_time;
  uint64_t allocation_size = 0;
  uint64_t end_of_file = 0;
  uint32_t file_attributes = 0;
  FileId file_id;
  CreateResponseContexts contexts;

  static Result<CreateResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

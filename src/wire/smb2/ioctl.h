// SMB2 IOCTL: the envelope. The payloads have headers of their own.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// CtlCode values of [MS-SMB2] 2.2.31 "SMB2 IOCTL Request" and [MS-FSCC] 2.3 "FSCTL Structures".
// FSCTL_PIPE_WAIT is Fsctl::kPipeWait, and so on mechanically.
enum class Fsctl : uint32_t {
  kIsPathnameValid = 0x0009002C,
  kGetCompression = 0x0009003C,
  kFilesystemGetStatistics = 0x00090060,
  kGetNtfsVolumeData = 0x00090064,
  kFindFilesBySid = 0x0009008F,
  kSetObjectId = 0x00090098,
  kGetObjectId = 0x0009009C,
  kDeleteObjectId = 0x000900A0,
  kSetReparsePoint = 0x000900A4,
  kGetReparsePoint = 0x000900A8,
  kDeleteReparsePoint = 0x000900AC,
  kSetObjectIdExtended = 0x000900BC,
  kCreateOrGetObjectId = 0x000900C0,
  kSetSparse = 0x000900C4,
  kReadFileUsnData = 0x000900EB,
  kRefsStreamSnapshotManagement = 0x00090440,
  kQueryAllocatedRanges = 0x000940CF,
  kSetZeroData = 0x000980C8,
  kSetZeroOnDeallocation = 0x00090194,
  kFileLevelTrim = 0x00098208,
  kGetIntegrityInformation = 0x0009027C,
  kQueryFileRegions = 0x00090284,
  kOffloadRead = 0x00094264,
  kOffloadWrite = 0x00098268,
  kDuplicateExtentsToFile = 0x00098344,
  kDuplicateExtentsToFileEx = 0x000983E8,
  kSetCompression = 0x0009C040,
  kSetIntegrityInformation = 0x0009C280,
  kDfsGetReferrals = 0x00060194,
  kDfsGetReferralsEx = 0x000601B0,
  kPipeWait = 0x00110018,
  kPipePeek = 0x0011400C,
  kPipeTransceive = 0x0011C017,
  kSrvRequestResumeKey = 0x00140078,
  kLmrRequestResiliency = 0x001401D4,
  kQueryNetworkInterfaceInfo = 0x001401FC,
  kValidateNegotiateInfo = 0x00140204,
  kSrvEnumerateSnapshots = 0x00144064,
  kSrvCopychunk = 0x001440F2,
  kSrvReadHash = 0x001441BB,
  kSrvCopychunkWrite = 0x001480F2,
  // Switches of a server under test, which smbtorture asks for; no client of anyone's sends them.
  kTestPadIoctlResponse = 0x83848013,
  kTestPadReadResponses = 0x83848023,
  kTestSleep = 0x83848043,
};
// "FSCTL_PIPE_WAIT"; "unknown".
std::string_view name_of(Fsctl ctl_code);

// [MS-SMB2] 2.2.31 "SMB2 IOCTL Request".
struct IoctlRequest {
  static constexpr uint32_t kFlagIsFsctl = 0x00000001;

  Fsctl ctl_code{};
  FileId file_id;
  ByteView input;  // into the message when decoded
  uint32_t max_input_response = 0;
  ByteView output;  // clients have nothing to put here
  uint32_t max_output_response = 0;
  uint32_t flags = 0;

  bool is_fsctl() const { return flags == kFlagIsFsctl; }

  static Result<IoctlRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.32 "SMB2 IOCTL Response".
struct IoctlResponse {
  Fsctl ctl_code{};
  FileId file_id;
  ByteView input;   // echoed only for pass-through operations
  ByteView output;  // into the message when decoded
  uint32_t flags = 0;
  size_t padding = 0;  // zeros before `input`; only encoded

  static Result<IoctlResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

#include "wire/smb2/ioctl.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

std::string_view name_of(Fsctl ctl_code) {
  switch (ctl_code) {
    case Fsctl::kIsPathnameValid:
      return "FSCTL_IS_PATHNAME_VALID";
    case Fsctl::kGetCompression:
      return "FSCTL_GET_COMPRESSION";
    case Fsctl::kFilesystemGetStatistics:
      return "FSCTL_FILESYSTEM_GET_STATISTICS";
    case Fsctl::kGetNtfsVolumeData:
      return "FSCTL_GET_NTFS_VOLUME_DATA";
    case Fsctl::kFindFilesBySid:
      return "FSCTL_FIND_FILES_BY_SID";
    case Fsctl::kSetObjectId:
      return "FSCTL_SET_OBJECT_ID";
    case Fsctl::kGetObjectId:
      return "FSCTL_GET_OBJECT_ID";
    case Fsctl::kDeleteObjectId:
      return "FSCTL_DELETE_OBJECT_ID";
    case Fsctl::kSetReparsePoint:
      return "FSCTL_SET_REPARSE_POINT";
    case Fsctl::kGetReparsePoint:
      return "FSCTL_GET_REPARSE_POINT";
    case Fsctl::kDeleteReparsePoint:
      return "FSCTL_DELETE_REPARSE_POINT";
    case Fsctl::kSetObjectIdExtended:
      return "FSCTL_SET_OBJECT_ID_EXTENDED";
    case Fsctl::kCreateOrGetObjectId:
      return "FSCTL_CREATE_OR_GET_OBJECT_ID";
    case Fsctl::kReadFileUsnData:
      return "FSCTL_READ_FILE_USN_DATA";
    case Fsctl::kRefsStreamSnapshotManagement:
      return "FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT";
    case Fsctl::kSetSparse:
      return "FSCTL_SET_SPARSE";
    case Fsctl::kQueryAllocatedRanges:
      return "FSCTL_QUERY_ALLOCATED_RANGES";
    case Fsctl::kSetZeroData:
      return "FSCTL_SET_ZERO_DATA";
    case Fsctl::kSetZeroOnDeallocation:
      return "FSCTL_SET_ZERO_ON_DEALLOCATION";
    case Fsctl::kFileLevelTrim:
      return "FSCTL_FILE_LEVEL_TRIM";
    case Fsctl::kGetIntegrityInformation:
      return "FSCTL_GET_INTEGRITY_INFORMATION";
    case Fsctl::kQueryFileRegions:
      return "FSCTL_QUERY_FILE_REGIONS";
    case Fsctl::kOffloadRead:
      return "FSCTL_OFFLOAD_READ";
    case Fsctl::kOffloadWrite:
      return "FSCTL_OFFLOAD_WRITE";
    case Fsctl::kDuplicateExtentsToFile:
      return "FSCTL_DUPLICATE_EXTENTS_TO_FILE";
    case Fsctl::kDuplicateExtentsToFileEx:
      return "FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX";
    case Fsctl::kSetCompression:
      return "FSCTL_SET_COMPRESSION";
    case Fsctl::kSetIntegrityInformation:
      return "FSCTL_SET_INTEGRITY_INFORMATION";
    case Fsctl::kDfsGetReferrals:
      return "FSCTL_DFS_GET_REFERRALS";
    case Fsctl::kDfsGetReferralsEx:
      return "FSCTL_DFS_GET_REFERRALS_EX";
    case Fsctl::kPipeWait:
      return "FSCTL_PIPE_WAIT";
    case Fsctl::kPipePeek:
      return "FSCTL_PIPE_PEEK";
    case Fsctl::kPipeTransceive:
      return "FSCTL_PIPE_TRANSCEIVE";
    case Fsctl::kSrvRequestResumeKey:
      return "FSCTL_SRV_REQUEST_RESUME_KEY";
    case Fsctl::kLmrRequestResiliency:
      return "FSCTL_LMR_REQUEST_RESILIENCY";
    case Fsctl::kQueryNetworkInterfaceInfo:
      return "FSCTL_QUERY_NETWORK_INTERFACE_INFO";
    case Fsctl::kValidateNegotiateInfo:
      return "FSCTL_VALIDATE_NEGOTIATE_INFO";
    case Fsctl::kSrvEnumerateSnapshots:
      return "FSCTL_SRV_ENUMERATE_SNAPSHOTS";
    case Fsctl::kSrvCopychunk:
      return "FSCTL_SRV_COPYCHUNK";
    case Fsctl::kSrvReadHash:
      return "FSCTL_SRV_READ_HASH";
    case Fsctl::kSrvCopychunkWrite:
      return "FSCTL_SRV_COPYCHUNK_WRITE";
    case Fsctl::kTestPadIoctlResponse:
      return "FSCTL_SMBTORTURE_IOCTL_RESPONSE_BODY_PADDING8";
    case Fsctl::kTestPadReadResponses:
      return "FSCTL_SMBTORTURE_GLOBAL_READ_RESPONSE_BODY_PADDING8";
    case Fsctl::kTestSleep:
      return "FSCTL_SMBTORTURE_FSP_ASYNC_SLEEP";
  }
  return "unknown";
}

Result<IoctlRequest> IoctlRequest::decode(Reader& r) {
  IoctlRequest request;
  r.expect_u16(57);
  r.skip(2);
  request.ctl_code = r.as<Fsctl>();
  request.file_id = r.file_id();
  const uint32_t input_offset = r.u32();
  const uint32_t input_count = r.u32();
  request.max_input_response = r.u32();
  const uint32_t output_offset = r.u32();
  const uint32_t output_count = r.u32();
  request.max_output_response = r.u32();
  request.flags = r.u32();
  r.skip(4);
  request.input = variable_part(r, input_offset, input_count);
  request.output = variable_part(r, output_offset, output_count);
  return r.finish(request);
}

void IoctlRequest::encode(Writer& w) const {
  const size_t body_at = w.position();
  constexpr size_t kFixedSize = 56;
  w.u16(57);
  w.u16(0);
  w.value(ctl_code);
  w.file_id(file_id);
  w.u32(narrow_u32(body_at + kFixedSize));
  w.u32(narrow_u32(input.size()));
  w.u32(max_input_response);
  const size_t output_at = w.position();
  w.u32(0);
  w.u32(narrow_u32(output.size()));
  w.u32(max_output_response);
  w.u32(flags);
  w.u32(0);
  w.bytes(input);
  if (!output.empty()) {
    w.align(8);
    w.patch_u32(output_at, narrow_u32(w.position()));
    w.bytes(output);
  }
  write_filler_if_empty(w, input.empty() && output.empty());
}

Result<IoctlResponse> IoctlResponse::decode(Reader& r) {
  IoctlResponse response;
  r.expect_u16(49);
  r.skip(2);
  response.ctl_code = r.as<Fsctl>();
  response.file_id = r.file_id();
  const uint32_t input_offset = r.u32();
  const uint32_t input_count = r.u32();
  const uint32_t output_offset = r.u32();
  const uint32_t output_count = r.u32();
  response.flags = r.u32();
  r.skip(4);
  response.input = variable_part(r, input_offset, input_count);
  response.output = variable_part(r, output_offset, output_count);
  return r.finish(response);
}

void IoctlResponse::encode(Writer& w) const {
  const size_t body_at = w.position();
  constexpr size_t kFixedSize = 48;
  w.u16(49);
  w.u16(0);
  w.value(ctl_code);
  w.file_id(file_id);
  w.u32(narrow_u32(body_at + kFixedSize + padding));
  w.u32(narrow_u32(input.size()));
  const size_t output_at = w.position();
  w.u32(0);
  w.u32(narrow_u32(output.size()));
  w.u32(flags);
  w.u32(0);
  w.zeros(padding);
  w.bytes(input);
  // [MS-SMB2] 3.3.5.15.1 and the like: behind the input, rounded up, whether there is any or not.
  const size_t input_end = w.position();
  w.patch_u32(output_at, narrow_u32((input_end + 7) / 8 * 8));
  if (output.empty()) return;
  w.align(8);
  w.bytes(output);
}

}  // namespace braid::wire

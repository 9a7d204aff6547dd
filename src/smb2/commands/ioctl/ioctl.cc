// [MS-SMB2] 3.3.5.15 "Receiving an SMB2 IOCTL Request".
#include "wire/smb2/ioctl.h"

#include <algorithm>
#include <span>

#include "smb2/commands/commands.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/error_status.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/opens/sync.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

using wire::Fsctl;

// What an FSCTL works on, and so what is found and checked before its handler runs.
enum class Needs : uint8_t {
  kNothing,
  kOpen,
  kFile,      // an open that is not of a pipe
  kWritable,  // the same, on a share where something may be changed
};

struct Row {
  Fsctl code;
  Needs needs;
  IoctlHandler handler;
  IoctlSource source = nullptr;
};

constexpr Row kRows[] = {
    {Fsctl::kValidateNegotiateInfo, Needs::kNothing, ioctl_validate_negotiate_info},
    {Fsctl::kPipeTransceive, Needs::kOpen, ioctl_pipe_transceive},
    {Fsctl::kPipePeek, Needs::kOpen, ioctl_pipe_peek},
    {Fsctl::kPipeWait, Needs::kNothing, ioctl_pipe_wait},
    {Fsctl::kDfsGetReferrals, Needs::kNothing, ioctl_dfs_get_referrals},
    {Fsctl::kDfsGetReferralsEx, Needs::kNothing, ioctl_dfs_get_referrals},
    {Fsctl::kQueryNetworkInterfaceInfo, Needs::kNothing, ioctl_query_network_interface_info},
    {Fsctl::kCreateOrGetObjectId, Needs::kFile, ioctl_get_object_id},
    {Fsctl::kGetObjectId, Needs::kFile, ioctl_get_object_id},
    {Fsctl::kSetObjectId, Needs::kWritable, ioctl_set_object_id},
    {Fsctl::kSetObjectIdExtended, Needs::kWritable, ioctl_set_object_id},
    {Fsctl::kDeleteObjectId, Needs::kWritable, ioctl_set_object_id},
    {Fsctl::kSrvRequestResumeKey, Needs::kFile, ioctl_request_resume_key},
    {Fsctl::kSrvCopychunk, Needs::kWritable, ioctl_copychunk, copychunk_source},
    {Fsctl::kSrvCopychunkWrite, Needs::kWritable, ioctl_copychunk, copychunk_source},
    {Fsctl::kSetSparse, Needs::kWritable, ioctl_set_sparse},
    {Fsctl::kSetZeroData, Needs::kWritable, ioctl_set_zero_data},
    {Fsctl::kQueryAllocatedRanges, Needs::kFile, ioctl_query_allocated_ranges},
    {Fsctl::kFileLevelTrim, Needs::kWritable, ioctl_file_level_trim},
    {Fsctl::kDuplicateExtentsToFile, Needs::kWritable, ioctl_duplicate_extents,
     duplicate_extents_source},
    {Fsctl::kDuplicateExtentsToFileEx, Needs::kWritable, ioctl_duplicate_extents,
     duplicate_extents_source},
    {Fsctl::kGetCompression, Needs::kFile, ioctl_get_compression},
    {Fsctl::kSetCompression, Needs::kWritable, ioctl_set_compression},
    {Fsctl::kGetReparsePoint, Needs::kFile, ioctl_get_reparse_point},
    {Fsctl::kSetReparsePoint, Needs::kWritable, ioctl_set_reparse_point},
    {Fsctl::kLmrRequestResiliency, Needs::kFile, ioctl_request_resiliency},
    {Fsctl::kDeleteReparsePoint, Needs::kWritable, ioctl_delete_reparse_point},
    {Fsctl::kOffloadRead, Needs::kFile, ioctl_offload_read},
    {Fsctl::kOffloadWrite, Needs::kWritable, ioctl_offload_write, offload_write_source},
    {Fsctl::kGetIntegrityInformation, Needs::kFile, ioctl_get_integrity},
    {Fsctl::kSetIntegrityInformation, Needs::kWritable, ioctl_set_integrity},
    {Fsctl::kQueryFileRegions, Needs::kFile, ioctl_query_file_regions},
    {Fsctl::kGetNtfsVolumeData, Needs::kFile, ioctl_get_ntfs_volume_data},
    {Fsctl::kReadFileUsnData, Needs::kFile, ioctl_read_file_usn_data},
    {Fsctl::kRefsStreamSnapshotManagement, Needs::kFile, ioctl_refs_stream_snapshot},
    {Fsctl::kSrvEnumerateSnapshots, Needs::kFile, ioctl_enumerate_snapshots},
};

constexpr Row kTestRows[] = {
    {Fsctl::kTestPadIoctlResponse, Needs::kNothing, ioctl_test_pad_response},
    {Fsctl::kTestPadReadResponses, Needs::kNothing, ioctl_test_pad_reads},
    {Fsctl::kTestSleep, Needs::kFile, ioctl_test_sleep},
};

const Row* find_row(std::span<const Row> rows, Fsctl code) {
  const auto found = std::ranges::find(rows, code, &Row::code);
  return found == rows.end() ? nullptr : &*found;
}

// Whether it may not be done twice or late. [MS-SMB2] 3.3.5.2.10 fails every IOCTL; one that only
// reads does no harm in any order.
bool changes_something(const Row& row) {
  return row.needs == Needs::kWritable || row.code == Fsctl::kPipeTransceive ||
         row.code == Fsctl::kCreateOrGetObjectId ||
         row.code == Fsctl::kLmrRequestResiliency;  // the open itself
}

struct Asked {
  wire::IoctlRequest ioctl;
  const Row* row;  // null: no FSCTL that is known here
};

// As far as it can be checked without the open.
Result<Asked> read_request(const Request& request) {
  wire::Reader reader = request.body();
  BRAID_TRY(const auto ioctl, wire::IoctlRequest::decode(reader));
  if (!ioctl.is_fsctl()) return fail(NtStatus::kNotSupported);
  const uint32_t transfer_max = request.connection->negotiated.max_transact_size;
  if (ioctl.input.size() > transfer_max || ioctl.max_output_response > transfer_max ||
      ioctl.max_input_response > transfer_max) {
    return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CHECK(request.check_credit_charge(
      ioctl.input.size(), uint64_t{ioctl.max_input_response} + ioctl.max_output_response));
  const Row* row = find_row(kRows, ioctl.ctl_code);
  if (!row && request.server.test_switches()) row = find_row(kTestRows, ioctl.ctl_code);
  return Asked{ioctl, row};
}

}  // namespace

Result<NamedOpens> ioctl_opens(const Request& request) {
  BRAID_TRY(const Asked asked, read_request(request));
  const auto& [ioctl, row] = asked;
  const bool names_open = ioctl.file_id != FileId::all_ones() || request.header.is_related();
  NamedOpens named;
  if (row ? row->needs != Needs::kNothing : names_open) named.open = ioctl.file_id;
  if (row && row->source) named.source = row->source(ioctl);
  named.changes = row && changes_something(*row);
  return named;
}

Task<Result<Reply>> handle_ioctl(Request& request) {
  BRAID_CO_TRY(const Asked asked, read_request(request));
  const auto& [ioctl, row] = asked;
  if (!row) {
    // [MS-SMB2] 3.3.5.15 and 3.3.5.15.8: nothing below us takes it either.
    co_return fail(request.tree_connect->is_pipe() ? NtStatus::kFsDriverRequired
                                                   : NtStatus::kInvalidDeviceRequest);
  }
  if (row->needs >= Needs::kFile && request.open->is_pipe()) {
    co_return fail(NtStatus::kInvalidDeviceRequest);
  }
  if (row->needs == Needs::kWritable && request.tree_connect->share->read_only) {
    co_return fail(NtStatus::kMediaWriteProtected);
  }
  BRAID_CO_TRY(auto answer, co_await row->handler(request, ioctl));
  if (row->needs == Needs::kWritable && request.open && answer.status == NtStatus::kSuccess) {
    // Whatever it has changed, and however many bytes of it the answer tells of.
    if (const auto done = write_through(*request.open, vfs::Durability::kDataAndMetadata); !done) {
      co_return std::unexpected(done.error());
    }
  }
  wire::IoctlResponse response;
  response.ctl_code = ioctl.ctl_code;
  response.file_id = ioctl.file_id;
  if (request.open) response.file_id = request.open->file_id;
  response.output = answer.output;
  response.padding = answer.padding;
  co_return reply_with(response, answer.status);
}

}  // namespace braid::smb2

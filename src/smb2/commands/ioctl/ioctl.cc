// [MS-SMB2] 3.3.5.15 "Receiving an SMB2 IOCTL Request".
#include "wire/smb2/ioctl.h"

#include <algorithm>
#include <span>

#include "smb2/commands/commands.h"
#include "smb2/commands/given.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/error_status.h"
#include "smb2/connections/compound.h"
#include "smb2/connections/connection.h"
#include "smb2/opens/sync.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

using wire::Fsctl;

// [MS-SMB2] 3.3.5.2.10 fails every IOCTL that comes late or twice; here it is those that change
// something, as one that only reads does no harm in any order.
struct Row {
  Fsctl code;
  Conduct conduct;
  IoctlHandler handler;
  Given<IoctlSource> source;
};
constexpr IoctlSource kNoSource = nullptr;

// clang-format off
constexpr Row kRows[] = {
  {Fsctl::kValidateNegotiateInfo,        {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_validate_negotiate_info,      kNoSource},
  {Fsctl::kPipeTransceive,               {Target::kFileOrPipe, Changes::kOpen,    Waits::kForEverOnPipe}, ioctl_pipe_transceive,              kNoSource},
  {Fsctl::kPipePeek,                     {Target::kFileOrPipe, Changes::kNothing, Waits::kNever},         ioctl_pipe_peek,                    kNoSource},
  {Fsctl::kPipeWait,                     {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_pipe_wait,                    kNoSource},
  {Fsctl::kDfsGetReferrals,              {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_dfs_get_referrals,            kNoSource},
  {Fsctl::kDfsGetReferralsEx,            {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_dfs_get_referrals,            kNoSource},
  {Fsctl::kQueryNetworkInterfaceInfo,    {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_query_network_interface_info, kNoSource},
  {Fsctl::kCreateOrGetObjectId,          {Target::kFileOnly,   Changes::kOpen,    Waits::kNever},         ioctl_get_object_id,                kNoSource},
  {Fsctl::kGetObjectId,                  {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_get_object_id,                kNoSource},
  {Fsctl::kSetObjectId,                  {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_object_id,                kNoSource},
  {Fsctl::kSetObjectIdExtended,          {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_object_id,                kNoSource},
  {Fsctl::kDeleteObjectId,               {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_object_id,                kNoSource},
  {Fsctl::kSrvRequestResumeKey,          {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_request_resume_key,           kNoSource},
  {Fsctl::kSrvCopychunk,                 {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_copychunk,                    copychunk_source},
  {Fsctl::kSrvCopychunkWrite,            {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_copychunk,                    copychunk_source},
  {Fsctl::kSetSparse,                    {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_sparse,                   kNoSource},
  {Fsctl::kSetZeroData,                  {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_set_zero_data,                kNoSource},
  {Fsctl::kQueryAllocatedRanges,         {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_query_allocated_ranges,       kNoSource},
  {Fsctl::kFileLevelTrim,                {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_file_level_trim,              kNoSource},
  {Fsctl::kDuplicateExtentsToFile,       {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_duplicate_extents,            duplicate_extents_source},
  {Fsctl::kDuplicateExtentsToFileEx,     {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_duplicate_extents,            duplicate_extents_source},
  {Fsctl::kGetCompression,               {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_get_compression,              kNoSource},
  {Fsctl::kSetCompression,               {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_compression,              kNoSource},
  {Fsctl::kGetReparsePoint,              {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_get_reparse_point,            kNoSource},
  {Fsctl::kSetReparsePoint,              {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_reparse_point,            kNoSource},
  {Fsctl::kLmrRequestResiliency,         {Target::kFileOnly,   Changes::kOpen,    Waits::kNever},         ioctl_request_resiliency,           kNoSource},
  {Fsctl::kDeleteReparsePoint,           {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_delete_reparse_point,         kNoSource},
  {Fsctl::kOffloadRead,                  {Target::kFileOnly,   Changes::kNothing, Waits::kBounded},       ioctl_offload_read,                 kNoSource},
  {Fsctl::kOffloadWrite,                 {Target::kFileOnly,   Changes::kFile,    Waits::kBounded},       ioctl_offload_write,                offload_write_source},
  {Fsctl::kGetIntegrityInformation,      {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_get_integrity,                kNoSource},
  {Fsctl::kSetIntegrityInformation,      {Target::kFileOnly,   Changes::kFile,    Waits::kNever},         ioctl_set_integrity,                kNoSource},
  {Fsctl::kQueryFileRegions,             {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_query_file_regions,           kNoSource},
  {Fsctl::kGetNtfsVolumeData,            {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_get_ntfs_volume_data,         kNoSource},
  {Fsctl::kReadFileUsnData,              {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_read_file_usn_data,           kNoSource},
  {Fsctl::kRefsStreamSnapshotManagement, {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_refs_stream_snapshot,         kNoSource},
  {Fsctl::kSrvEnumerateSnapshots,        {Target::kFileOnly,   Changes::kNothing, Waits::kNever},         ioctl_enumerate_snapshots,          kNoSource},
};

constexpr Row kTestRows[] = {
  {Fsctl::kTestPadIoctlResponse,         {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_test_pad_response,            kNoSource},
  {Fsctl::kTestPadReadResponses,         {Target::kNone,       Changes::kNothing, Waits::kNever},         ioctl_test_pad_reads,               kNoSource},
  {Fsctl::kTestSleep,                    {Target::kFileOnly,   Changes::kNothing, Waits::kBounded},       ioctl_test_sleep,                   kNoSource},
};
// clang-format on

const Row* find_row(std::span<const Row> rows, Fsctl code) {
  const auto found = std::ranges::find(rows, code, &Row::code);
  return found == rows.end() ? nullptr : &*found;
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
  if (row ? row->conduct.target != Target::kNone : names_open) named.open = ioctl.file_id;
  if (row && row->source.value) named.source = row->source.value(ioctl);
  if (row) named.conduct = &row->conduct;
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
  BRAID_CO_CHECK(request.check_may_change(row->conduct.changes));
  BRAID_CO_TRY(auto answer, co_await row->handler(request, ioctl));
  if (row->conduct.changes == Changes::kFile && request.open &&
      answer.status == NtStatus::kSuccess) {
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

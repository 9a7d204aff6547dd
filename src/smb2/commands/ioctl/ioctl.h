// The FSCTLs, each in a file of its own or with its kin.
#pragma once

#include <optional>
#include <span>

#include "base/bytes.h"
#include "filestate/types.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "wire/smb2/ioctl.h"

namespace braid::smb2 {

struct IoctlAnswer {
  Bytes output;
  NtStatus status = NtStatus::kSuccess;
  size_t padding = 0;  // before the output, see IoctlResponse
};
// Starts on a thread of the worker pool, with request.open found where the FSCTL needs it.
using IoctlHandler = Task<Result<IoctlAnswer>> (*)(Request&, const wire::IoctlRequest&);

Task<Result<IoctlAnswer>> ioctl_validate_negotiate_info(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_pipe_transceive(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_pipe_peek(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_pipe_wait(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_query_network_interface_info(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_dfs_get_referrals(Request&, const wire::IoctlRequest&);

// Only with ServerParts::test_switches.
Task<Result<IoctlAnswer>> ioctl_test_pad_response(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_test_pad_reads(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_test_sleep(Request&, const wire::IoctlRequest&);

// Those below are of files and directories: the table keeps pipes away from them, and those that
// change something away from read-only shares.
Task<Result<IoctlAnswer>> ioctl_get_object_id(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_set_object_id(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_request_resume_key(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_copychunk(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_set_sparse(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_set_zero_data(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_query_allocated_ranges(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_file_level_trim(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_duplicate_extents(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_get_compression(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_set_compression(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_get_reparse_point(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_set_reparse_point(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_delete_reparse_point(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_offload_read(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_offload_write(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_get_integrity(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_set_integrity(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_query_file_regions(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_get_ntfs_volume_data(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_read_file_usn_data(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_refs_stream_snapshot(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_enumerate_snapshots(Request&, const wire::IoctlRequest&);
Task<Result<IoctlAnswer>> ioctl_request_resiliency(Request&, const wire::IoctlRequest&);

// The open that an FSCTL copies from, which then is request.source. Nothing: the input names none.
using IoctlSource = std::optional<FileId> (*)(const wire::IoctlRequest&);
std::optional<FileId> copychunk_source(const wire::IoctlRequest&);
std::optional<FileId> duplicate_extents_source(const wire::IoctlRequest&);
std::optional<FileId> offload_write_source(const wire::IoctlRequest&);

// Reads from request.source beside writing to request.open need the caching of both settled: kRead
// for the one, `operation` for the other; and look for locks of others on what is read and written,
// as far as it is known yet. Holds neither while it waits for a client, and only then;
// STATUS_FILE_CLOSED when one was closed meanwhile.
Task<Result<void>> prepare_copy(Request& request, filestate::Operation operation,
                                std::span<const filestate::IoRange> from = {},
                                std::span<const filestate::IoRange> to = {});

}  // namespace braid::smb2

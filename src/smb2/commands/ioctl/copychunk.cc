// [MS-SMB2] 3.3.5.15.5 "Handling a Source File Key Request" and 3.3.5.15.6 "Handling a Server-Side
// Data Copy Request".
#include "wire/smb2/srv_copychunk.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "smb2/commands/file_offset.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/error_status.h"
#include "smb2/common/limits.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;

// A key only works in the session that asked for it, where the FileId is no secret.
wire::ResumeKey key_of(const FileId& id) {
  wire::ResumeKey key{};
  std::memcpy(key.data(), &id.persistent, sizeof id.persistent);
  std::memcpy(key.data() + sizeof id.persistent, &id.volatile_id, sizeof id.volatile_id);
  return key;
}

std::optional<FileId> file_id_of(const wire::ResumeKey& key) {
  FileId id;
  std::memcpy(&id.persistent, key.data(), sizeof id.persistent);
  std::memcpy(&id.volatile_id, key.data() + sizeof id.persistent, sizeof id.volatile_id);
  if (key_of(id) != key) return std::nullopt;  // what follows the FileId is zero
  return id;
}

IoctlAnswer answer_with(const wire::SrvCopychunkResponse& response, NtStatus status) {
  IoctlAnswer answer{.status = status};
  wire::Writer writer(answer.output);
  response.encode(writer);
  return answer;
}

// 3.3.5.15.6.2 "Sending an Invalid Parameter Server-Side Copy Response"
IoctlAnswer limits() {
  return answer_with({kCopychunkCountMax, kCopychunkSizeMax, kCopychunkTotalMax},
                     NtStatus::kInvalidParameter);
}

bool within_limits(const wire::SrvCopychunkCopy& copy) {
  if (copy.chunks.size() > kCopychunkCountMax) return false;
  uint64_t total = 0;
  for (const wire::SrvCopychunk& chunk : copy.chunks) {
    if (chunk.length == 0 || chunk.length > kCopychunkSizeMax) return false;
    if (chunk.target_offset > kOffsetMax - chunk.length) return false;
    if (chunk.source_offset > kOffsetMax - chunk.length) return false;
    total += chunk.length;
  }
  return total <= kCopychunkTotalMax;
}

NtStatus check_locks(FileServices& files, const Open& source, const Open& target,
                     const wire::SrvCopychunk& chunk) {
  const NtStatus read =
      files.file_table.check_io(source.ref(), chunk.source_offset, chunk.length, false);
  if (read != NtStatus::kSuccess) return read;
  return files.file_table.check_io(target.ref(), chunk.target_offset, chunk.length, true);
}

// Bytes copied of the chunk go into `copied`, also when it fails half way.
Result<void> copy_chunk(Open& source, Open& target, const wire::SrvCopychunk& chunk,
                        uint64_t& copied) {
  BRAID_TRY(const auto attributes, source.file->stat());
  if (chunk.source_offset + chunk.length > attributes.size) {
    return fail(NtStatus::kInvalidViewSize);
  }
  const vfs::Progress done =
      target.file->copy_range(*source.file, chunk.source_offset, chunk.target_offset, chunk.length);
  copied = done.done();
  BRAID_CHECK(done);
  if (copied < chunk.length) return fail(NtStatus::kInvalidViewSize);  // it shrank meanwhile
  return {};
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_request_resume_key(Request& request,
                                                   const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < wire::SrvRequestResumeKeyResponse::kSize) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  wire::SrvRequestResumeKeyResponse{key_of(request.open->file_id)}.encode(writer);
  co_return answer;
}

std::optional<FileId> copychunk_source(const wire::IoctlRequest& ioctl) {
  wire::ResumeKey key;
  if (ioctl.input.size() < key.size()) return std::nullopt;
  std::memcpy(key.data(), ioctl.input.data(), key.size());
  return file_id_of(key);
}

Task<Result<IoctlAnswer>> ioctl_copychunk(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.max_output_response < wire::SrvCopychunkResponse::kSize) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  wire::Reader reader(ioctl.input);
  auto copy = wire::SrvCopychunkCopy::decode(reader);
  if (!copy) co_return limits();
  const OpenUse& source = request.source;
  if (!source) co_return fail(NtStatus::kObjectNameNotFound);
  if (source->is_pipe() || !within_limits(*copy)) co_return limits();

  if (source->attributes.is_directory || request.open->attributes.is_directory) {
    co_return fail(NtStatus::kInvalidDeviceRequest);
  }
  // As for READ, the right to execute is one to read; of the target Windows wants the right itself.
  if (!source->has_access(Access::kFileReadData | Access::kFileExecute) ||
      !request.open->has_access(Access::kFileWriteData | Access::kFileAppendData) ||
      (ioctl.ctl_code == wire::Fsctl::kSrvCopychunk &&
       !request.open->has_access(Access::kFileReadData))) {
    co_return fail(NtStatus::kAccessDenied);
  }
  std::vector<filestate::IoRange> from, to;
  for (const wire::SrvCopychunk& chunk : copy->chunks) {
    from.push_back({chunk.source_offset, chunk.length});
    to.push_back({chunk.target_offset, chunk.length});
  }
  if (const auto begun = co_await prepare_copy(request, filestate::Operation::kWrite, from, to);
      !begun) {
    if (begun.error().status() == NtStatus::kFileLockConflict) {
      co_return answer_with({}, NtStatus::kFileLockConflict);
    }
    co_return std::unexpected(begun.error());
  }
  FileServices& files = request.files;
  Open& target = *request.open;

  // One of a file's writers at a time, as for WRITE.
  const auto next_writer = [&] {
    return files.writers.take(target.attributes.file_key, request.seat, request.seat.owner().user);
  };
  BRAID_CO_CHECK(co_await request.seat.turn());
  auto turn = co_await next_writer();
  BRAID_CO_CHECK(request.seat.check_wanted());
  wire::SrvCopychunkResponse response;
  NtStatus status = NtStatus::kSuccess;
  uint64_t in_turn = 0;
  bool tried = false;
  for (const wire::SrvCopychunk& chunk : copy->chunks) {
    // Others may have locked it since.
    status = check_locks(files, *source, target, chunk);
    if (status != NtStatus::kSuccess) break;
    uint64_t copied = 0;
    tried = true;
    const auto done = copy_chunk(*source, target, chunk, copied);
    response.total_bytes_written += static_cast<uint32_t>(copied);
    if (!done) {
      response.chunk_bytes_written = static_cast<uint32_t>(copied);
      status = to_status(done.error());
      break;
    }
    ++response.chunks_written;
    in_turn += copied;
    if (in_turn < kBytesPerTurn) continue;
    in_turn = 0;
    turn.end();
    if (const auto go_on = co_await request.seat.next_turn(); !go_on) {
      status = to_status(go_on.error());
      break;
    }
    turn = co_await next_writer();
  }
  // Within one file some of what is not counted may be written.
  const bool within_one = source->attributes.file_key == target.attributes.file_key;
  if (response.total_bytes_written > 0 || (within_one && tried)) note_written(files, target);
  co_return answer_with(response, status);
}

Task<Result<void>> prepare_copy(Request& request, filestate::Operation operation,
                                std::span<const filestate::IoRange> from,
                                std::span<const filestate::IoRange> to) {
  std::swap(request.open, request.source);
  const auto prepared = co_await begin_io(request, filestate::Operation::kRead, from);
  std::swap(request.open, request.source);
  BRAID_CO_CHECK(prepared);
  co_return co_await begin_io(request, operation, to);
}

}  // namespace braid::smb2

// [MS-FSA] 2.1.5.10.20 "FSCTL_OFFLOAD_READ" and 2.1.5.10.21 "FSCTL_OFFLOAD_WRITE": copies within
// the server, between all its shares.
#include "wire/smb2/offload.h"

#include <algorithm>

#include "smb2/commands/file_offset.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/connections/pieces.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "smb2/shares/offload_token.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::OffloadReadInput;
using wire::OffloadReadOutput;
using wire::OffloadWriteInput;
using wire::OffloadWriteOutput;
using wire::StorageOffloadToken;

// LogicalBytesPerSector, of which offsets and lengths are multiples.
constexpr uint64_t kSector = 512;

bool is_aligned(uint64_t value) { return value % kSector == 0; }
uint64_t aligned(uint64_t value) { return (value + kSector - 1) / kSector * kSector; }

// Ranges of such files do not lie on the disk as they are read.
bool is_ordinary(const Open& open, const vfs::Attributes& now) {
  return !open.attributes.is_directory &&
         !(now.dos_attributes & (vfs::dos::kSparse | vfs::dos::kCompressed));
}

// A change of one stream is a change of the file.
bool is_same_node(const FileKey& a, const FileKey& b) {
  return a.device == b.device && a.inode == b.inode;
}

template <class Output>
IoctlAnswer answer_with(const Output& output) {
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  output.encode(writer);
  return answer;
}

// The open a token is of, which is request.source, as it was when the token was made.
Result<void> check_source(const Request& request, const OffloadToken& token) {
  if (token.session_id != request.session->session_id ||
      token.expires < request.files.clock.now()) {
    return fail(NtStatus::kInvalidToken);
  }
  const OpenUse& open = request.source;
  if (!open || open->is_pipe() || open->attributes.is_directory) {
    return fail(NtStatus::kInvalidToken);
  }
  if (!open->has_access(Access::kFileReadData | Access::kFileExecute)) {
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

// The kernel's change times are as fine as its ticks, 10 ms at most. Within this of one a further
// change may leave the time as it is.
constexpr std::chrono::milliseconds kTick{20};
// How often it is waited for a file that changes all the time.
constexpr int kWaitsMax = 5;

bool is_settled(FileTime changed, FileTime now) {
  constexpr uint64_t kTicks = kTick.count() * (kTicksPerSecond / 1000);
  const uint64_t apart =
      now.ticks > changed.ticks ? now.ticks - changed.ticks : changed.ticks - now.ticks;
  return apart > kTicks;
}

// The file's attributes once every further change shows in its change time.
// STATUS_OFFLOAD_READ_FILE_NOT_SUPPORTED: it is changed all the time.
Task<Result<vfs::Attributes>> settled_attributes(Request& request) {
  for (int waits = 0;; ++waits) {
    BRAID_CO_TRY(auto attributes, request.open->file->stat());
    if (is_settled(attributes.changed, request.files.clock.now())) co_return attributes;
    if (waits == kWaitsMax) co_return fail(NtStatus::kOffloadReadFileNotSupported);
    const std::shared_ptr<Open> open = request.open.get();
    request.open.release();
    Reactor& reactor = request.connection->reactor();
    co_await reactor.schedule();
    co_await reactor.sleep_for(kTick);
    request.open = Open::use(open);
    if (!request.open) co_return fail(NtStatus::kFileClosed);
    BRAID_CO_CHECK(co_await request.seat.turn());
  }
}

// STATUS_INVALID_TOKEN unless the file is as it was: a token is of the data as it was.
Result<void> check_unchanged(const Open& source, const OffloadToken& token) {
  BRAID_TRY(const auto now, source.file->stat());
  const bool is_as_it_was = now.size == token.file_size && now.changed == token.changed;
  return is_as_it_was ? Result<void>{} : fail(NtStatus::kInvalidToken);
}

// How many of `length` bytes at `from` are data; what follows is beyond the end, and zeros.
uint64_t data_within(const OffloadToken& token, uint64_t from, uint64_t length) {
  return from < token.file_size ? std::min(length, token.file_size - from) : 0;
}

// Copies what is at `from` of the source to `range` of another file. What was copied counts only if
// the token is found good once more after it.
Result<void> copy(const Open& source, const OffloadToken& token, uint64_t from, const Open& target,
                  const vfs::Range& range) {
  BRAID_CHECK(check_unchanged(source, token));
  const uint64_t data = data_within(token, from, range.length);
  if (data > 0) {
    BRAID_TRY(const uint64_t copied,
              target.file->copy_range(*source.file, from, range.offset, data));
    if (copied < data) return fail(NtStatus::kInvalidToken);  // it shrank meanwhile
  }
  return target.file->zero_range({range.offset + data, range.length - data});
}

// The same within one file, or between two streams of it, where the first byte that is written ends
// the token: all is read before that, and the token is judged in between. The ranges may overlap.
Result<void> copy_within(const Open& source, const OffloadToken& token, uint64_t from,
                         const Open& target, const vfs::Range& range) {
  Buffer bytes(range.length);
  const uint64_t data = data_within(token, from, range.length);
  for (uint64_t done = 0; done < data;) {
    BRAID_TRY(const size_t got,
              source.file->read(from + done, bytes.view().subspan(done, data - done)));
    if (got == 0) return fail(NtStatus::kInvalidToken);  // it shrank meanwhile
    done += got;
  }
  std::ranges::fill(bytes.view().subspan(data), uint8_t{0});
  BRAID_CHECK(check_unchanged(source, token));
  BRAID_CHECK(target.file->write(range.offset, bytes.view()));
  return {};
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_offload_read(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.input.size() < OffloadReadInput::kSize ||
      ioctl.max_output_response < OffloadReadOutput::kSize) {
    co_return fail(NtStatus::kBufferTooSmall);
  }
  wire::Reader reader(ioctl.input);
  BRAID_CO_TRY(const auto input, OffloadReadInput::decode(reader));
  if (!is_aligned(input.file_offset) || !is_aligned(input.copy_length) ||
      input.file_offset > kOffsetMax || input.copy_length > kOffsetMax - input.file_offset) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  const StorageOffloadToken zeros{.type = StorageOffloadToken::kZeroData};
  if (input.copy_length == 0) co_return answer_with(OffloadReadOutput{.token = zeros});
  if (!request.open->has_access(Access::kFileReadData | Access::kFileExecute)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kRead));
  BRAID_CO_TRY(const auto now, co_await settled_attributes(request));
  Open& open = *request.open;
  if (!is_ordinary(open, now)) co_return fail(NtStatus::kOffloadReadFileNotSupported);
  if (const NtStatus conflict = request.files.file_table.check_io(open.ref(), input.file_offset,
                                                                  input.copy_length, false);
      conflict != NtStatus::kSuccess) {
    co_return fail(conflict);
  }
  if (input.file_offset >= now.size) co_return fail(NtStatus::kEndOfFile);

  OffloadReadOutput output{.transfer_length = input.copy_length};
  if (input.copy_length >= now.size - input.file_offset) {
    output.transfer_length = aligned(now.size - input.file_offset);
    output.flags = OffloadReadOutput::kAllZeroBeyondCurrentRange;
  }
  const std::chrono::milliseconds asked(input.token_time_to_live_ms);
  const auto lifetime = asked.count() == 0
                            ? std::chrono::milliseconds(kOffloadTokenLifetime)
                            : std::min<std::chrono::milliseconds>(asked, kOffloadTokenLifetimeMax);
  output.token =
      OffloadToken{.session_id = request.session->session_id,
                   .file_id = open.file_id,
                   .offset = input.file_offset,
                   .length = output.transfer_length,
                   .file_size = now.size,
                   .changed = now.changed,
                   .expires = {request.files.clock.now().ticks +
                               static_cast<uint64_t>(lifetime.count()) * (kTicksPerSecond / 1000)}}
          .encode();
  co_return answer_with(output);
}

std::optional<FileId> offload_write_source(const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  const auto input = OffloadWriteInput::decode(reader);
  if (!input) return std::nullopt;
  const auto token = OffloadToken::decode(input->token);
  if (!token) return std::nullopt;
  return token->file_id;
}

Task<Result<IoctlAnswer>> ioctl_offload_write(Request& request, const wire::IoctlRequest& ioctl) {
  if (ioctl.input.size() < OffloadWriteInput::kSize ||
      ioctl.max_output_response < OffloadWriteOutput::kSize) {
    co_return fail(NtStatus::kBufferTooSmall);
  }
  wire::Reader reader(ioctl.input);
  BRAID_CO_TRY(const auto input, OffloadWriteInput::decode(reader));
  if (!is_aligned(input.file_offset) || !is_aligned(input.copy_length) ||
      !is_aligned(input.transfer_offset) || input.file_offset > kOffsetMax ||
      input.copy_length > kOffsetMax - input.file_offset) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  if (!request.open->has_access(Access::kFileWriteData)) co_return fail(NtStatus::kAccessDenied);
  if (input.copy_length == 0) co_return answer_with(OffloadWriteOutput{});

  OffloadWriteOutput output{.length_written = input.copy_length};
  const bool is_zeros = input.token.type == StorageOffloadToken::kZeroData;
  OffloadToken token;
  const OpenUse& source = request.source;
  if (is_zeros) {
    BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kZeroData));
  } else {
    BRAID_CO_TRY(token, OffloadToken::decode(input.token));
    if (input.transfer_offset >= token.length) co_return fail(NtStatus::kInvalidParameter);
    output.length_written =
        std::min({input.copy_length, token.length - input.transfer_offset, kOffloadWriteMax});
    BRAID_CO_CHECK(check_source(request, token));
    BRAID_CO_CHECK(co_await prepare_copy(request, filestate::Operation::kWrite));
    BRAID_CO_CHECK(check_unchanged(*source, token));
    const uint64_t from = token.offset + input.transfer_offset;
    if (const NtStatus conflict =
            request.files.file_table.check_io(source->ref(), from, output.length_written, false);
        conflict != NtStatus::kSuccess) {
      co_return fail(conflict);
    }
  }
  FileServices& files = request.files;
  Open& target = *request.open;
  BRAID_CO_TRY(const auto now, target.file->stat());
  if (!is_ordinary(target, now)) co_return fail(NtStatus::kOffloadWriteFileNotSupported);
  if (const NtStatus conflict =
          files.file_table.check_io(target.ref(), input.file_offset, output.length_written, true);
      conflict != NtStatus::kSuccess) {
    co_return fail(conflict);
  }
  // A storage device knows no files: what is written beyond the end does not show.
  if (input.file_offset >= now.size) co_return fail(NtStatus::kEndOfFile);
  uint64_t length = std::min(output.length_written, now.size - input.file_offset);
  const uint64_t from = token.offset + input.transfer_offset;
  const bool within_one =
      !is_zeros && is_same_node(source->attributes.file_key, target.attributes.file_key);
  if (within_one && length > kBytesPerTurn) {
    // The client could not get the rest any more where the part that is written lies in it.
    const bool overlaps = source->attributes.file_key == target.attributes.file_key &&
                          input.file_offset < from + length && from < input.file_offset + length;
    if (overlaps) co_return fail(NtStatus::kInvalidToken);
    length = output.length_written = kBytesPerTurn;
  }
  const auto write = [&](const vfs::Range& piece) -> Result<void> {
    // Others may have locked it between two pieces.
    if (const NtStatus conflict =
            files.file_table.check_io(target.ref(), piece.offset, piece.length, true);
        conflict != NtStatus::kSuccess) {
      return fail(conflict);
    }
    if (is_zeros) return target.file->zero_range(piece);
    const auto copies = within_one ? copy_within : copy;
    return copies(*source, token, from + (piece.offset - input.file_offset), target, piece);
  };
  auto done = co_await in_pieces(request, {input.file_offset, length}, write);
  if (done && !is_zeros && !within_one) done = check_unchanged(*source, token);
  note_written(files, target);
  if (!done) co_return std::unexpected(done.error());
  co_return answer_with(output);
}

}  // namespace braid::smb2

// [MS-FSA] 2.1.5.10.38 "FSCTL_SET_SPARSE", 2.1.5.10.39 "FSCTL_SET_ZERO_DATA", 2.1.5.10.22
// "FSCTL_QUERY_ALLOCATED_RANGES", 2.1.5.10.6 "FSCTL_FILE_LEVEL_TRIM".
#include <algorithm>

#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/limits.h"
#include "smb2/connections/pieces.h"
#include "smb2/files/file_services.h"
#include "smb2/files/operation.h"
#include "smb2/files/report.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/file_ranges.h"

namespace braid::smb2 {
namespace {

using wire::Access;

// What is trimmed at least, and in multiples of.
constexpr uint64_t kPageSize = 4096;

Result<void> check_locks(Request& request, const vfs::Range& range) {
  const NtStatus conflict =
      request.files.file_table.check_io(request.open->ref(), range.offset, range.length, true);
  return conflict == NtStatus::kSuccess ? Result<void>{} : fail(conflict);
}

// Zeroes a range that begin_io() let begin, as far as it was until somebody locked it meanwhile.
// `size`: of the file, which does not grow.
Task<Result<void>> zero(Request& request, vfs::Range range, uint64_t size) {
  if (range.length == 0) co_return Result<void>{};
  FileServices& files = request.files;
  Open& open = *request.open;
  range.length = range.offset < size ? std::min(range.length, size - range.offset) : 0;
  const auto done =
      co_await in_pieces(request, range, [&request, &open](vfs::Range piece) -> Result<void> {
        BRAID_CHECK(check_locks(request, piece));
        return open.file->zero_range(piece);
      });
  note_written(files, open);
  co_return done;
}

// The first `max` allocated ranges within `within`.
Task<Result<std::vector<vfs::Range>>> allocated_ranges(Request& request, vfs::Range within,
                                                       size_t max) {
  std::vector<vfs::Range> ranges;
  const uint64_t end = within.offset + within.length;
  for (;;) {
    const size_t asked = std::min(max - ranges.size(), kRangesPerTurn);
    BRAID_CO_TRY(const auto some, request.open->file->allocated_ranges(within, asked));
    ranges.insert(ranges.end(), some.begin(), some.end());
    if (some.size() < asked || ranges.size() >= max) break;
    within.offset = some.back().offset + some.back().length;
    if (within.offset >= end) break;
    within.length = end - within.offset;
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
  co_return ranges;
}

bool is_within_files(const wire::FileLevelTrimRange& range) {
  return range.offset <= kSizeMax && range.length <= kSizeMax - range.offset;
}

// The whole pages inside the range that are also inside the file.
vfs::Range whole_pages(const wire::FileLevelTrimRange& range, uint64_t size) {
  if (range.offset >= size) return {};
  const uint64_t end = range.offset + std::min(range.length, size - range.offset);
  const uint64_t first = (range.offset + kPageSize - 1) / kPageSize * kPageSize;
  const uint64_t last = end / kPageSize * kPageSize;
  return first < last ? vfs::Range{first, last - first} : vfs::Range{};
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_set_sparse(Request& request, const wire::IoctlRequest& ioctl) {
  Open& open = *request.open;
  if (open.attributes.is_directory) co_return fail(NtStatus::kInvalidParameter);
  if (!open.has_access(Access::kFileWriteData | Access::kFileAppendData |
                       Access::kFileWriteAttributes)) {
    co_return fail(NtStatus::kAccessDenied);
  }
  // [MS-FSCC] 2.3.83: without a buffer the file becomes sparse.
  const bool sparse = ioctl.input.empty() || ioctl.input[0] != 0;
  vfs::File& file = open.whole_file();
  BRAID_CO_TRY(const auto now, file.stat());
  const bool is_sparse = (now.dos_attributes & vfs::dos::kSparse) != 0;
  if (sparse != is_sparse) {
    const vfs::DosChange change(sparse ? vfs::dos::kSparse : 0, vfs::dos::kSparse);
    BRAID_CO_CHECK(file.change({.dos_attributes = change}));
    report_modified(request.files, open, wire::CompletionFilter::kAttributes);
  }
  co_return IoctlAnswer{};
}

Task<Result<IoctlAnswer>> ioctl_set_zero_data(Request& request, const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  BRAID_CO_TRY(const auto zeros, wire::FileZeroDataInformation::decode(reader));
  if (zeros.file_offset < 0 || zeros.beyond_final_zero < zeros.file_offset ||
      request.open->attributes.is_directory) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  if (!request.open->has_access(Access::kFileWriteData)) co_return fail(NtStatus::kAccessDenied);
  const auto offset = static_cast<uint64_t>(zeros.file_offset);
  const auto end = static_cast<uint64_t>(zeros.beyond_final_zero);
  const filestate::IoRange range{offset, end - offset};
  BRAID_CO_CHECK(co_await begin_io(request, filestate::Operation::kZeroData,
                                   {&range, range.length == 0 ? 0u : 1u}));
  BRAID_CO_TRY(const auto attributes, request.open->file->stat());
  BRAID_CO_CHECK(co_await zero(request, {offset, end - offset}, attributes.size));
  co_return IoctlAnswer{};
}

Task<Result<IoctlAnswer>> ioctl_query_allocated_ranges(Request& request,
                                                       const wire::IoctlRequest& ioctl) {
  using Element = wire::FileAllocatedRangeBuffer;
  wire::Reader reader(ioctl.input);
  BRAID_CO_TRY(const auto asked, Element::decode(reader));
  const Open& open = *request.open;
  if (asked.file_offset < 0 || asked.length < 0 || asked.length > INT64_MAX - asked.file_offset ||
      open.attributes.is_directory) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  if (!open.has_access(Access::kFileReadData)) co_return fail(NtStatus::kAccessDenied);
  BRAID_CO_TRY(const auto attributes, open.file->stat());
  const auto offset = static_cast<uint64_t>(asked.file_offset);
  if (asked.length == 0 || offset >= attributes.size) co_return IoctlAnswer{};
  if (ioctl.max_output_response < Element::kSize) co_return fail(NtStatus::kBufferTooSmall);
  const uint64_t length = std::min<uint64_t>(asked.length, attributes.size - offset);

  const size_t room = ioctl.max_output_response / Element::kSize;
  std::vector<vfs::Range> ranges{{offset, length}};
  // Holes of a file that was not declared sparse are not told: its client does not expect any.
  if (attributes.dos_attributes & vfs::dos::kSparse) {
    BRAID_CO_TRY(ranges, co_await allocated_ranges(request, {offset, length}, room + 1));
  }
  IoctlAnswer answer;
  if (ranges.size() > room) {
    ranges.resize(room);
    answer.status = NtStatus::kBufferOverflow;
  }
  wire::Writer writer(answer.output);
  for (const vfs::Range& range : ranges) {
    Element{static_cast<int64_t>(range.offset), static_cast<int64_t>(range.length)}.encode(writer);
  }
  co_return answer;
}

Task<Result<IoctlAnswer>> ioctl_file_level_trim(Request& request, const wire::IoctlRequest& ioctl) {
  wire::Reader reader(ioctl.input);
  BRAID_CO_TRY(const auto trim, wire::FileLevelTrim::decode(reader));
  const uint32_t room = ioctl.max_output_response;
  if (trim.ranges.empty() || trim.ranges.size() > kTrimRangesMax || trim.key != 0 ||
      (room != 0 && room < sizeof(uint32_t)) || request.open->attributes.is_directory ||
      !std::ranges::all_of(trim.ranges, is_within_files)) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  if (!request.open->has_access(Access::kFileWriteData)) co_return fail(NtStatus::kAccessDenied);
  BRAID_CO_CHECK(co_await prepare_operation(request, filestate::Operation::kZeroData));
  Open& open = *request.open;
  BRAID_CO_TRY(const auto attributes, open.file->stat());
  // All are looked at before any is trimmed.
  std::vector<vfs::Range> trimmed;
  for (const wire::FileLevelTrimRange& range : trim.ranges) {
    const vfs::Range pages = whole_pages(range, attributes.size);
    if (pages.length == 0) continue;
    BRAID_CO_CHECK(check_locks(request, pages));
    trimmed.push_back(pages);
  }
  wire::FileLevelTrimOutput output;
  for (const vfs::Range& pages : trimmed) {
    BRAID_CO_CHECK(co_await zero(request, pages, attributes.size));
    if (++output.num_ranges_processed % kRangesPerTurn == 0) {
      BRAID_CO_CHECK(co_await request.seat.next_turn());
    }
  }
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  if (room != 0) output.encode(writer);
  co_return answer;
}

}  // namespace braid::smb2

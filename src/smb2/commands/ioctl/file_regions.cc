// [MS-FSA] 2.1.5.10.24 "FSCTL_QUERY_FILE_REGIONS".
#include <algorithm>

#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/common/limits.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

// [MS-FSCC] 2.3.55 and 2.3.56: FILE_REGION_INPUT, and FILE_REGION_OUTPUT with one region.
constexpr size_t kInputSize = 24;
constexpr size_t kOutputSize = 40;
constexpr uint32_t kValidCachedData = 0x00000001;

struct Region {
  uint64_t offset = 0;
  uint64_t length = kSizeMax;
};

Result<Region> region_in(ByteView input) {
  Region asked;
  if (input.empty()) return asked;
  if (input.size() < kInputSize) return fail(NtStatus::kBufferTooSmall);
  wire::Reader reader(input);
  asked.offset = reader.u64();
  asked.length = reader.u64();
  const uint32_t usage = reader.u32();
  if (asked.length == 0 || asked.offset > kSizeMax || asked.length > kSizeMax - asked.offset ||
      !(usage & kValidCachedData)) {
    return fail(NtStatus::kInvalidParameter);
  }
  return asked;
}

}  // namespace

// ValidDataLength is the size: what was never written reads as zeros, as valid as others.
Task<Result<IoctlAnswer>> ioctl_query_file_regions(Request& request,
                                                   const wire::IoctlRequest& ioctl) {
  if (request.open->attributes.is_directory) co_return fail(NtStatus::kInvalidParameter);
  BRAID_CO_TRY(const Region asked, region_in(ioctl.input));
  if (ioctl.max_output_response < kOutputSize) co_return fail(NtStatus::kBufferTooSmall);
  BRAID_CO_TRY(const auto now, request.open->file->stat());
  if (asked.offset >= now.size && (asked.offset > 0 || now.size > 0)) co_return IoctlAnswer{};
  IoctlAnswer answer;
  wire::Writer writer(answer.output);
  writer.u32(0);  // Flags
  writer.u32(1);  // TotalRegionEntryCount
  writer.u32(1);  // RegionEntryCount
  writer.u32(0);
  writer.u64(asked.offset);
  writer.u64(std::min(asked.length, now.size - asked.offset));
  writer.u32(now.size == 0 ? 0 : kValidCachedData);
  writer.u32(0);
  co_return answer;
}

}  // namespace braid::smb2

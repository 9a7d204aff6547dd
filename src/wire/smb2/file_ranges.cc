#include "wire/smb2/file_ranges.h"

#include "wire/smb2/variable_part.h"

namespace braid::wire {

Result<FileLevelTrim> FileLevelTrim::decode(Reader& r) {
  constexpr uint64_t kRangeSize = 16;
  FileLevelTrim trim;
  trim.key = r.u32();
  Reader ranges(r.bytes(r.u32() * kRangeSize));
  while (ranges.remaining() > 0) {
    FileLevelTrimRange range;
    range.offset = ranges.u64();
    range.length = ranges.u64();
    trim.ranges.push_back(range);
  }
  return r.finish(std::move(trim));
}

void FileLevelTrim::encode(Writer& w) const {
  w.u32(key);
  w.u32(narrow_u32(ranges.size()));
  for (const FileLevelTrimRange& range : ranges) {
    w.u64(range.offset);
    w.u64(range.length);
  }
}

Result<FileLevelTrimOutput> FileLevelTrimOutput::decode(Reader& r) {
  return r.finish(FileLevelTrimOutput{r.u32()});
}
void FileLevelTrimOutput::encode(Writer& w) const { w.u32(num_ranges_processed); }

Result<FileZeroDataInformation> FileZeroDataInformation::decode(Reader& r) {
  FileZeroDataInformation zero;
  zero.file_offset = static_cast<int64_t>(r.u64());
  zero.beyond_final_zero = static_cast<int64_t>(r.u64());
  return r.finish(zero);
}

void FileZeroDataInformation::encode(Writer& w) const {
  w.u64(static_cast<uint64_t>(file_offset));
  w.u64(static_cast<uint64_t>(beyond_final_zero));
}

Result<FileAllocatedRangeBuffer> FileAllocatedRangeBuffer::decode(Reader& r) {
  FileAllocatedRangeBuffer range;
  range.file_offset = static_cast<int64_t>(r.u64());
  range.length = static_cast<int64_t>(r.u64());
  return r.finish(range);
}

void FileAllocatedRangeBuffer::encode(Writer& w) const {
  w.u64(static_cast<uint64_t>(file_offset));
  w.u64(static_cast<uint64_t>(length));
}

Result<QueryAllocatedRangesReply> QueryAllocatedRangesReply::decode(Reader& r) {
  QueryAllocatedRangesReply reply;
  r.expect(r.remaining() % FileAllocatedRangeBuffer::kSize == 0);
  while (r.remaining() > 0) {
    BRAID_TRY(auto range, FileAllocatedRangeBuffer::decode(r));
    reply.ranges.push_back(range);
  }
  return r.finish(std::move(reply));
}

void QueryAllocatedRangesReply::encode(Writer& w) const {
  for (const FileAllocatedRangeBuffer& range : ranges) range.encode(w);
}

}  // namespace braid::wire

#include "wire/fscc/stream_information.h"

#include "wire/fscc/entry_list.h"
#include "wire/fscc/name_io.h"

namespace braid::wire {

Result<std::vector<FileStreamInformation>> decode_streams(ByteView buffer) {
  std::vector<FileStreamInformation> streams;
  EntryListReader list(buffer, 8);
  ByteView entry;
  while (list.next(entry)) {
    Reader r(entry);
    FileStreamInformation stream;
    const uint32_t length = r.u32();
    stream.stream_size = r.u64();
    stream.stream_allocation_size = r.u64();
    stream.stream_name = read_name(r, length);
    if (!r.ok()) return fail(r.error());
    streams.push_back(std::move(stream));
  }
  BRAID_CHECK(list.finish());
  return streams;
}

EncodedList encode_streams(const std::vector<FileStreamInformation>& streams, size_t limit) {
  EncodedList result;
  EntryListWriter list(result.bytes, limit, 8);
  for (const FileStreamInformation& stream : streams) {
    list.begin();
    Writer& w = list.writer();
    w.u32(name_length(stream.stream_name));
    w.u64(stream.stream_size);
    w.u64(stream.stream_allocation_size);
    write_utf16le(w, stream.stream_name);
    if (!list.end()) break;
  }
  result.count = list.count();
  return result;
}

}  // namespace braid::wire

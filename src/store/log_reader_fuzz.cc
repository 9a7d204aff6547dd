// The reader of handle logs: a volume may have been written by anybody.
#include "store/log_reader.h"

#include <algorithm>
#include <cstdlib>

#include "store/log_writer.h"

namespace braid::store {
namespace {

class MemoryFile final : public LogFile {
 public:
  explicit MemoryFile(Bytes& bytes) : bytes_(bytes) {}
  Result<uint64_t> size() override { return bytes_.size(); }
  Result<size_t> read(uint64_t, MutableByteView) override { return fail_os(EIO); }
  Result<size_t> write(uint64_t position, ByteView bytes) override {
    if (position != bytes_.size()) std::abort();
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return bytes.size();
  }
  Result<void> allocate(uint64_t) override { return {}; }
  Result<void> sync() override { return {}; }

 private:
  Bytes& bytes_;
};

void check(const RecoveredLog& log, size_t size) {
  if (!log.is_usable() && !log.records.empty()) std::abort();
  if (log.end > size || log.torn_bytes > size - log.end) std::abort();
  if ((log.condition == LogCondition::kDamaged) != (log.damages_in_all != 0)) std::abort();
  static_cast<void>(log.complaint("name"));
  if (!log.is_usable()) return;
  // What was found can be written, and is the same when it is read again.
  Bytes bytes;
  LogWriter writer(std::make_unique<MemoryFile>(bytes), log.header, 1);
  for (const auto& [key, record] : log.records) {
    writer.add(LogOperation::kPut, as_bytes(key), as_bytes(record.value));
  }
  if (!writer.commit()) std::abort();
  const RecoveredLog again = read_log(bytes, log.header.owner.share);
  if (again.condition != LogCondition::kWhole || again.records.size() != log.records.size()) {
    std::abort();
  }
  for (const auto& [key, record] : log.records) {
    if (again.records.at(key).value != record.value) std::abort();
  }
}

}  // namespace
}  // namespace braid::store

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid;
  using namespace braid::store;
  const ByteView file(data, size);
  ShareId share;
  uint32_t version = 0;
  if (const auto header = LogHeader::decode(file, version)) share = header->owner.share;
  check(read_log(file, share), size);
  // Checksums are no obstacle to who wants to harm: a file made of the same bytes with all of them
  // right. The first byte of each piece says how long it is.
  Bytes made;
  LogHeader header{.owner = {.share = share}, .salt = size};
  header.encode(made);
  for (size_t at = 0; at < size;) {
    const size_t key = std::min<size_t>(1 + data[at] % 8, size - at);
    const size_t value = std::min<size_t>(data[at] / 8, size - at - key);
    const size_t begin = made.size();
    const bool is_erase = value == 0;
    LogRecord{.position = begin,
              .synced = begin - begin % (1 + data[at]),
              .operation = is_erase ? LogOperation::kErase : LogOperation::kPut,
              .key = file.subspan(at, key),
              .value = file.subspan(at + key, value)}
        .encode(header.seed(), made);
    if (data[at] % 16 == 7) made[begin + data[at] % (made.size() - begin)] ^= data[at];
    at += key + value;
  }
  check(read_log(made, share), made.size());
  return 0;
}

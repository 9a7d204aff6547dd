#include "store/log_format.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cassert>
#include <charconv>

#include "base/crc32c.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::store {
namespace {

constexpr std::string_view kLogMagic = "BRAIDHL\n";
constexpr uint32_t kRecordMark = 0x4C48'7242;  // "BrHL"
constexpr std::string_view kLogSuffix = ".log";
constexpr size_t kHeaderCrcAt = kLogHeaderBytes - sizeof(uint32_t);
// What the first checksum of a record covers begins behind it.
constexpr size_t kRecordCrcEnd = 8;

// All of `digits`, which are as many as the number has.
template <class Number>
bool parse_hex(std::string_view digits, Number& number) {
  if (digits.size() != 2 * sizeof(Number)) return false;
  for (const char c : digits) {
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
  }
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return true;
}

}  // namespace

std::string log_name(const LogOwner& owner) {
  std::string name;
  for (const uint8_t byte : owner.server.bytes) name += fmt::format("{:02x}", byte);
  return name + fmt::format("-{:08x}-{:016x}{}", owner.worker, owner.epoch, kLogSuffix);
}

std::optional<LogOwner> parse_log_name(std::string_view name) {
  constexpr size_t kServer = 32, kWorker = 8, kEpoch = 16;
  if (name.size() != kServer + 1 + kWorker + 1 + kEpoch + kLogSuffix.size() ||
      !name.ends_with(kLogSuffix) || name[kServer] != '-' || name[kServer + 1 + kWorker] != '-') {
    return std::nullopt;
  }
  LogOwner owner;
  for (size_t i = 0; i < owner.server.bytes.size(); ++i) {
    if (!parse_hex(name.substr(2 * i, 2), owner.server.bytes[i])) return std::nullopt;
  }
  if (!parse_hex(name.substr(kServer + 1, kWorker), owner.worker) ||
      !parse_hex(name.substr(kServer + 1 + kWorker + 1, kEpoch), owner.epoch)) {
    return std::nullopt;
  }
  return owner;
}

void LogHeader::encode(Bytes& out) const {
  wire::Writer w(out);
  const size_t begin = out.size();
  w.bytes(as_bytes(kLogMagic));
  w.u32(kLogVersion);
  w.u32(owner.worker);
  w.id128(owner.share);
  w.id128(owner.server);
  w.u64(owner.epoch);
  w.u64(salt);
  w.zeros(kHeaderCrcAt - w.position());
  w.u32(crc32c(ByteView(out).subspan(begin)));
}

Result<LogHeader> LogHeader::decode(ByteView first, uint32_t& version) {
  version = 0;
  if (first.size() < kLogHeaderBytes) return fail(Error::malformed());
  wire::Reader r(first.first(kLogHeaderBytes));
  // Where these three are is the same in every version.
  r.expect(as_text(r.bytes(kLogMagic.size())) == kLogMagic);
  const uint32_t read_version = r.u32();
  wire::Reader end(first.first(kLogHeaderBytes), kHeaderCrcAt);
  r.expect(end.u32() == crc32c(first.first(kHeaderCrcAt)));
  r.expect(read_version != 0);
  if (!r.ok()) return fail(r.error());
  version = read_version;
  if (version > kLogVersion) return fail(Error::unsupported());

  LogHeader header;
  header.owner.worker = r.u32();
  header.owner.share = r.id128<ShareId>();
  header.owner.server = r.id128<ServerId>();
  header.owner.epoch = r.u64();
  header.salt = r.u64();
  return r.finish(header);
}

namespace {

uint64_t salted(uint64_t half, const SipKey& kin) {
  Bytes bytes;
  wire::Writer(bytes).u64(half);
  return half << 32 | (sip_hash(kin, bytes) & 0xffff'ffff);
}

}  // namespace

Result<uint64_t> new_salt(const std::optional<SipKey>& kin) {
  uint64_t salt = 0;
  if (::getrandom(&salt, sizeof salt, 0) != sizeof salt) return fail_last_os();
  return kin ? salted(salt >> 32, *kin) : salt;
}

bool is_kin(uint64_t salt, const SipKey& kin) { return salted(salt >> 32, kin) == salt; }

uint32_t LogHeader::seed() const {
  Bytes bytes;
  wire::Writer(bytes).u64(salt);
  return crc32c(bytes);
}

void LogRecord::encode(uint32_t seed, Bytes& out) const {
  assert(!key.empty() && key.size() <= kLogKeyMax && value.size() <= kLogValueMax);
  assert(operation == LogOperation::kPut || value.empty());
  wire::Writer w(out);
  const size_t begin = out.size();
  w.u32(kRecordMark);
  w.u32(0);
  w.u64(position);
  w.u64(synced);
  w.value(operation);
  w.u8(0);
  w.u16(static_cast<uint16_t>(key.size()));
  w.u32(static_cast<uint32_t>(value.size()));
  w.u32(crc32c(value, seed));
  w.u32(0);
  w.bytes(key);
  w.patch_u32(4, crc32c(ByteView(out).subspan(begin + kRecordCrcEnd), seed));
  w.bytes(value);
  w.align(kAlignment);
}

Result<LogRecord> LogRecord::decode(ByteView file, uint64_t position, uint32_t seed) {
  wire::Reader r(file, position);
  r.expect(r.u32() == kRecordMark);
  const uint32_t crc = r.u32();
  LogRecord record;
  record.position = r.u64();
  record.synced = r.u64();
  record.operation = r.as<LogOperation>();
  r.expect(r.u8() == 0);
  const uint16_t key_bytes = r.u16();
  const uint32_t value_bytes = r.u32();
  const uint32_t value_crc = r.u32();
  r.expect(r.u32() == 0);
  r.expect(record.position == position && record.synced <= position);
  r.expect(key_bytes != 0 && key_bytes <= kLogKeyMax && value_bytes <= kLogValueMax);
  r.expect(record.operation == LogOperation::kPut ||
           (record.operation == LogOperation::kErase && value_bytes == 0));
  record.key = r.bytes(key_bytes);
  if (!r.ok()) return fail(r.error());
  const size_t covered = kFixedBytes - kRecordCrcEnd + key_bytes;
  r.expect(crc32c(file.subspan(position + kRecordCrcEnd, covered), seed) == crc);
  if (!r.ok()) return fail(r.error());
  // All of the lengths are as they were written, so the next record can be found from here.
  if (value_bytes > r.remaining()) {
    record.value = r.rest();
    record.value_is_whole = false;
  } else {
    record.value = r.bytes(value_bytes);
    record.value_is_whole = crc32c(record.value, seed) == value_crc;
  }
  return r.finish(record);
}

}  // namespace braid::store

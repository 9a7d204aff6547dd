#include "wire/fscc/quota.h"

#include "wire/fscc/entry_list.h"

namespace braid::wire {
namespace {

constexpr uint32_t kQuotaAlignment = 8;
constexpr uint32_t kSidAlignment = 4;

// A SID that must fill its declared length.
Result<Sid> read_sid(Reader& r, uint32_t length) {
  Reader bytes(r.bytes(length));
  if (!r.ok()) return fail(r.error());
  BRAID_TRY(Sid sid, Sid::decode(bytes));
  if (bytes.remaining() != 0) return fail(Error::malformed());
  return sid;
}

}  // namespace

Result<std::vector<FileQuotaInformation>> decode_quotas(ByteView buffer) {
  std::vector<FileQuotaInformation> quotas;
  EntryListReader list(buffer, kQuotaAlignment);
  ByteView entry;
  while (list.next(entry)) {
    Reader r(entry);
    FileQuotaInformation quota;
    const uint32_t sid_length = r.u32();
    quota.change_time = r.file_time();
    quota.quota_used = r.u64();
    quota.quota_threshold = r.u64();
    quota.quota_limit = r.u64();
    BRAID_TRY(quota.sid, read_sid(r, sid_length));
    quotas.push_back(quota);
  }
  BRAID_CHECK(list.finish());
  return quotas;
}

Bytes encode_quotas(const std::vector<FileQuotaInformation>& quotas, size_t limit, size_t* count) {
  Bytes out;
  EntryListWriter list(out, limit, kQuotaAlignment);
  for (const FileQuotaInformation& quota : quotas) {
    list.begin();
    Writer& w = list.writer();
    w.u32(static_cast<uint32_t>(quota.sid.encoded_size()));
    w.file_time(quota.change_time);
    w.u64(quota.quota_used);
    w.u64(quota.quota_threshold);
    w.u64(quota.quota_limit);
    quota.sid.encode(w);
    if (!list.end()) break;
  }
  if (count != nullptr) *count = list.count();
  return out;
}

Result<std::vector<Sid>> decode_quota_sids(ByteView buffer) {
  std::vector<Sid> sids;
  EntryListReader list(buffer, kSidAlignment);
  ByteView entry;
  while (list.next(entry)) {
    Reader r(entry);
    const uint32_t length = r.u32();
    BRAID_TRY(Sid sid, read_sid(r, length));
    sids.push_back(sid);
  }
  BRAID_CHECK(list.finish());
  return sids;
}

Bytes encode_quota_sids(const std::vector<Sid>& sids) {
  Bytes out;
  EntryListWriter list(out, SIZE_MAX, kSidAlignment);
  for (const Sid& sid : sids) {
    list.begin();
    list.writer().u32(static_cast<uint32_t>(sid.encoded_size()));
    sid.encode(list.writer());
    list.end();
  }
  return out;
}

}  // namespace braid::wire

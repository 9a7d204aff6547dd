#include "wire/fscc/full_ea.h"

#include <algorithm>

#include "wire/fscc/entry_list.h"

namespace braid::wire {
namespace {

constexpr uint32_t kFullEaAlignment = 4;
constexpr size_t kNameLengthMax = 254;

bool decode_ea(ByteView entry, FullEa& ea) {
  Reader r(entry);
  ea.flags = r.u8();
  const uint8_t name_length = r.u8();
  const uint16_t value_length = r.u16();
  const ByteView name = r.bytes(name_length);
  r.expect(r.u8() == 0);
  const ByteView value = r.bytes(value_length);
  if (!r.ok()) return false;
  ea.name = as_text(name);
  ea.value.assign(value.begin(), value.end());
  return true;
}

}  // namespace

Result<std::vector<FullEa>> decode_full_eas(ByteView buffer, size_t* error_offset) {
  std::vector<FullEa> eas;
  EntryListReader list(buffer, kFullEaAlignment);
  ByteView entry;
  while (list.next(entry)) {
    FullEa ea;
    if (!decode_ea(entry, ea)) {
      if (error_offset != nullptr) *error_offset = list.entry_position();
      return fail(NtStatus::kEaListInconsistent);
    }
    eas.push_back(std::move(ea));
  }
  if (!list.finish()) {
    if (error_offset != nullptr) *error_offset = list.entry_position();
    return fail(NtStatus::kEaListInconsistent);
  }
  return eas;
}

Result<std::vector<std::string>> decode_ea_names(ByteView buffer) {
  std::vector<std::string> names;
  EntryListReader list(buffer, kFullEaAlignment);
  ByteView entry;
  while (list.next(entry)) {
    Reader r(entry);
    const uint8_t length = r.u8();
    const ByteView name = r.bytes(length);
    r.expect(r.u8() == 0);
    if (!r.ok()) return fail(NtStatus::kEaListInconsistent);
    names.emplace_back(as_text(name));
  }
  if (!list.finish()) return fail(NtStatus::kEaListInconsistent);
  return names;
}

Bytes encode_ea_names(const std::vector<std::string>& names) {
  Bytes out;
  EntryListWriter list(out, SIZE_MAX, kFullEaAlignment);
  for (const std::string& name : names) {
    const std::string_view sent = std::string_view(name).substr(0, kNameLengthMax);
    list.begin();
    list.writer().u8(static_cast<uint8_t>(sent.size()));
    list.writer().bytes(as_bytes(sent));
    list.writer().u8(0);
    list.end();
  }
  return out;
}

Bytes encode_full_eas(const std::vector<FullEa>& eas, size_t limit, size_t* count) {
  Bytes out;
  EntryListWriter list(out, limit, kFullEaAlignment);
  for (const FullEa& ea : eas) {
    const std::string_view name = std::string_view(ea.name).substr(0, kNameLengthMax);
    const ByteView value = ByteView(ea.value).first(std::min<size_t>(ea.value.size(), 0xffff));
    list.begin();
    Writer& w = list.writer();
    w.u8(ea.flags);
    w.u8(static_cast<uint8_t>(name.size()));
    w.u16(static_cast<uint16_t>(value.size()));
    w.bytes(as_bytes(name));
    w.u8(0);
    w.bytes(value);
    if (!list.end()) break;
  }
  if (count != nullptr) *count = list.count();
  return out;
}

uint32_t ea_size(const std::vector<FullEa>& eas) {
  if (eas.empty()) return 0;
  size_t size = 4;
  for (const FullEa& ea : eas) size += 4 + ea.name.size() + 1 + ea.value.size();
  return static_cast<uint32_t>(std::min<size_t>(size, UINT32_MAX));
}

Result<void> validate_ea_name(std::string_view name) {
  constexpr std::string_view kForbidden = "\\/:*?\"<>|,+=[];";
  if (name.empty() || name.size() > kNameLengthMax) return fail(NtStatus::kInvalidEaName);
  for (char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || kForbidden.contains(c)) {
      return fail(NtStatus::kInvalidEaName);
    }
  }
  return {};
}

}  // namespace braid::wire

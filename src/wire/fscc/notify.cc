#include "wire/fscc/notify.h"

#include "wire/fscc/entry_list.h"
#include "wire/fscc/name_io.h"

namespace braid::wire {
namespace {

constexpr uint32_t kNotifyAlignment = 4;
constexpr size_t kFixedSize = 12;

}  // namespace

Result<std::vector<FileNotifyInformation>> decode_notify(ByteView buffer) {
  std::vector<FileNotifyInformation> changes;
  EntryListReader list(buffer, kNotifyAlignment);
  ByteView entry;
  while (list.next(entry)) {
    Reader r(entry);
    FileNotifyInformation change;
    change.action = r.as<FileAction>();
    const uint32_t length = r.u32();
    change.file_name = read_name(r, length);
    if (!r.ok()) return fail(r.error());
    changes.push_back(std::move(change));
  }
  BRAID_CHECK(list.finish());
  return changes;
}

Bytes encode_notify(const std::vector<FileNotifyInformation>& changes, size_t limit) {
  Bytes out;
  EntryListWriter list(out, limit, kNotifyAlignment);
  for (const FileNotifyInformation& change : changes) {
    list.begin();
    Writer& w = list.writer();
    w.value(change.action);
    w.u32(name_length(change.file_name));
    write_utf16le(w, change.file_name);
    if (!list.end()) return {};
  }
  return out;
}

size_t notify_entry_size(const FileNotifyInformation& change) {
  const size_t size = kFixedSize + utf16le_size(change.file_name);
  return (size + kNotifyAlignment - 1) / kNotifyAlignment * kNotifyAlignment;
}

}  // namespace braid::wire

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

Bytes encode_notify(std::span<const FileNotifyView> changes, size_t limit) {
  Bytes out;
  EntryListWriter list(out, limit, kNotifyAlignment);
  for (const FileNotifyView& change : changes) {
    list.begin();
    Writer& w = list.writer();
    w.value(change.action);
    w.u32(name_length(change.file_name));
    write_utf16le(w, change.file_name);
    if (!list.end()) return {};
  }
  return out;
}

Bytes encode_notify(std::span<const FileNotifyInformation> changes, size_t limit) {
  std::vector<FileNotifyView> views;
  views.reserve(changes.size());
  for (const FileNotifyInformation& change : changes) {
    views.push_back({change.action, change.file_name});
  }
  return encode_notify(std::span<const FileNotifyView>(views), limit);
}

size_t notify_entry_size(size_t name_size) {
  return (kFixedSize + name_size + kNotifyAlignment - 1) / kNotifyAlignment * kNotifyAlignment;
}

}  // namespace braid::wire

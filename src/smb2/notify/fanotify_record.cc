#include "smb2/notify/fanotify_record.h"

#include <sys/fanotify.h>

#include <cstring>

#include "smb2/notify/local_filters.h"

namespace braid::smb2 {
namespace {

// struct file_handle, without the flexible array.
struct HandleHeader {
  uint32_t bytes;
  int32_t type;
};

// What follows a fanotify_event_info_header in a record that names a directory entry.
std::optional<NamedEntry> named_entry(ByteView info) {
  fanotify_event_info_header header;
  HandleHeader handle;
  constexpr size_t kFsidOffset = sizeof header;
  constexpr size_t kHandleOffset = kFsidOffset + sizeof(uint64_t);
  constexpr size_t kBytesOffset = kHandleOffset + sizeof handle;
  if (info.size() < kBytesOffset) return std::nullopt;
  NamedEntry entry;
  std::memcpy(&entry.directory.file_system, info.data() + kFsidOffset, sizeof(uint64_t));
  std::memcpy(&handle, info.data() + kHandleOffset, sizeof handle);
  if (handle.bytes > info.size() - kBytesOffset) return std::nullopt;
  const auto* bytes = reinterpret_cast<const char*>(info.data() + kBytesOffset);
  entry.directory.type = handle.type;
  entry.directory.bytes.assign(bytes, handle.bytes);
  const size_t room = info.size() - kBytesOffset - handle.bytes;
  entry.name.assign(bytes + handle.bytes, ::strnlen(bytes + handle.bytes, room));
  return entry;
}

std::optional<DirectoryHandle> handle_in(ByteView info) {
  auto entry = named_entry(info);
  if (!entry) return std::nullopt;
  return std::move(entry->directory);
}

void decode_info(ByteView infos, FanotifyRecord& record) {
  while (infos.size() >= sizeof(fanotify_event_info_header)) {
    fanotify_event_info_header header;
    std::memcpy(&header, infos.data(), sizeof header);
    if (header.len < sizeof header || header.len > infos.size()) return;
    const ByteView info = infos.first(header.len);
    switch (header.info_type) {
      case FAN_EVENT_INFO_TYPE_DFID_NAME:
        record.entry = named_entry(info);
        break;
      case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
        record.old_name = named_entry(info);
        break;
      case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
        record.new_name = named_entry(info);
        break;
      case FAN_EVENT_INFO_TYPE_DFID:
        record.directory = handle_in(info);
        break;
      case FAN_EVENT_INFO_TYPE_FID:
        record.object = handle_in(info);
        break;
      default:
        break;
    }
    infos = infos.subspan(header.len);
  }
}

std::string join(const std::string& directory, const std::string& name) {
  return directory == "/" ? directory + name : directory + '/' + name;
}

}  // namespace

std::vector<FanotifyRecord> decode_fanotify(ByteView events) {
  std::vector<FanotifyRecord> records;
  while (events.size() >= sizeof(fanotify_event_metadata)) {
    fanotify_event_metadata metadata;
    std::memcpy(&metadata, events.data(), sizeof metadata);
    if (metadata.event_len < sizeof metadata || metadata.event_len > events.size() ||
        metadata.metadata_len < sizeof metadata || metadata.metadata_len > metadata.event_len) {
      break;
    }
    FanotifyRecord record{.mask = metadata.mask, .pid = metadata.pid};
    decode_info(events.first(metadata.event_len).subspan(metadata.metadata_len), record);
    records.push_back(std::move(record));
    events = events.subspan(metadata.event_len);
  }
  return records;
}

std::vector<LocalChange> changes_of(
    const FanotifyRecord& record,
    const std::function<std::optional<std::string>(const DirectoryHandle&)>& path_of,
    const std::function<bool(const std::string&)>& exists) {
  using Kind = LocalChange::Kind;
  if (record.mask & FAN_Q_OVERFLOW) return {{.kind = Kind::kLost}};
  const bool is_directory = (record.mask & FAN_ONDIR) != 0;
  const auto full_path = [&](const std::optional<NamedEntry>& entry) -> std::optional<std::string> {
    if (!entry) return std::nullopt;
    auto directory = path_of(entry->directory);
    if (!directory) return std::nullopt;
    if (entry->name.empty() || entry->name == ".") return directory;
    return join(*directory, entry->name);
  };
  std::vector<LocalChange> changes;
  if (record.mask & FAN_RENAME) {
    const auto from = full_path(record.old_name);
    const auto to = full_path(record.new_name);
    if (from && to) {
      changes.push_back({Kind::kRenamed, is_directory, 0, *from, *to});
    } else if (from) {
      changes.push_back({Kind::kRemoved, is_directory, 0, *from, {}});
    } else if (to) {
      changes.push_back({Kind::kAdded, is_directory, 0, *to, {}});
    }
  }
  const uint64_t of_entry = record.mask & (FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_ATTRIB);
  if (of_entry == 0) return changes;
  const auto path = full_path(record.entry);
  if (!path) return changes;
  // The kernel merges events of one name that nobody has read yet.
  const bool came = (of_entry & FAN_CREATE) != 0;
  const bool went = (of_entry & FAN_DELETE) != 0;
  const bool is_there = !went || (came && exists(*path));
  const LocalChange added{Kind::kAdded, is_directory, 0, *path, {}};
  const LocalChange removed{Kind::kRemoved, is_directory, 0, *path, {}};
  if (came && went) {
    changes.push_back(is_there ? removed : added);
    changes.push_back(is_there ? added : removed);
  } else if (came) {
    changes.push_back(added);
  } else if (went) {
    changes.push_back(removed);
  }
  uint32_t filter = 0;
  if (of_entry & FAN_MODIFY) filter |= kFilterOfData;
  if (of_entry & FAN_ATTRIB) filter |= kFilterOfMetadata;
  if (filter != 0 && is_there) {
    changes.push_back({Kind::kModified, is_directory, filter, *path, {}});
  }
  return changes;
}

}  // namespace braid::smb2

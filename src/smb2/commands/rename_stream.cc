// FileRenameInformation of a stream: [MS-FSA] 2.1.5.15.12.1 "Algorithm for Performing Stream
// Rename".
#include <algorithm>

#include "smb2/commands/set_info_parts.h"
#include "smb2/notify/report.h"
#include "smb2/server.h"
#include "vfs/names.h"
#include "wire/fold.h"
#include "wire/fscc/path_name.h"

namespace braid::smb2 {
namespace {

constexpr ptrdiff_t kColonsMax = 3;

// The name without ":" and type.
Result<std::string_view> stream_name_in(std::string_view text) {
  if (!text.starts_with(':') || text.ends_with(':') || std::ranges::count(text, ':') > kColonsMax) {
    return fail(NtStatus::kInvalidParameter);
  }
  text.remove_prefix(1);
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view type = colon == text.npos ? "" : text.substr(colon + 1);
  if (!wire::validate_stream_name(name) || type.contains(':')) {
    return fail(NtStatus::kInvalidParameter);
  }
  // Without a type, as clients send it, it is that of the stream.
  if (colon != text.npos && !wire::equal_fold(type, "$DATA")) {
    return fail(NtStatus::kObjectTypeMismatch);
  }
  // A folder has no unnamed stream, and that of a file does not become another's content.
  if (name.empty()) return fail(NtStatus::kInvalidParameter);
  return name;
}

// What has the new name goes only if it is empty and nobody has it open.
Result<void> check_target(const Server& server, Open& open, std::string_view name, bool replace) {
  BRAID_TRY(const auto streams, open.base_file->streams());
  const auto taken = std::ranges::find_if(
      streams, [&](const vfs::StreamInfo& stream) { return vfs::equal_folded(stream.name, name); });
  if (taken == streams.end()) return {};
  if (!replace) return fail(NtStatus::kObjectNameCollision);
  FileKey key = open.attributes.file_key;
  key.stream = vfs::stream_key(name);
  if (taken->size != 0 || server.file_table.is_open(key)) {
    return fail(NtStatus::kInvalidParameter);
  }
  return {};
}

bool is_open_in_other_workers(const Server& server, const Open& open, std::string_view name) {
  FileKey as_it_is = open.attributes.file_key;
  as_it_is.stream = vfs::stream_key(name);
  return server.file_table.is_open_elsewhere(open.attributes.file_key) ||
         server.file_table.is_open_elsewhere(as_it_is);
}

}  // namespace

Result<void> rename_stream(Server& server, Open& open, std::string_view name, bool replace) {
  BRAID_TRY(const std::string_view new_name, stream_name_in(name));
  const std::string old_name = open.stream_name();
  if (vfs::equal_folded(old_name, new_name)) return {};
  // What a stream is called each worker keeps for itself, and an attribute is found by its name.
  if (is_open_in_other_workers(server, open, old_name)) return fail(NtStatus::kSharingViolation);
  BRAID_CHECK(check_target(server, open, new_name, replace));
  BRAID_CHECK(open.file->rename_stream(old_name, new_name, replace));
  (void)open.base_file->note_modified();  // whoever may rename it may do that
  report_stream_renamed(server, open, old_name);
  return {};
}

}  // namespace braid::smb2

// FileRenameInformation of a stream: [MS-FSA] 2.1.5.15.12.1 "Algorithm for Performing Stream
// Rename".
#include <algorithm>

#include "smb2/commands/info_handlers.h"
#include "smb2/files/file_services.h"
#include "smb2/files/report.h"
#include "smb2/files/taking.h"
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

// What has the new name goes only if it is empty. Nobody has it open: filestate was asked.
Result<void> check_target(Open& open, const std::string& old_name, const std::string& name,
                          bool replace) {
  if (vfs::equal_folded(old_name, name)) return {};
  BRAID_TRY(const auto streams, open.base_file->streams());
  const auto taken = std::ranges::find_if(
      streams, [&](const vfs::StreamInfo& stream) { return vfs::equal_folded(stream.name, name); });
  if (taken == streams.end()) return {};
  if (!replace) return fail(NtStatus::kObjectNameCollision);
  if (taken->size != 0) return fail(NtStatus::kInvalidParameter);
  return {};
}

}  // namespace

Task<Result<void>> rename_stream(Request& request, std::string name, bool replace) {
  FileServices& files = request.files;
  Open& open = *request.open;
  BRAID_CO_TRY(const std::string_view wanted, stream_name_in(name));
  const std::string new_name(wanted);
  FileKey called = open.attributes.file_key;
  called.stream = vfs::stream_key(new_name);
  // Whoever opens the stream by either name waits while this is kept: what it is called on the
  // disk, here and in filestate changes as one.
  BRAID_CO_TRY(const auto free, co_await take(request, called, [&files, &open, called] {
                 return files.file_table.begin_stream_rename(open.ref(), called);
               }));
  if (free.decision.verdict != filestate::Verdict::kGo) {
    const bool is_taken = free.decision.status == NtStatus::kInvalidParameter && !replace;
    co_return fail(is_taken ? NtStatus::kObjectNameCollision : free.decision.status);
  }
  const std::string old_name = open.stream_name();
  if (old_name == new_name) co_return Result<void>{};
  BRAID_CO_CHECK(check_target(open, old_name, new_name, replace));
  BRAID_CO_CHECK(open.file->rename_stream(old_name, new_name, replace));
  files.file_table.stream_renamed(open.ref(), called);
  (void)open.base_file->note_modified();  // whoever may rename it may do that
  report_stream_renamed(files, open, old_name);
  co_return Result<void>{};
}

}  // namespace braid::smb2

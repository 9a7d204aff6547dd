#include "smb2/commands/create/old_streams.h"

#include <algorithm>
#include <cerrno>

#include "smb2/files/file_services.h"
#include "vfs/names.h"

namespace braid::smb2 {

Result<OldStreams> take_old_streams(Request& request, vfs::File& file,
                                    const filestate::OpenRef& ref) {
  OldStreams old;
  if (ref.file.stream != 0 || !request.tree_connect->share->volume->features().streams) return old;
  BRAID_TRY(const auto streams, file.streams());
  std::vector<FileKey> keys;
  for (const vfs::StreamInfo& stream : streams) {
    if (stream.name.empty()) continue;
    keys.push_back(ref.file);
    keys.back().stream = vfs::stream_key(stream.name);
  }
  if (keys.empty()) return old;
  auto taken = request.files.file_table.begin_stream_removal(ref, keys);
  old.taken_by = taken.taken_by;
  if (old.taken_by) return old;
  if (taken.decision.verdict != filestate::Verdict::kGo) return fail(taken.decision.status);
  old.held = request.files.announce_until(ref.file, std::move(taken.until_replaced));
  for (const vfs::StreamInfo& stream : streams) {
    const uint64_t key = vfs::stream_key(stream.name);
    if (std::ranges::count(taken.free, key, &FileKey::stream) != 0) {
      old.names.push_back(stream.name);
    }
  }
  return old;
}

Result<void> drop_streams(vfs::File& file, const OldStreams& old) {
  for (const std::string& name : old.names) {
    const auto removed = file.remove_stream(name);
    // Or it has gone otherwise: filestate knows streams that are open, and no others.
    if (!removed && !removed.error().is_os(ENOENT)) return removed;
  }
  return {};
}

}  // namespace braid::smb2

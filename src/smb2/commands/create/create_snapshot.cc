// CREATE in a previous version of the share: [MS-SMB2] 2.2.13.2.7 "SMB2_CREATE_TIMEWARP_TOKEN" and
// "@GMT-" tokens as a part of the name.
#include <algorithm>

#include "smb2/commands/create/create.h"
#include "smb2/shares/snapshots.h"

namespace braid::smb2 {
namespace {

// Takes the token out of `path`. What clients see as folder\@GMT-... is the snapshot as well.
Result<std::optional<FileTime>> take_token(vfs::Path& path, const vfs::Path& folder) {
  const auto names = path.components();
  const auto above = folder.components();
  const auto token = std::ranges::find_if(
      names, [](std::string_view name) { return parse_snapshot_token(name).has_value(); });
  if (token == names.end()) return std::optional<FileTime>();
  const int64_t second = *parse_snapshot_token(*token);
  if (second < 0) return fail(NtStatus::kObjectNameNotFound);
  vfs::Path rest;
  const bool from_folder =
      std::ranges::equal(names.begin(), token, above.begin(), above.end(), vfs::equal_folded);
  for (auto name = from_folder ? token : names.begin(); name != names.end(); ++name) {
    if (name != token) BRAID_CHECK(rest.append(*name));
  }
  path = std::move(rest);
  return to_file_time({.tv_sec = second, .tv_nsec = 0});
}

}  // namespace

Result<void> enter_snapshot(Request& request, CreateState& state) {
  const Share& share = *request.tree_connect->share;
  std::optional<FileTime> time = state.create.contexts.timewarp_token;
  // The time 0 is none: the file as it is.
  if (time && time->ticks == 0) time.reset();
  if (share.snapshots) {
    BRAID_TRY(const auto named, take_token(state.name.path, share.snapshots->folder()));
    if (named) time = named;
  }
  if (!time) return {};
  if (!share.snapshots) return fail(NtStatus::kObjectNameNotFound);
  BRAID_TRY(auto then, share.snapshots->open(*time));
  wire::CreateRequest& create = state.create;
  if (create.create_options & wire::CreateOptions::kDeleteOnClose) {
    return fail(NtStatus::kMediaWriteProtected);
  }
  if (create.create_disposition == wire::CreateDisposition::kOpenIf) {
    create.create_disposition = wire::CreateDisposition::kOpen;
  }
  if (create.create_disposition != wire::CreateDisposition::kOpen) {
    return fail(NtStatus::kMediaWriteProtected);
  }
  // Rights are those the file had: a client that opens for writing, to be on the safe side, learns
  // of its mistake when it writes.
  const uint32_t access = request.tree_connect->maximal_access;
  request.tree_connect =
      std::make_shared<TreeConnect>(request.tree_connect, std::move(then), access);
  return {};
}

}  // namespace braid::smb2

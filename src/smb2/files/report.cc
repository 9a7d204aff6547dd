#include "smb2/files/report.h"

#include <string>

#include "smb2/files/directory_leases.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/opens/open.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

using wire::CompletionFilter;
using wire::FileAction;

std::string path_of(FileServices& files, const Open& open) {
  return current_path(files, open).text();
}

std::string stream_of(const Open& open) { return open.stream_name(); }

const Share& share_of(const Open& open) { return *open.tree_connect->share; }

void tell_modified(FileServices& files, const Open& open, uint32_t filter) {
  const std::string path = path_of(files, open);
  if (path.empty()) return;  // the root of a share has no directory that a client could watch
  constexpr uint32_t kOfStream = CompletionFilter::kStreamSize | CompletionFilter::kStreamWrite;
  if (open.attributes.is_stream && (filter & kOfStream)) {
    files.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kModifiedStream,
                                filter & kOfStream);
  }
  filter &= ~kOfStream;
  if (filter) files.notify.changed(share_of(open), path, FileAction::kModified, filter);
}

// With what was noted before.
void tell_noted(FileServices& files, Open& open, uint32_t filter) {
  if (!files.notify.anyone()) return;
  filter |= open.pending_notifications.exchange(0);
  if (filter) tell_modified(files, open, filter);
}

uint32_t filter_of_data(const Open& open) {
  return open.attributes.is_stream ? CompletionFilter::kStreamSize | CompletionFilter::kStreamWrite
                                   : CompletionFilter::kSize | CompletionFilter::kLastWrite;
}

uint32_t filter_of_name(const Open& open) {
  return open.attributes.is_directory ? CompletionFilter::kDirName : CompletionFilter::kFileName;
}

}  // namespace

void report_modified(FileServices& files, Open& open, uint32_t filter) {
  // Who may do what with the file is all that no listing shows.
  if (filter != CompletionFilter::kSecurity) child_changed(files, open);
  tell_noted(files, open, filter);
}

void note_written(FileServices& files, Open& open) {
  note_modified(files, open, filter_of_data(open));
}

void note_modified(FileServices& files, Open& open, uint32_t filter) {
  if (!files.notify.anyone()) return;
  open.pending_notifications |= filter;
  // Of every write while somebody watches: that the kernel tells of it again is no more than untidy
  // where something local has moved the file.
  files.notify.expect_echo(share_of(open), known_path(files, open).text());
}

void report_noted(FileServices& files, Open& open) { tell_noted(files, open, 0); }

void report_added(FileServices& files, const Open& open) {
  if (!files.notify.anyone()) return;
  const std::string path = path_of(files, open);
  if (open.attributes.is_stream) {
    files.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kAddedStream,
                                CompletionFilter::kStreamName);
  } else {
    files.notify.changed(share_of(open), path, FileAction::kAdded, filter_of_name(open));
  }
}

void report_removed(FileServices& files, const Open& open, std::string_view path) {
  if (!files.notify.anyone()) return;
  if (open.attributes.is_stream) {
    files.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kRemovedStream,
                                CompletionFilter::kStreamName);
  } else {
    files.notify.changed(share_of(open), path, FileAction::kRemoved, filter_of_name(open));
  }
}

void report_stream_renamed(FileServices& files, const Open& open, std::string_view old_name) {
  if (!files.notify.anyone()) return;
  const std::string path = path_of(files, open);
  files.notify.stream_changed(share_of(open), path, old_name, FileAction::kRemovedStream,
                              CompletionFilter::kStreamName);
  files.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kAddedStream,
                              CompletionFilter::kStreamName);
}

void report_resized(FileServices& files, Open& open) {
  const uint32_t filter = filter_of_data(open);
  report_modified(files, open,
                  open.attributes.is_stream ? filter : filter | CompletionFilter::kAttributes);
}

void report_overwritten(FileServices& files, const Open& open) {
  child_changed(files, open);
  if (!files.notify.anyone()) return;
  const uint32_t filter = filter_of_data(open);
  tell_modified(files, open,
                open.attributes.is_stream ? filter : filter | CompletionFilter::kAttributes);
}

void report_delete_pending(FileServices& files, const Open& open) {
  if (!open.attributes.is_directory || !files.notify.anyone()) return;
  files.notify.delete_pending(share_of(open), path_of(files, open));
}

}  // namespace braid::smb2

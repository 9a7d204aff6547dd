#include "smb2/notify/report.h"

#include <string>

#include "smb2/open.h"
#include "smb2/open_name.h"
#include "smb2/server.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

using wire::CompletionFilter;
using wire::FileAction;

std::string path_of(Server& server, const Open& open) { return current_path(server, open).text(); }

std::string stream_of(const Open& open) { return open.stream_name(); }

const Share& share_of(const Open& open) { return *open.tree_connect->share; }

void tell_modified(Server& server, const Open& open, uint32_t filter) {
  const std::string path = path_of(server, open);
  if (path.empty()) return;  // the root of a share has no directory that a client could watch
  constexpr uint32_t kOfStream = CompletionFilter::kStreamSize | CompletionFilter::kStreamWrite;
  if (open.attributes.is_stream && (filter & kOfStream)) {
    server.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kModifiedStream,
                                 filter & kOfStream);
  }
  filter &= ~kOfStream;
  if (filter) server.notify.changed(share_of(open), path, FileAction::kModified, filter);
}

uint32_t filter_of_data(const Open& open) {
  return open.attributes.is_stream ? CompletionFilter::kStreamSize | CompletionFilter::kStreamWrite
                                   : CompletionFilter::kSize | CompletionFilter::kLastWrite;
}

uint32_t filter_of_name(const Open& open) {
  return open.attributes.is_directory ? CompletionFilter::kDirName : CompletionFilter::kFileName;
}

}  // namespace

void report_modified(Server& server, Open& open, uint32_t filter) {
  if (!server.notify.anyone()) return;
  filter |= open.pending_notifications.exchange(0);
  if (filter) tell_modified(server, open, filter);
}

void note_written(Server& server, Open& open) { note_modified(server, open, filter_of_data(open)); }

void note_modified(Server& server, Open& open, uint32_t filter) {
  if (!server.notify.anyone()) return;
  open.pending_notifications |= filter;
  // Of every write while somebody watches: that the kernel tells of it again is no more than untidy
  // where something local has moved the file.
  server.notify.expect_echo(share_of(open), known_path(server, open).text());
}

void report_noted(Server& server, Open& open) { report_modified(server, open, 0); }

void report_added(Server& server, const Open& open) {
  if (!server.notify.anyone()) return;
  const std::string path = path_of(server, open);
  if (open.attributes.is_stream) {
    server.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kAddedStream,
                                 CompletionFilter::kStreamName);
  } else {
    server.notify.changed(share_of(open), path, FileAction::kAdded, filter_of_name(open));
  }
}

void report_removed(Server& server, const Open& open, std::string_view path) {
  if (!server.notify.anyone()) return;
  if (open.attributes.is_stream) {
    server.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kRemovedStream,
                                 CompletionFilter::kStreamName);
  } else {
    server.notify.changed(share_of(open), path, FileAction::kRemoved, filter_of_name(open));
  }
}

void report_stream_renamed(Server& server, const Open& open, std::string_view old_name) {
  if (!server.notify.anyone()) return;
  const std::string path = path_of(server, open);
  server.notify.stream_changed(share_of(open), path, old_name, FileAction::kRemovedStream,
                               CompletionFilter::kStreamName);
  server.notify.stream_changed(share_of(open), path, stream_of(open), FileAction::kAddedStream,
                               CompletionFilter::kStreamName);
}

void report_resized(Server& server, Open& open) {
  const uint32_t filter = filter_of_data(open);
  report_modified(server, open,
                  open.attributes.is_stream ? filter : filter | CompletionFilter::kAttributes);
}

void report_overwritten(Server& server, const Open& open) {
  if (!server.notify.anyone()) return;
  const uint32_t filter = filter_of_data(open);
  tell_modified(server, open,
                open.attributes.is_stream ? filter : filter | CompletionFilter::kAttributes);
}

void report_delete_pending(Server& server, const Open& open) {
  if (!open.attributes.is_directory || !server.notify.anyone()) return;
  server.notify.delete_pending(share_of(open), path_of(server, open));
}

}  // namespace braid::smb2

// What commands tell the NotifyHub about the file of an Open.
#pragma once

#include <cstdint>
#include <string_view>

#include "wire/fscc/notify.h"

namespace braid::smb2 {

class Open;
class Server;

// Each is one load while nobody watches. Thread: any.

// Attributes, times, size, security or extended attributes were set: told at once, with what was
// noted before. `filter`: wire::CompletionFilter.
void report_modified(Server& server, Open& open, uint32_t filter);
// Data was written. [MS-FSA] tells of it when the handle is flushed or closed: a client that copies
// a file makes one notification and not thousands.
void note_written(Server& server, Open& open);
// The same for a change of the file that no request of its own tells, such as the ARCHIVE attribute
// that a rename sets.
void note_modified(Server& server, Open& open, uint32_t filter);
// FLUSH and CLOSE: what was noted is told now.
void report_noted(Server& server, Open& open);

// The file, directory or stream of `open` was made or is gone.
void report_added(Server& server, const Open& open);
void report_removed(Server& server, const Open& open, std::string_view path);
// Its stream had another name.
void report_stream_renamed(Server& server, const Open& open, std::string_view old_name);
// FileEndOfFileInformation and FileAllocationInformation.
void report_resized(Server& server, Open& open);
// Its data was replaced by CREATE.
void report_overwritten(Server& server, const Open& open);
// It is marked for deletion: [MS-FSA] 2.1.5.15.3.
void report_delete_pending(Server& server, const Open& open);

}  // namespace braid::smb2

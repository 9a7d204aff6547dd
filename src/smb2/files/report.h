// What commands tell about the file of an Open: those who watch, and those who keep what its
// directory lists.
#pragma once

#include <cstdint>
#include <string_view>

#include "wire/fscc/notify.h"

namespace braid::smb2 {

class Open;
class FileServices;

// Each is one load or two while nobody watches and nobody has a lease of a directory. Thread: any.

// Attributes, times, size, security or extended attributes were set: told at once, with what was
// noted before. `filter`: wire::CompletionFilter; 0 for a change time, of which nobody is told. But
// for security the leases of the directory end (directory_leases.h).
void report_modified(FileServices& files, Open& open, uint32_t filter);
// Data was written. [MS-FSA] tells of it when the handle is flushed or closed: a client that copies
// a file makes one notification and not thousands.
void note_written(FileServices& files, Open& open);
// The same for a change of the file that no request of its own tells, such as the ARCHIVE attribute
// that a rename sets.
void note_modified(FileServices& files, Open& open, uint32_t filter);
// FLUSH and CLOSE: what was noted is told now.
void report_noted(FileServices& files, Open& open);

// The file, directory or stream of `open` was made or is gone.
void report_added(FileServices& files, const Open& open);
void report_removed(FileServices& files, const Open& open, std::string_view path);
// Its stream had another name.
void report_stream_renamed(FileServices& files, const Open& open, std::string_view old_name);
// FileEndOfFileInformation and FileAllocationInformation.
void report_resized(FileServices& files, Open& open);
// Its data was replaced by CREATE; the leases of the directory end.
void report_overwritten(FileServices& files, const Open& open);
// It is marked for deletion: [MS-FSA] 2.1.5.15.3.
void report_delete_pending(FileServices& files, const Open& open);

}  // namespace braid::smb2

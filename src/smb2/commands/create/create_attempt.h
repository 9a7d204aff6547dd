// What the files of one attempt to open share. [MS-FSA] 2.1.5.1 "Server Requests an Open of a
// File".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "smb2/commands/create/create.h"

namespace braid::smb2 {

// What is about to become an Open.
struct OpenedFile {
  std::unique_ptr<vfs::File> file;
  std::unique_ptr<vfs::File> base_file;     // of a stream
  std::shared_ptr<const void> local_watch;  // Open's
  vfs::Path path;
  FileKey key;
  // Where something is made; null when it was there. Outlives this.
  const vfs::Missing* missing = nullptr;
  // Of something that is made and has its name, or is about to: FileTable::begin_making().
  std::shared_ptr<const void> making;
  // Of a stream: how it is opened, or made once filestate knows of it; then there is no `file` yet.
  std::optional<vfs::StreamHow> stream_how;
  vfs::Attributes attributes;
  uint32_t granted_access = 0;
  uint32_t needed_access = 0;   // by the disposition; it meets share modes, and is not granted
  uint32_t maximal_access = 0;  // as the answer tells it
  wire::CreateAction action = wire::CreateAction::kOpened;
};

// An attempt under way. Lives in try_create().
struct CreateAttempt {
  Request& request;
  CreateState& state;
  vfs::Volume& volume;
  const wire::CreateRequest& create;
  uint64_t name_changes = 0;  // FileTable's, before the name was looked up
  bool at_once = false;       // on a reactor, and waits for no disk
  bool has_option(uint32_t option) const { return (create.create_options & option) != 0; }
};

// create_making.cc. What a CREATE makes is known to filestate before anybody else meets it, and a
// CREATE that is refused has made nothing.
//
// Before `path` is made: whoever finds it waits. EINPROGRESS: too much is being made, ask again.
Result<std::shared_ptr<const void>> begin_making(const CreateAttempt& attempt,
                                                 const vfs::Path& path);
// Once filestate knows of it: gives its name to what has none, makes the stream that is missing,
// and looks again for one that may have become another. EEXIST, ESTALE: begin anew.
Result<void> complete(const CreateAttempt& attempt, OpenedFile& opened);
// Before a CREATE is refused that has made something with a name. What others have open by then, or
// local programs have put something into, stays.
enum class Registered : uint8_t { kNo, kYes };
void unmake(const CreateAttempt& attempt, const OpenedFile& opened, Registered registered);

// create_finish.cc: registers with filestate, finishes what the disposition asks for and puts the
// Open in its tables.
CreateOutcome finish_open(const CreateAttempt& attempt, OpenedFile opened);

// create_finish.cc: takes the room that SMB2_CREATE_ALLOCATION_SIZE asks for, or none.
Result<void> reserve(const CreateAttempt& attempt, vfs::File& file);

// create_quota_file.cc: in the place of resolving when state.is_quota_file.
CreateOutcome open_quota_file(const CreateAttempt& attempt);

}  // namespace braid::smb2

// What the files of one attempt to open share. [MS-FSA] 2.1.5.1 "Server Requests an Open of a
// File".
#pragma once

#include "smb2/commands/create/create.h"

namespace braid::smb2 {

// What is about to become an Open.
struct OpenedFile {
  std::unique_ptr<vfs::File> file;
  std::unique_ptr<vfs::File> base_file;  // of a stream
  vfs::Path path;
  FileKey key;
  std::shared_ptr<vfs::Node> parent;  // known when something was made
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
  bool has_option(uint32_t option) const { return (create.create_options & option) != 0; }
};

// create_finish.cc: registers with filestate, finishes what the disposition asks for and puts the
// Open in its tables.
CreateOutcome finish_open(const CreateAttempt& attempt, OpenedFile opened);

// create_finish.cc: takes the room that SMB2_CREATE_ALLOCATION_SIZE asks for, or none.
Result<void> reserve(const CreateAttempt& attempt, vfs::File& file);

// create_quota_file.cc: in the place of resolving when state.is_quota_file.
CreateOutcome open_quota_file(const CreateAttempt& attempt);

}  // namespace braid::smb2

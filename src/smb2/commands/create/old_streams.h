// The named streams of a file that is overwritten, which go with its old content.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "filestate/types.h"
#include "smb2/connections/request.h"

namespace braid::smb2 {

// Those that nobody has open, and nobody opens while `held` is kept. The others stay.
struct OldStreams {
  std::vector<std::string> names;
  std::shared_ptr<const void> held;
  // None of them yet: somebody else is to be waited for, ReplaceDecision::taken_by.
  std::optional<store::WorkerTag> taken_by;
};

// Takes them from filestate, which knows the overwriting open as `ref`; nothing for an overwritten
// stream. May block.
Result<OldStreams> take_old_streams(Request& request, vfs::File& file,
                                    const filestate::OpenRef& ref);

Result<void> drop_streams(vfs::File& file, const OldStreams& old);

}  // namespace braid::smb2

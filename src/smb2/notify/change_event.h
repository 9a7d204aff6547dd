// ChangeEvent: what one worker tells the others of a change that a client made.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "smb2/notify/directory_tree.h"

namespace braid::smb2 {

// Something that a client did, as every worker hears of it. Paths of the watch table. Plain values.
struct ChangeEvent {
  struct Note {
    bool is_name = false;
    std::string path;

    bool operator==(const Note&) const = default;
  };
  std::vector<Note> notes;          // what inotify will say of it
  std::vector<PathChange> changes;  // told together
  std::string moved_from;           // a directory that has another name now
  std::string moved_to;
  std::string going;  // a directory that will be deleted
  // Where changes were made that are not told one by one; `below`: and further down.
  struct Lost {
    uint32_t filter = 0;  // wire::CompletionFilter: what they may have been
    bool below = false;
    std::string directory;

    bool operator==(const Lost&) const = default;
  };
  std::vector<Lost> lost;

  bool operator==(const ChangeEvent&) const = default;

  // REQUIRES: fewer than 256 of each, and of paths that differ.
  Bytes encode() const;
  static Result<ChangeEvent> decode(ByteView bytes);
};

}  // namespace braid::smb2

// HandedOpen: a disconnected open on its way to the process that takes this one's place.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "filestate/file_table.h"
#include "smb2/opens/preserved_open.h"
#include "smb2/persistent/persistent_open.h"
#include "smb2/persistent/restore_open.h"

namespace braid::smb2 {

// What a record of the handle log has, and what lasts as long as the machine runs. Two versions of
// the server understand each other by it; docs/records.md draws the bytes.
struct HandedOpen {
  std::string share;
  std::string real_path;  // of its folder
  uint64_t device = 0;    // of the open's file_key
  std::chrono::milliseconds left{0};
  uint64_t size = 0;  // PreservedOpen::size and write_time
  FileTime write_time;
  bool has_descriptor = false;  // which goes beside the bytes
  PersistentOpen open;
};

inline constexpr uint16_t kHandedOpenVersion = 1;

// Nothing: filestate does not have it any more.
std::optional<HandedOpen> handed_open_of(const filestate::FileTable& file_table,
                                         const PreservedOpen& open, std::chrono::milliseconds left);

// The same of one that a client holds; it has no time that is left. May block.
std::optional<HandedOpen> handed_open_of(const filestate::FileTable& file_table, const Open& open);

Bytes encode(const HandedOpen& handed);
// kUnsupported: of a newer version.
Result<HandedOpen> decode_handed_open(ByteView bytes);

// Parks it as if it had lost its connection here. `share` is its share; `descriptor`: none where it
// has none, and then its file is found by its name. ESTALE: the descriptor is of another file.
// Otherwise the errors of restore_open(). Thread: one that may wait for the disk.
Result<filestate::OpenRef> take_handed(const RestoreParts& parts,
                                       std::shared_ptr<const Share> share, HandedOpen handed,
                                       UniqueFd descriptor);

// The same for one that a client holds, which filestate has by `token` then: as disconnected, and
// nobody else knows of it.
struct TakenOpen {
  PreservedOpen open;
  uint16_t channel_sequence = 0;
  bool is_as_it_was = true;  // else it may cache less than its client was told
};
Result<TakenOpen> take_held(const RestoreParts& parts, std::shared_ptr<const Share> share,
                            HandedOpen handed, UniqueFd descriptor, filestate::OpenToken token);

}  // namespace braid::smb2

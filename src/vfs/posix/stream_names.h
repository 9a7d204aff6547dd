// The names of the streams that are open.
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"
#include "base/ids.h"
#include "vfs/file.h"

namespace braid::vfs {

// A stream is found by its name each time, as an attribute has no other identity. So all opens of a
// stream have one StreamName, which a rename changes: otherwise those that did not ask for the
// rename would go on with a later stream of the old name. Keys are of the kernel's, so that a file
// in two shares is one file here, too: there is one for the process. Thread: any; for one file with
// its metadata lock held.
class StreamNames {
 public:
  static StreamNames& of_process();

  // That of the stream `key`, which is spelled so on the disk.
  std::shared_ptr<StreamName> of(const FileKey& key, std::string_view spelled);
  void renamed(const FileKey& from, const FileKey& to, std::string_view name);
  // Who has it open still keeps its name; a new stream of this name is another one.
  void removed(const FileKey& key);

 private:
  using Names = std::unordered_map<FileKey, std::weak_ptr<StreamName>>;
  struct Table {
    Names names;
    size_t sweep_at = 64;  // entries whose stream nobody has open go then
  };
  // No longer known; null for one that nobody has open.
  static std::shared_ptr<StreamName> take(Names& names, const FileKey& key);
  Guarded<Table> table_;
};

}  // namespace braid::vfs

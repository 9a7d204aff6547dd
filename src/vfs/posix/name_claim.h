// NameClaim: one at a time makes a name in a directory, whatever its spelling.
#pragma once

#include <optional>

#include "vfs/compared_name.h"
#include "vfs/names.h"
#include "vfs/posix/context.h"
#include "vfs/posix/renaming.h"

namespace braid::vfs {

// To the kernel "file" and "FILE" are two names and both are free, and to clients they are one: so
// who makes a name first holds this, looks once more whether it is there in another spelling, and
// makes it. The lock is one for all workers; local programs are not kept away.
class NameClaim {
 public:
  NameClaim(PosixContext& context, int directory, FileKey key, const Place& place)
      : context_(context),
        directory_(directory),
        key_(key),
        name_(to_client(place.name)),
        disk_name_(place.name),
        is_exact_(place.is_exact),
        lock_(context, key,
              fold_hash(context.options.composes_names ? compared_name(name_) : name_)) {}

  // How another name that is the same to clients is spelled; nothing when there is none. Whoever
  // makes a name has looked it up before, in pieces; what has changed since is read at once, since
  // a directory that changes all the time would never be read to its end in pieces.
  Result<std::optional<std::string>> other() {
    if (is_exact_) return std::nullopt;
    auto spelled = context_.index.find(directory_, key_, name_);
    // It may be searched but not read, on a server that is not root: the exact name is all there
    // is.
    if (!spelled && spelled.error().is_os(EACCES)) return std::nullopt;
    if (!spelled) return std::unexpected(spelled.error());
    if (*spelled && **spelled == disk_name_) return std::nullopt;
    if (*spelled && remove_stand_in({directory_, **spelled})) return std::nullopt;
    // Of names that differ in case only, the one that is meant is the one spelled so.
    if (*spelled && stat_in(directory_, disk_name_)) return std::nullopt;
    return spelled;
  }

 private:
  PosixContext& context_;
  const int directory_;
  const FileKey key_;
  const std::string name_;
  const std::string& disk_name_;
  const bool is_exact_;
  const MetadataLock lock_;
};

}  // namespace braid::vfs

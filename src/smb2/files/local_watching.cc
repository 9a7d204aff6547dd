#include "smb2/files/local_watching.h"

#include <sys/stat.h>

#include <utility>

#include "base/log.h"

namespace braid::smb2 {

using filestate::Caching;

bool LocalWatching::watch(const FileKey& key, const vfs::File& file) {
  const int descriptor = file.descriptor();
  if (descriptor < 0 || key.stream != 0) return false;
  const auto done = watch_.watch(key, descriptor, file.is_directory());
  if (!done && !told_.exchange(true)) {
    log::info(
        "clients are not told when local programs change a file that they cache: {}. Where that "
        "matters: local_access = \"strict\"",
        done.error().message());
  }
  return done.has_value();
}

void LocalWatching::granted(const FileKey& key, vfs::File& file, vfs::Attributes& attributes) {
  if (!watch(key, file)) return;
  // What happened between the look at the file and now nobody is going to tell.
  struct stat now{};
  if (::fstat(file.descriptor(), &now) != 0) return;
  if (to_file_time(now.st_ctim) == attributes.changed &&
      static_cast<uint64_t>(now.st_size) == attributes.size) {
    return;
  }
  if (auto again = file.stat()) attributes = *std::move(again);
}

void LocalWatching::keeps(const FileKey& key, const vfs::File& file) { (void)watch(key, file); }

void LocalWatching::closed(const FileKey& of, const vfs::File* file) {
  if (!watch_.is_used()) return;
  const FileKey key{.device = of.device, .inode = of.inode};
  const uint64_t use = watch_.use_of(key);
  if (use == 0 || filestate::any(table_.held(key))) return;
  watch_.unwatch(key, use, file ? file->descriptor() : -1);
}

void LocalWatching::gave_away(const FileKey& of, const vfs::File* file) {
  const FileKey key{.device = of.device, .inode = of.inode};
  watch_.unwatch(key, watch_.use_of(key), file ? file->descriptor() : -1);
}

void LocalWatching::changed_elsewhere(std::span<const FileKey> files) {
  for (const FileKey& file : files) table_.take_for_local(file, Caching::kReadWriteHandle);
}

}  // namespace braid::smb2

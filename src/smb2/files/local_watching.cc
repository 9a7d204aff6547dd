#include "smb2/files/local_watching.h"

#include <cerrno>
#include <memory>

#include "base/log.h"

namespace braid::smb2 {

using filestate::Caching;

LocalWatching::Watch LocalWatching::watch(const FileKey& key, const vfs::File& file,
                                          Caching granted) {
  const int descriptor = file.descriptor();
  if (descriptor < 0 || key.stream != 0) return {.kept = granted, .until_closed = nullptr};
  const auto done = watch_->watch(key, descriptor, file.is_directory());
  if (done) {
    // The number keeps its meaning: what it belongs to is closed after this.
    const auto end = [watch = watch_, key, descriptor](const void*) {
      watch->unwatch(key, descriptor);
    };
    return {.kept = granted, .until_closed = std::shared_ptr<const void>(watch_.get(), end)};
  }
  if (done.error().is_os(ENOSPC)) {
    if (!told_full_.exchange(true)) {
      log::warn(
          "clients cache nothing more in shares with local_access = \"notify\": the kernel lets "
          "this user watch no more files. Raise fs.fanotify.max_user_marks (sysctl), or start "
          "braidd as root");
    }
    return {};
  }
  if (!told_none_.exchange(true)) {
    log::info(
        "clients are not told when local programs change a file that they cache: {}. Where that "
        "matters: local_access = \"strict\"",
        done.error().message());
  }
  return {.kept = granted, .until_closed = nullptr};
}

void LocalWatching::changed_elsewhere(std::span<const FileKey> files) {
  for (const FileKey& file : files) table_.take_for_local(file, Caching::kReadWriteHandle);
}

}  // namespace braid::smb2

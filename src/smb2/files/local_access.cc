#include "smb2/files/local_access.h"

#include <utility>

#include "smb2/files/file_services.h"
#include "smb2/files/local_guarding.h"
#include "smb2/files/local_watching.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

LocalAccessTerms see_to_local_programs(FileServices& files, const Share& share, const FileKey& key,
                                       const vfs::File& file, filestate::Caching granted,
                                       filestate::Account account, GuardedBefore before) {
  switch (share.local_access) {
    case config::LocalAccess::kNone:
      break;
    case config::LocalAccess::kNotify: {
      auto watch = files.local_watching->watch(key, file, granted);
      return {.kept = watch.kept, .watch = std::move(watch.until_closed)};
    }
    case config::LocalAccess::kStrict:
      return {.kept = before == GuardedBefore::kByProcessBefore
                          ? files.local_guarding->inherit(key, file, granted, account)
                          : files.local_guarding->guard(key, file, granted, account),
              .watch = nullptr};
  }
  return {.kept = granted, .watch = nullptr};
}

}  // namespace braid::smb2

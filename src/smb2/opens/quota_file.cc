#include "smb2/opens/quota_file.h"

#include "smb2/opens/open.h"
#include "wire/fold.h"

namespace braid::smb2 {

bool is_quota_file_name(std::string_view name) {
  return wire::equal_fold(name, "$Extend\\$Quota:$Q:$INDEX_ALLOCATION");
}

bool may_manage_quotas(const Principal& principal) {
  return principal.identity->is_admin || principal.identity->uid == 0;
}

// It has no times, since it is on no disk.
QuotaFile::QuotaFile(const vfs::Features& features) {
  // No file of a file system has this inode number.
  attributes_.key = {features.device, 0, 0};
  // As Windows shows it, for which it is an index.
  attributes_.dos_attributes =
      vfs::dos::kHidden | vfs::dos::kSystem | vfs::dos::kDirectory | vfs::dos::kArchive;
  attributes_.mode = 0666;
}

QuotaFile* QuotaFile::of(const Open& open) { return dynamic_cast<QuotaFile*>(open.file.get()); }

}  // namespace braid::smb2

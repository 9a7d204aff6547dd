#include "smb2/files/directory_leases.h"

#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/opens/open.h"

namespace braid::smb2 {

void child_changed(FileServices& files, const Open& open) {
  if (!files.has_directory_leases()) return;
  const auto located = locate(files, open, open.credentials);
  if (!located) return;
  files.file_table.child_changed(located->place.parent->key(), open.parent_lease());
}

}  // namespace braid::smb2

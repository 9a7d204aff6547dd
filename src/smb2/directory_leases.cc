#include "smb2/directory_leases.h"

#include "smb2/open.h"
#include "smb2/open_name.h"
#include "smb2/server.h"

namespace braid::smb2 {

void child_changed(Server& server, const Open& open) {
  if (!server.has_directory_leases) return;
  const auto located = locate(server, open, open.credentials);
  if (!located) return;
  server.file_table.child_changed(located->place.parent->key(), open.parent_lease());
}

}  // namespace braid::smb2

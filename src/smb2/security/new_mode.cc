#include "smb2/security/new_mode.h"

#include "smb2/security/unix_mapping.h"

namespace braid::smb2 {

uint32_t new_mode(const Share& share, const FileSecurity& directory, bool is_directory) {
  const uint32_t all = is_directory ? 0777 : 0666;
  if (!directory.default_list.empty()) return all;
  const auto& given = is_directory ? share.directory_mask : share.create_mask;
  const uint32_t mask = given ? *given : usual_mask(directory.attributes.mode);
  return (all & mask) | private_mode(is_directory);
}

}  // namespace braid::smb2

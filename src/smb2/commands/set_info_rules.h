// What setting each information class takes. [MS-SMB2] 3.3.5.21.1 "Handling SMB2_0_INFO_FILE".
#pragma once

#include <cstdint>
#include <optional>

#include "wire/fscc/info_class.h"

namespace braid::smb2 {

struct SetInfoRule {
  // Any of these must have been granted to the handle; 0: any handle may.
  uint32_t needed_access = 0;
  // Refused on a read-only share: it changes more than the handle.
  bool changes_file = true;
};

// Nothing for a class that nobody sets. Every class has a row: one without does not compile.
std::optional<SetInfoRule> set_info_rule(wire::FileInfoClass info_class);

}  // namespace braid::smb2

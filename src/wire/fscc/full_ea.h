// Extended attributes as OS/2 and Windows know them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace braid::wire {

// [MS-FSCC] 2.4.16 "FileFullEaInformation". Names are bytes, by rule ASCII; an empty value in a set
// deletes the attribute.
struct FullEa {
  static constexpr uint8_t kNeedEa = 0x80;

  uint8_t flags = 0;
  std::string name;
  Bytes value;

  bool operator==(const FullEa&) const = default;
};

// A list is refused whole: faults give kEaListInconsistent, as the entry's position is then no use
// to anybody. `error_offset`, if not null, says where the offending entry began.
Result<std::vector<FullEa>> decode_full_eas(ByteView buffer, size_t* error_offset = nullptr);

// [MS-FSCC] 2.4.16.1 "FILE_GET_EA_INFORMATION": the names a query asks for.
Result<std::vector<std::string>> decode_ea_names(ByteView buffer);
Bytes encode_ea_names(const std::vector<std::string>& names);

// As many whole entries as fit in `limit`; `count` says how many.
Bytes encode_full_eas(const std::vector<FullEa>& eas, size_t limit, size_t* count = nullptr);

// What FileEaInformation.EaSize and the EaSize of directory entries say for the list; 0 for none.
// OS/2 counts a 4-byte total and 4 bytes, name, zero and value for each.
uint32_t ea_size(const std::vector<FullEa>& eas);

// STATUS_INVALID_EA_NAME unless the name is 1 to 254 bytes of the characters the section allows.
Result<void> validate_ea_name(std::string_view name);

}  // namespace braid::wire

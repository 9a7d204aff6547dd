// Where in a file a request may begin and end.
#pragma once

#include <cstdint>

namespace braid::smb2 {

// Offsets and ends of ranges are signed numbers of 64 bits: [MS-FSCC] 2.4.14
// "FileEndOfFileInformation".
inline constexpr uint64_t kOffsetMax = ~uint64_t{0} >> 1;

}  // namespace braid::smb2

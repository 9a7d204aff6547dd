// What a client may have asked for when the kernel only says "data" or "metadata".
#pragma once

#include <cstdint>

#include "wire/smb2/change_notify.h"

namespace braid::smb2 {

inline constexpr uint32_t kFilterOfData =
    wire::CompletionFilter::kSize | wire::CompletionFilter::kLastWrite;
// Times, mode, owner, extended attributes: the kernel does not tell them apart.
inline constexpr uint32_t kFilterOfMetadata =
    wire::CompletionFilter::kAttributes | wire::CompletionFilter::kLastWrite |
    wire::CompletionFilter::kLastAccess | wire::CompletionFilter::kCreation |
    wire::CompletionFilter::kEa | wire::CompletionFilter::kSecurity;

}  // namespace braid::smb2

#include "rpc/handle_table.h"

#include <cstring>

namespace braid::rpc {

wire::NdrContextHandle HandleTable::open(const HandleEntry& entry) {
  wire::NdrContextHandle handle;
  if (entries_.size() >= kHandlesMax) return handle;
  const uint64_t number = next_++;
  std::memcpy(handle.uuid.bytes.data(), &number, sizeof number);
  handle.uuid.bytes[15] = static_cast<uint8_t>(entry.kind) + 1;
  entries_.emplace(handle, entry);
  return handle;
}

std::optional<HandleEntry> HandleTable::find(const wire::NdrContextHandle& handle,
                                             HandleKind kind) const {
  const auto it = entries_.find(handle);
  if (it == entries_.end() || it->second.kind != kind) return std::nullopt;
  return it->second;
}

bool HandleTable::close(const wire::NdrContextHandle& handle) {
  return entries_.erase(handle) != 0;
}

}  // namespace braid::rpc

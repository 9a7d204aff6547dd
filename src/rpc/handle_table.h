// Context handles of one pipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "wire/dtyp/sid.h"
#include "wire/ndr/ndr_reader.h"

namespace braid::rpc {

enum class HandleKind : uint8_t { kLsaPolicy, kSamServer, kSamDomain, kSamUser };

struct HandleEntry {
  HandleKind kind = HandleKind::kLsaPolicy;
  wire::Sid sid;  // what a domain or user handle stands for
};

// A handle means something on the pipe it was opened on only, and ends with it. Thread: the pipe's.
class HandleTable {
 public:
  // Clients open a handful; beyond this one leaks them.
  static constexpr size_t kHandlesMax = 128;

  // The null handle if the table is full.
  wire::NdrContextHandle open(const HandleEntry& entry);
  // Empty unless the handle is open and of that kind.
  std::optional<HandleEntry> find(const wire::NdrContextHandle& handle, HandleKind kind) const;
  // False if it was not open.
  bool close(const wire::NdrContextHandle& handle);

 private:
  std::map<wire::NdrContextHandle, HandleEntry> entries_;
  uint64_t next_ = 1;
};

}  // namespace braid::rpc

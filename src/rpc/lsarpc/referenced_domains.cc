#include "rpc/lsarpc/referenced_domains.h"

#include <algorithm>

namespace braid::rpc::lsarpc {
namespace {

// Nobody reads it; what Windows and Samba send.
constexpr uint32_t kMaxEntries = 32;

}  // namespace

uint32_t ReferencedDomains::index_of(std::string_view name, const wire::Sid& sid) {
  const auto it = std::find_if(domains_.begin(), domains_.end(),
                               [&](const Domain& domain) { return domain.sid == sid; });
  const auto index = static_cast<uint32_t>(it - domains_.begin());
  if (it == domains_.end()) domains_.push_back({std::string(name), sid});
  return index;
}

void ReferencedDomains::encode(wire::NdrWriter& out) const {
  const auto count = static_cast<uint32_t>(domains_.size());
  out.pointer(true);
  out.u32(count);
  out.pointer(count > 0);
  out.u32(kMaxEntries);
  if (count == 0) return;
  out.u32(count);
  for (const Domain& domain : domains_) {
    out.unicode_header_large(domain.name);
    out.pointer(true);
  }
  for (const Domain& domain : domains_) {
    out.unicode_body_large(domain.name);
    out.sid(domain.sid);
  }
}

}  // namespace braid::rpc::lsarpc

#include "apps/braidctl/complaints.h"

#include <utility>

namespace braid::braidctl {

std::optional<uint64_t> Complaints::count(const std::string& address, Instant now) {
  if (!known_.contains(address) && known_.size() >= kAddressesMax) {
    std::erase_if(known_, [&](const auto& each) { return now - each.second.said >= kEvery; });
    if (known_.size() >= kAddressesMax) return std::nullopt;
  }
  const auto [at, is_new] = known_.try_emplace(address);
  Known& known = at->second;
  ++known.since;
  if (!is_new && now - known.said < kEvery) return std::nullopt;
  known.said = now;
  return std::exchange(known.since, 0);
}

}  // namespace braid::braidctl

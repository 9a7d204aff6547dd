// RdmaListeners: where this server may be reached over network cards with RDMA, now.
#pragma once

#include <algorithm>
#include <vector>

#include "base/guarded.h"
#include "base/ip_address.h"
#include "network/offers.h"

namespace braid::network {

// Thread: any.
class RdmaListeners {
 public:
  // More than a server listens on; the process with the cards says them, and is not trusted.
  static constexpr size_t kAddressesMax = 256;

  // False: there are that many. Once said is enough.
  bool add(const IpAddress& address) {
    auto addresses = addresses_.lock();
    if (std::ranges::find(*addresses, address) != addresses->end()) return true;
    if (addresses->size() >= kAddressesMax) return false;
    addresses->push_back(address);
    return true;
  }
  void clear() { addresses_.lock()->clear(); }
  // Whether somebody listens anywhere.
  bool any() const { return !addresses_.lock()->empty(); }
  // Whether a client gets there over RDMA: somebody listens on that address, or on all that cards
  // have. iWARP is not served.
  bool covers(const Offer& offer) const {
    if (offer.rdma_is_iwarp) return false;
    const IpAddress& own = offer.address.address;
    auto addresses = addresses_.lock();
    return std::ranges::any_of(*addresses, [&](const IpAddress& listener) {
      return listener.same_address(own) ||
             (listener.is_unspecified() && listener.is_v4() == own.is_v4() &&
              !offer.rdma_device.empty());
    });
  }

 private:
  Guarded<std::vector<IpAddress>> addresses_;
};

}  // namespace braid::network

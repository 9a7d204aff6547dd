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
  void add(const IpAddress& address) { addresses_.lock()->push_back(address); }
  void clear() { addresses_.lock()->clear(); }
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

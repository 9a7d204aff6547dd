// Interfaces: this machine's addresses for its clients, kept current.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "network/netlink.h"
#include "network/offers.h"

namespace braid::network {

// The kernel queues a message for every change of a link or an address; they are taken in before
// each answer, so that the answer is right and nothing runs in between. Drivers are asked again
// after a change, and when the answer is older than kDetailsFresh: speeds and queues change without
// a message, and asking may wait for a driver.
// Thread: any; the calls may wait for a driver, so not on a reactor.
class Interfaces {
 public:
  static constexpr std::chrono::seconds kDetailsFresh{10};

  // `settings` is copied. Opens the socket it keeps, so that no client's question takes a
  // descriptor for good later on.
  explicit Interfaces(const config::Server& settings, const Clock& clock = system_clock());

  // Of a cluster, which tells of them. From the next answer on.
  void set_movable(MovableAddresses movable) { known_.lock()->movable = std::move(movable); }

  bool is_movable(const IpAddress& address) const { return known_.lock()->movable.has(address); }

  // All addresses with their verdicts. The error is the kernel's, of a machine without netlink.
  Result<std::vector<Offer>> judge(const Client& client) const;

 private:
  struct Known {
    std::optional<Netlink> netlink;
    NetworkState state;
    LinkDetailsTable details;
    MovableAddresses movable;
    Clock::Instant details_read{};
    bool has_details = false;
  };
  Result<void> refresh(Known& known) const;

  const config::Server settings_;
  const Clock& clock_;
  mutable Guarded<Known> known_;
};

}  // namespace braid::network

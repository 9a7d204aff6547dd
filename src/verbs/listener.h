// Listener: an address at which clients with RDMA arrive.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/reactor.h"
#include "transport/smbdirect/arrived.h"
#include "transport/socket_address.h"
#include "verbs/devices.h"

namespace braid::verbs {

using transport::smbdirect::Arrived;

// Who arrives is accepted when the callback has returned and the pair is still there, or when
// Arrived::accept is called.
enum class Accepting : uint8_t { kAtOnce, kWhenTold };

// [MS-SMBD] 3.1.7.2 "Connection Arrival", as far as the card has to do with it. Thread: its
// reactor's, where the callback runs and it ends.
class Listener {
 public:
  // On `address`, of one card, or the wildcard for all that there are and will be. Both outlive it.
  // ENODEV: there is no card, or none with that address. Who arrives on an iWARP card is rejected.
  static Result<std::unique_ptr<Listener>> make(Devices& devices, Reactor& reactor,
                                                const transport::SocketAddress& address,
                                                std::move_only_function<void(Arrived)> on_arrival,
                                                Accepting accepting = Accepting::kAtOnce);
  virtual ~Listener() = default;
  // As bound: also the port that the system chose where none was given.
  virtual transport::SocketAddress address() const = 0;
};

}  // namespace braid::verbs

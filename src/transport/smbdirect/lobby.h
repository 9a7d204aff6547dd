// Lobby: hears who connects over a card, up to his first message, before it is known who serves
// him.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/fair_shares.h"
#include "runtime/reactor.h"
#include "transport/smbdirect/arrived.h"
#include "transport/smbdirect/connection.h"

namespace braid::transport::smbdirect {

// What whoever serves offers, and so what a lobby before it has to offer, too. What clients send
// stands in memory that all connections share: so many credits hide the way there and back, as
// large data takes none.
constexpr Settings server_settings() {
  Settings settings;
  settings.receive_credit_max = 32;
  return settings;
}

struct LobbyLimits {
  size_t guests_max = 256;  // of which one peer has his share
  // From the connection to the first message, as over TCP.
  std::chrono::seconds time{10};
};

// A peer here has one credit at a time, for one receive that is posted: so when his first message,
// or its beginning, has come, nothing more is under way, and everything that he and this end know
// of each other follows from the packets he sent (Arrived::heard). A transport made with those goes
// on from there. Packets without data before that are answered, up to kHeardPacketsMax.
//
// Held by its owner. Thread: the reactor's.
class Lobby {
 public:
  // `first`: the data of his last packet, which lies in `arrived`.
  using Done = std::move_only_function<void(Arrived arrived, ByteView first)>;
  Lobby(Reactor& reactor, const Settings& settings, Done done, LobbyLimits limits = {},
        const Clock& clock = system_clock());
  ~Lobby();

  // Accepts him. Whom there is no room for, who says what no client says, and who takes too long is
  // let go.
  void add(Arrived arrived);
  size_t guests() const { return guests_.size(); }

  static constexpr size_t kHeardPacketsMax = 16;
  // The longest packet, and those without data.
  static constexpr size_t kHeardBytesMax = 9 * 1024;

 private:
  struct Guest;
  void wait(uint64_t number);
  void look(uint64_t number);
  // False: he is to go.
  bool take(Guest& guest, const QueuePair::Completion& completion);
  bool answer(Guest& guest);
  void drop(uint64_t number);

  Reactor& reactor_;
  const Settings settings_;
  Done done_;
  const LobbyLimits limits_;
  const Clock& clock_;
  FairShares<std::string> shares_;
  uint64_t next_ = 1;
  std::unordered_map<uint64_t, std::unique_ptr<Guest>> guests_;
  const std::shared_ptr<Lobby*> self_;  // null once this is gone
};

}  // namespace braid::transport::smbdirect

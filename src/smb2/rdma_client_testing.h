// A client with a network card that reaches memory: what it says is a RawClient's.
#pragma once

#include <future>
#include <utility>

#include "smb2/raw_client_testing.h"
#include "transport/smbdirect/queue_pair_testing.h"
#include "transport/smbdirect/smbdirect_transport.h"

namespace braid::smb2 {

// The two ends of a connection, on a reactor of the engine's, and the client's card, which its end
// owns.
struct RdmaEnds {
  std::pair<transport::TransportPtr, transport::TransportPtr> transports;
  transport::smbdirect::QueuePair* card = nullptr;
};

// Thread: the test's.
class RdmaClient : public RawClient {
 public:
  using PeerMay = transport::smbdirect::QueuePair::PeerMay;
  using Descriptor = wire::smbdirect::BufferDescriptorV1;

  // Over two cards in memory; `options` are the server's.
  explicit RdmaClient(Engine& engine, transport::smbdirect::TestLink link = {},
                      const transport::smbdirect::TransportOptions& options = {})
      : RdmaClient(engine, cable(engine.reactor(), link, options)) {
    test_card_ = static_cast<transport::smbdirect::TestQueuePair*>(card_);
  }
  RdmaClient(Engine& engine, RdmaEnds ends)
      : RawClient(engine, std::move(ends.transports)),
        reactor_(engine.reactor()),
        card_(ends.card) {}
  ~RdmaClient() { end_on_reactor(); }

  // The server's card reaches it from now on.
  Descriptor lend(MutableByteView memory, uint8_t access) {
    std::promise<Descriptor> lent;
    reactor_.post([&] { lent.set_value(card_->register_memory(memory, access).value()); });
    return lent.get_future().get();
  }
  // Keys that are valid now. REQUIRES: cards in memory.
  size_t lent() const { return test_card_->regions(); }

 private:
  static RdmaEnds cable(Reactor& reactor, transport::smbdirect::TestLink link,
                        const transport::smbdirect::TransportOptions& options) {
    using transport::smbdirect::make_smbdirect_transport;
    using transport::smbdirect::Role;
    auto [ours, theirs] = transport::smbdirect::TestQueuePair::make(link);
    RdmaEnds ends{{}, ours.get()};
    std::promise<void> done;
    reactor.post([&] {
      // Who accepts has a receive before there is a connection.
      ends.transports.second =
          make_smbdirect_transport(reactor, std::move(theirs), Role::kPassive, options);
      ends.transports.first = make_smbdirect_transport(reactor, std::move(ours), Role::kActive);
      done.set_value();
    });
    done.get_future().wait();
    return ends;
  }

  Reactor& reactor_;
  transport::smbdirect::QueuePair* card_;
  transport::smbdirect::TestQueuePair* test_card_ = nullptr;
};

}  // namespace braid::smb2

#include "verbs/listener.h"

#include <fcntl.h>
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "runtime/asio.h"
#include "verbs/endpoint.h"

namespace braid::verbs {

namespace asio = boost::asio;

namespace {

// Connections that the kernel keeps for a listener that has not looked yet.
constexpr int kBacklog = 128;

// Each waiter holds it: a callback may end the Listener.
class CardListener final : public Listener {
 public:
  CardListener(Devices& devices, Reactor& reactor,
               std::move_only_function<void(Arrived)> on_arrival, Accepting accepting)
      : state_(std::make_shared<State>(devices, reactor, std::move(on_arrival), accepting)) {}
  ~CardListener() override { state_->end(); }

  Result<void> listen(const transport::SocketAddress& address) {
    State& state = *state_;
    state.events = rdma_create_event_channel();
    if (!state.events) return fail_last_os();
    if (rdma_create_id(state.events, &state.id, nullptr, RDMA_PS_TCP) != 0 ||
        rdma_bind_addr(state.id, const_cast<sockaddr*>(address.data())) != 0 ||
        rdma_listen(state.id, kBacklog) != 0) {
      return fail_last_os();
    }
    fcntl(state.events->fd, F_SETFL, fcntl(state.events->fd, F_GETFL) | O_NONBLOCK);
    state.descriptor.assign(state.events->fd);
    state.wait();
    return {};
  }
  transport::SocketAddress address() const override {
    return {rdma_get_local_addr(state_->id), sizeof(sockaddr_storage)};
  }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(Devices& its_devices, Reactor& its_reactor,
          std::move_only_function<void(Arrived)> callback, Accepting how)
        : devices(its_devices),
          reactor(its_reactor),
          descriptor(reactor.context()),
          on_arrival(std::move(callback)),
          accepting(how) {}
    ~State() { end(); }

    void end() {
      if (descriptor.is_open()) descriptor.release();
      if (auto* mine = std::exchange(id, nullptr)) rdma_destroy_id(mine);
      if (auto* mine = std::exchange(events, nullptr)) rdma_destroy_event_channel(mine);
    }
    void wait() {
      descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                            [weak = weak_from_this()](const boost::system::error_code& failed) {
                              const auto self = weak.lock();
                              if (failed || !self || !self->events) return;
                              self->take_events();
                              if (self->events) self->wait();
                            });
    }
    void take_events() {
      rdma_cm_event* event = nullptr;
      while (events && rdma_get_cm_event(events, &event) == 0) {
        const bool is_arrival = event->event == RDMA_CM_EVENT_CONNECT_REQUEST;
        const bool is_removal = event->event == RDMA_CM_EVENT_DEVICE_REMOVAL;
        rdma_cm_id* const who = event->id;
        const uint8_t reads = event->param.conn.initiator_depth;
        rdma_ack_cm_event(event);
        if (is_arrival) arrive(who, reads);
        if (is_removal) devices.removed();
      }
    }
    // `reads`: how many the peer serves at once.
    void arrive(rdma_cm_id* who, uint8_t reads) {
      const auto endpoint = Endpoint::make(reactor, who);
      if (!endpoint) return;
      Endpoint& end = **endpoint;
      if (const auto made = end.make_queue_pair(devices); !made) {
        log::warn("rdma: {} is rejected: {}", end.peer().to_string(),
                  made.error().is_os(ENOTSUP) ? "iWARP is not served" : made.error().message());
        rdma_reject(end.id(), nullptr, 0);
        return;
      }
      Arrived arrived{end.take_queue_pair(), end.peer(), end.local()};
      if (accepting == Accepting::kWhenTold) {
        // An id that goes without is rejected by the kernel.
        arrived.accept = [weak = std::weak_ptr(endpoint.value()), reads] {
          if (const auto self = weak.lock(); self && !self->is_abandoned()) accept(*self, reads);
        };
        return on_arrival(std::move(arrived));
      }
      on_arrival(std::move(arrived));
      if (end.is_abandoned()) {
        rdma_reject(end.id(), nullptr, 0);
        return;
      }
      accept(end, reads);
    }
    static void accept(Endpoint& end, uint8_t reads) {
      rdma_conn_param settings{};
      // Nobody reads here.
      settings.responder_resources = 0;
      settings.initiator_depth = std::min(reads, end.device().reads_max);
      settings.retry_count = 7;
      settings.rnr_retry_count = 6;  // some seconds; 7 would be for ever
      if (rdma_accept(end.id(), &settings) != 0) {
        log::info("rdma: {} cannot be accepted: {}", end.peer().to_string(),
                  Error::last_os_error().message());
        end.disconnect();
      }
    }

    Devices& devices;
    Reactor& reactor;
    asio::posix::stream_descriptor descriptor;
    std::move_only_function<void(Arrived)> on_arrival;
    const Accepting accepting;
    rdma_event_channel* events = nullptr;
    rdma_cm_id* id = nullptr;
  };

  const std::shared_ptr<State> state_;
};

}  // namespace

Result<std::unique_ptr<Listener>> Listener::make(Devices& devices, Reactor& reactor,
                                                 const transport::SocketAddress& address,
                                                 std::move_only_function<void(Arrived)> on_arrival,
                                                 Accepting accepting) {
  auto listener =
      std::make_unique<CardListener>(devices, reactor, std::move(on_arrival), accepting);
  BRAID_CHECK(listener->listen(address));
  return listener;
}

}  // namespace braid::verbs

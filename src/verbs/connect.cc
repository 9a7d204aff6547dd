#include "verbs/connect.h"

#include <algorithm>
#include <cerrno>

#include "runtime/one_shot.h"
#include "verbs/endpoint.h"

namespace braid::verbs {
namespace {

// What is next; 0: an event is awaited; other: an errno.
int next_step(Endpoint& endpoint, Devices& devices, rdma_cm_event_type event, int status,
              int timeout_ms) {
  switch (event) {
    case RDMA_CM_EVENT_ADDR_RESOLVED:
      return rdma_resolve_route(endpoint.id(), timeout_ms) == 0 ? 0 : errno;
    case RDMA_CM_EVENT_ROUTE_RESOLVED: {
      if (const auto made = endpoint.make_queue_pair(devices); !made) {
        return made.error().os_error();
      }
      rdma_conn_param settings{};
      settings.responder_resources = endpoint.device().reads_served_max;
      settings.initiator_depth = 0;  // it is the server who reads
      settings.retry_count = 7;
      settings.rnr_retry_count = 6;  // some seconds; 7 would be for ever
      return rdma_connect(endpoint.id(), &settings) == 0 ? 0 : errno;
    }
    case RDMA_CM_EVENT_ADDR_ERROR:
    case RDMA_CM_EVENT_ROUTE_ERROR:
      return status < 0 ? -status : EHOSTUNREACH;
    case RDMA_CM_EVENT_REJECTED:
      return ECONNREFUSED;
    case RDMA_CM_EVENT_UNREACHABLE:
      return ETIMEDOUT;
    case RDMA_CM_EVENT_CONNECT_ERROR:
    case RDMA_CM_EVENT_DISCONNECTED:
    case RDMA_CM_EVENT_DEVICE_REMOVAL:
      return ECONNRESET;
    default:
      return 0;
  }
}

}  // namespace

Task<Result<Connected>> connect(Devices& devices, Reactor& reactor,
                                transport::SocketAddress address,
                                std::chrono::milliseconds timeout) {
  BRAID_CO_TRY(const auto endpoint, Endpoint::make(reactor));
  const auto timeout_ms = static_cast<int>(timeout.count());
  const auto result = std::make_shared<OneShot<int>>();
  endpoint->on_event(
      [&devices, result, timeout_ms, raw = endpoint.get()](rdma_cm_event_type event, int status) {
        if (result->is_set()) return;
        const int failed = next_step(*raw, devices, event, status, timeout_ms);
        if (failed != 0 || event == RDMA_CM_EVENT_ESTABLISHED) result->set(failed);
      });
  if (rdma_resolve_addr(endpoint->id(), nullptr, const_cast<sockaddr*>(address.data()),
                        timeout_ms) != 0) {
    co_return fail_last_os();
  }
  Timer timer(reactor);
  timer.start(timeout, [result] { result->set(ETIMEDOUT); });
  if (const int failed = co_await result->wait(reactor); failed != 0) co_return fail_os(failed);
  co_return Connected{endpoint->take_queue_pair(), endpoint->peer(), endpoint->local()};
}

}  // namespace braid::verbs

#include "client/exchange.h"

#include <cerrno>

namespace braid::client {

Task<Result<Response>> Exchange::response() {
  Timer timer(reactor_);
  if (!final_.is_set()) timer.start(timeout_, [this] { finish(fail_os(ETIMEDOUT)); });
  co_return co_await final_.wait(reactor_);
}

Task<std::optional<AsyncId>> Exchange::interim() {
  Timer timer(reactor_);
  if (!interim_.is_set()) timer.start(timeout_, [this] { finish(fail_os(ETIMEDOUT)); });
  co_return co_await interim_.wait(reactor_);
}

}  // namespace braid::client

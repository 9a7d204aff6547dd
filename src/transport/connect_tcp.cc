#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "runtime/asio.h"
#include "runtime/one_shot.h"
#include "transport/tcp_transport.h"

namespace braid::transport {

namespace asio = boost::asio;

Task<Result<TransportPtr>> connect_tcp(Reactor& reactor, SocketAddress address,
                                       std::chrono::nanoseconds timeout) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail_last_os();
  asio::posix::stream_descriptor descriptor(reactor.context(), fd);
  if (connect(fd, address.data(), address.size()) != 0) {
    if (errno != EINPROGRESS) co_return fail_last_os();
    auto result = std::make_shared<OneShot<int>>();
    Timer timer(reactor);
    timer.start(timeout, [result] { result->set(ETIMEDOUT); });
    descriptor.async_wait(
        asio::posix::stream_descriptor::wait_write,
        [result](const boost::system::error_code& failed) { result->set(failed ? ECANCELED : 0); });
    if (const int waited = co_await result->wait(reactor); waited != 0) co_return fail_os(waited);
    int failed = 0;
    socklen_t length = sizeof failed;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &length);
    if (failed != 0) co_return fail_os(failed);
  }
  descriptor.release();
  co_return make_tcp_transport(reactor, fd);
}

}  // namespace braid::transport

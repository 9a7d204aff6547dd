#include "apps/braidd/passed_on.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "apps/braidd/first_frame.h"
#include "apps/braidd/limits.h"
#include "apps/braidd/link.h"
#include "base/log.h"

namespace braid::braidd {

PassedOn::PassedOn(size_t index, size_t workers)
    : index_(index), workers_(workers), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

bool PassedOn::belongs_elsewhere(const ClientGuid& client) const {
  return worker_of(client, workers_) != index_;
}

void PassedOn::pass_on(UniqueFd socket, Buffer frame) {
  auto waiting = waiting_.lock();
  if (waiting->size() >= kPassedOnMax || frame.size() > kLinkMessageMax) {
    return log::warn("a connection was dropped: it could not be passed on to its worker");
  }
  waiting->push_back({std::move(socket), std::move(frame)});
  ::eventfd_write(wake_.get(), 1);
}

bool PassedOn::send(int link) {
  eventfd_t ignored;
  ::eventfd_read(wake_.get(), &ignored);
  auto waiting = waiting_.lock();
  while (!waiting->empty() && link >= 0) {
    const Waiting& next = waiting->front();
    const auto sent =
        send_message(link, MessageKind::kPassedOn, 0, next.socket.get(), next.frame.view());
    // Of a front that is gone, the link tells by itself.
    if (!sent && (sent.error().is_os(EAGAIN) || sent.error().is_os(EPIPE) ||
                  sent.error().is_os(ECONNRESET))) {
      break;
    }
    if (!sent) log::warn("a connection could not be passed on: {}", sent.error().message());
    waiting->pop_front();
  }
  return waiting->empty();
}

}  // namespace braid::braidd

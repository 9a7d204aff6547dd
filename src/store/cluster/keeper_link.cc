#include "store/cluster/keeper_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/socket_message.h"

namespace braid::store::cluster {
namespace {

void wake(int fd) {
  const uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

}  // namespace

KeeperLink::KeeperLink(UniqueFd link)
    : link_(std::move(link)), woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

auto KeeperLink::try_to_send(const KeeperMessage& message) -> Sent {
  KeeperMessage copy = message;
  std::array<iovec, 1> parts{{{&copy, sizeof copy}}};
  const auto sent = send_socket_message(link_.get(), parts);
  if (sent) return Sent::kDone;
  return sent.error().is_os(EAGAIN) ? Sent::kNoRoom : Sent::kNever;
}

void KeeperLink::send(const KeeperMessage& message) {
  const std::lock_guard lock(mutex_);
  if (kept_.empty() && try_to_send(message) != Sent::kNoRoom) return;
  if (kept_.size() < kKeptMax) kept_.push_back(message);
  if (kept_.size() == 1 || kept_.size() == kKeptMax) wake(woken_.get());
}

void KeeperLink::send_kept() {
  const std::lock_guard lock(mutex_);
  while (!kept_.empty() && try_to_send(kept_.front()) != Sent::kNoRoom) kept_.pop_front();
}

Result<KeeperMessage> KeeperLink::receive() {
  for (;;) {
    bool has_kept = false;
    {
      const std::lock_guard lock(mutex_);
      if (is_stopped_) return fail_os(ECANCELED);
      if (kept_.size() >= kKeptMax) return fail_os(ENOBUFS);
      has_kept = !kept_.empty();
    }
    const auto wanted = static_cast<short>(has_kept ? POLLIN | POLLOUT : POLLIN);
    std::array<pollfd, 2> waits{{{link_.get(), wanted, 0}, {woken_.get(), POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    uint64_t times = 0;
    (void)!::read(woken_.get(), &times, sizeof times);
    if ((waits[0].revents & POLLOUT) != 0) send_kept();
    if ((waits[0].revents & ~POLLOUT) == 0) continue;
    KeeperMessage message;
    std::array<uint8_t, sizeof message> bytes{};
    const auto got = receive_socket_message(link_.get(), bytes);
    if (!got && got.error().is_os(EAGAIN)) continue;
    if (!got) return fail(got.error());
    if (got->size == 0) return fail_os(EPIPE);
    if (got->size != sizeof message || got->is_cut) return fail(Error::malformed());
    std::memcpy(&message, bytes.data(), sizeof message);
    return message;
  }
}

void KeeperLink::stop() {
  const std::lock_guard lock(mutex_);
  is_stopped_ = true;
  wake(woken_.get());
}

}  // namespace braid::store::cluster

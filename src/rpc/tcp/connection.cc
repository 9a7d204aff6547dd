#include "rpc/tcp/connection.h"

#include <utility>

#include "base/log.h"
#include "rpc/witness/service.h"

namespace braid::rpc::tcp {

Connection::Connection(Parts parts)
    : reactor_(parts.reactor),
      host_(parts.host),
      place_(std::move(parts.place)),
      stream_(std::move(parts.stream)),
      witness_(parts.association.witness),
      number_(parts.association.number),
      server_host_(parts.association.server_address),
      stranger_{.account_name = {},
                .domain_name = {},
                .sid = {},
                .client_address = stream_->peer().host(),
                .is_anonymous = true},
      stranger_time_(parts.stranger_time),
      association_(parts.association) {}

Task<void> Connection::run(Bytes first) {
  const auto self = shared_from_this();
  Timer stranger_timer(reactor_);
  stranger_timer.start(stranger_time_, [this] {
    if (!is_known_) stream_->close();
  });
  Result<Bytes> bytes = std::move(first);
  while (bytes && co_await take(*std::move(bytes))) {
    co_await stream_->writable();
    // A stranger who sends without an end takes turns with everybody else of this reactor.
    co_await reactor_.next_turn();
    bytes = co_await stream_->receive();
  }
  is_over_ = true;
  association_.forget_requests();
  if (witness_) witness_->association_ended(number_);
  // What was answered before a fault, and the fault, still go out.
  co_await stream_->drained();
  stream_->close();
}

Task<Result<void>> Connection::take(Bytes bytes) {
  auto room = place_->memory()->try_take(bytes.size(), MemoryUse::kLasting);
  if (!room) {
    place_->memory()->budget().count_refusal();
    co_return fail(NtStatus::kInsufficientResources);
  }
  Result<void> taken = association_.receive(stranger_, bytes);
  for (;;) {
    const Result<void> settled = settle();
    if (!taken || !settled) co_return !taken ? taken : settled;
    const auto leg = association_.logon_due();
    if (!leg && !association_.has_more()) co_return Result<void>{};
    if (!leg) {
      co_await stream_->writable();
      co_await reactor_.next_turn();
      if (stream_->is_closed()) co_return fail(NtStatus::kConnectionDisconnected);
      taken = association_.go_on(stranger_);
      continue;
    }
    const auto step =
        co_await host_.judge({.reactor = reactor_,
                              .client_address = stranger_.client_address,
                              .connection = number_,
                              .leg = *leg,
                              .is_over = [stream = stream_.get()] { return stream->is_closed(); }});
    if (step && step->done && !step->identity->is_anonymous && !step->identity->is_guest) {
      is_known_ = true;
      place_->user_known(*step->identity);
    }
    taken = association_.logged_on(stranger_, step);
  }
}

Result<void> Connection::settle() {
  for (Bytes& answer : std::exchange(association_.answers(), {})) {
    association_.forget(answer.size());
    stream_->send(std::move(answer));
  }
  const size_t registrations = witness_ ? witness_->size_of(number_) : 0;
  const size_t held =
      association_.held_size() + registrations * kRegistrationSize + stream_->unsent();
  memory_.shrink_to(held);
  if (held == memory_.size()) return {};
  auto more = place_->memory()->try_take(held - memory_.size(), MemoryUse::kLasting);
  if (!more) {
    log::info("{}: an RPC connection holds more than there is memory for; it is ended",
              stranger_.client_address);
    place_->memory()->budget().count_refusal();
    return fail(NtStatus::kInsufficientResources);
  }
  memory_.merge(std::move(*more));
  return {};
}

void Connection::complete(witness::Completion completion) {
  reactor_.post([self = shared_from_this(), completion = std::move(completion)] {
    if (self->is_over_) return;
    const auto answered = self->association_.complete(completion.call.number, FaultStatus::kNone,
                                                      completion.encode());
    if (!answered || !self->settle()) self->stream_->close();
  });
}

}  // namespace braid::rpc::tcp

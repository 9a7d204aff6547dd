#include "transport/smbdirect/lobby.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/log.h"

namespace braid::transport::smbdirect {

// The card has the memory until the pair is gone, so that goes first.
struct Lobby::Guest {
  Guest(Reactor& reactor, const Settings& settings, Clock::Instant now, Arrived who)
      : connection(Role::kPassive, settings, now), timer(reactor), arrived(std::move(who)) {}

  Connection connection;
  Timer timer;
  Buffer receive;
  std::vector<Buffer> sends;
  size_t sending = 0;       // posted and not completed
  bool is_heard = false;    // his first message is here
  bool is_refused = false;  // once he has been told
  ByteView first;
  Arrived arrived;
};

Lobby::Lobby(Reactor& reactor, const Settings& settings, Done done, LobbyLimits limits,
             const Clock& clock)
    : reactor_(reactor),
      settings_(settings),
      done_(std::move(done)),
      limits_(limits),
      clock_(clock),
      shares_(limits.guests_max),
      self_(std::make_shared<Lobby*>(this)) {}

Lobby::~Lobby() { *self_ = nullptr; }

void Lobby::add(Arrived arrived) {
  if (!shares_.take(arrived.peer.network())) {
    return log::debug("{}: has his share of connections that say nothing, dropped",
                      arrived.peer.host());
  }
  const uint64_t number = next_++;
  auto& guest = *(guests_[number] = std::make_unique<Guest>(reactor_, settings_, clock_.monotonic(),
                                                            std::move(arrived)));
  // One for all: there is never more than one.
  const size_t size = std::max(guest.connection.receive_size(), size_t{settings_.max_receive_size});
  guest.receive = guest.arrived.pair->memory(size);
  if (!guest.arrived.pair->post_receive(0, guest.receive.view())) return drop(number);
  guest.connection.posted(1);
  guest.timer.start(limits_.time, [this, number] { drop(number); });
  wait(number);
  if (auto accept = std::exchange(guest.arrived.accept, nullptr)) accept();
}

void Lobby::wait(uint64_t number) {
  guests_[number]->arrived.pair->when_completed(
      [weak = std::weak_ptr(self_), &reactor = reactor_, number] {
        reactor.post([weak, number] {
          if (const auto self = weak.lock(); self && *self) (*self)->look(number);
        });
      });
}

void Lobby::look(uint64_t number) {
  const auto found = guests_.find(number);
  if (found == guests_.end()) return;
  Guest& guest = *found->second;
  std::array<QueuePair::Completion, 8> completions;
  while (const size_t count = guest.arrived.pair->poll(completions)) {
    for (const auto& completion : std::span(completions).first(count)) {
      if (!take(guest, completion)) return drop(number);
    }
  }
  if (guest.is_refused && guest.sending == 0) return drop(number);
  // What was sent is reported before the pair is another's.
  if (!guest.is_heard || guest.sending > 0) return wait(number);
  const std::unique_ptr<Guest> leaving = std::move(found->second);
  guests_.erase(found);
  shares_.give_back(leaving->arrived.peer.network());
  done_(std::move(leaving->arrived), leaving->first);
}

bool Lobby::take(Guest& guest, const QueuePair::Completion& completion) {
  if (completion.status != QueuePair::Status::kDone) return false;
  if (completion.kind != QueuePair::Kind::kReceive) {
    --guest.sending;
    return true;
  }
  const ByteView packet = guest.receive.view().first(completion.size);
  auto& heard = guest.arrived.heard;
  size_t size = packet.size();
  for (const Bytes& each : heard) size += each.size();
  if (heard.size() == kHeardPacketsMax || size > kHeardBytesMax) return false;
  heard.emplace_back(packet.begin(), packet.end());
  const auto fragment = guest.connection.received(heard.back(), clock_.monotonic());
  if (!fragment) return false;
  if (fragment->is_empty()) return answer(guest);
  guest.is_heard = true;
  guest.first = fragment->data;
  return true;
}

// As a transport does that is given the same packets: one receive and one packet for each.
bool Lobby::answer(Guest& guest) {
  if (guest.connection.receives_wanted() > 0) {
    if (!guest.arrived.pair->post_receive(0, guest.receive.view())) return false;
    guest.connection.posted(1);
  }
  Buffer buffer = guest.arrived.pair->memory(guest.connection.send_buffer_size());
  const auto packet = guest.connection.next_packet(buffer.view(), clock_.monotonic());
  if (!packet) return !guest.connection.ended();
  if (!guest.arrived.pair->post_send(1, buffer.view().first(packet->size), {})) return false;
  ++guest.sending;
  guest.sends.push_back(std::move(buffer));
  guest.is_refused = guest.connection.ended().has_value();
  return true;
}

void Lobby::drop(uint64_t number) {
  const auto found = guests_.find(number);
  if (found == guests_.end()) return;
  log::debug("{}: said nothing that SMB begins with, dropped", found->second->arrived.peer.host());
  shares_.give_back(found->second->arrived.peer.network());
  guests_.erase(found);
}

}  // namespace braid::transport::smbdirect

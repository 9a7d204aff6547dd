#include "store/ctdb/cluster_bus.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace braid::store::ctdb {
namespace {

constexpr uint32_t bit_of(Topic topic) { return uint32_t{1} << static_cast<unsigned>(topic); }

Task<void> pass_on(Reactor& reactor, Client& client, uint32_t pnn, uint64_t to, Bytes message) {
  co_await reactor.next_turn();
  client.send(pnn, to, message);
}

}  // namespace

ClusterBus::ClusterBus(Reactor& reactor, Client& client, const BusPlace& place,
                       std::function<bool(size_t)> is_alive)
    : reactor_(reactor), client_(client), place_(place), is_alive_(std::move(is_alive)) {
  for (LaneState& each : lanes_) {
    each.outbound.lock()->resize(place.workers);
    each.inbound.resize(place.workers);
    each.told.resize(place.workers);
  }
}

ClusterBus::~ClusterBus() { stop(); }

uint32_t ClusterBus::topics_of(Lane lane) {
  uint32_t topics = 0;
  for (size_t i = 0; i < BusPacket::kTopics; ++i) {
    if (lane_of(static_cast<Topic>(i)) == lane) topics |= bit_of(static_cast<Topic>(i));
  }
  return topics;
}

void ClusterBus::handle(Topic topic, Handler handler, std::function<void()> missed) {
  subscriber(topic).handler = std::move(handler);
  subscriber(topic).missed = std::move(missed);
}

void ClusterBus::on_room(Topic topic, std::function<void(size_t)> has_room) {
  subscriber(topic).has_room = std::move(has_room);
}

void ClusterBus::want_room(size_t worker, Topic topic) {
  if (worker >= place_.workers) return;
  auto outbound = lane(lane_of(topic)).outbound.lock();
  Outbound& to = (*outbound)[worker];
  to.wants_room = true;
  go_on(worker, lane_of(topic), to);
}

bool ClusterBus::send(size_t worker, Topic topic, ByteView payload, int fd, IfFull if_full) {
  if (worker >= place_.workers || is_refused(topic)) return false;
  const Lane which = lane_of(topic);
  auto outbound = lane(which).outbound.lock();
  Outbound& to = (*outbound)[worker];
  const auto is_lost = [&] {
    if (!subscriber(topic).has_room) note_missed(worker, which, to, bit_of(topic));
    return false;
  };
  if (payload.size() > kPayloadMax) return is_lost();
  Bytes bytes(payload.begin(), payload.end());
  if (is_connected_ && has_window(to)) {
    put(worker, which, to, topic, fd >= 0, std::move(bytes));
    return true;
  }
  const bool may_wait =
      if_full == IfFull::kWait ||
      (if_full == IfFull::kWaitBounded && to.waiting_bytes + payload.size() <= kWaitingMax);
  if (!may_wait) return is_lost();
  to.waiting_bytes += bytes.size();
  to.waiting.push_back({topic, fd >= 0, std::move(bytes)});
  return true;
}

void ClusterBus::broadcast(Topic topic, ByteView payload, IfFull if_full) {
  for (size_t worker = 0; worker < place_.workers; ++worker) {
    if (worker == place_.own.index() || !is_alive_(worker)) continue;
    send(worker, topic, payload, -1, if_full);
  }
}

void ClusterBus::put(size_t worker, Lane which, Outbound& to, Topic topic, bool is_fd_lost,
                     Bytes payload) {
  to.sent += BusPacket::weight(payload.size());
  post(worker, {.from = place_.own,
                .kind = BusPacket::Kind::kMessage,
                .lane = which,
                .topic = topic,
                .is_fd_lost = is_fd_lost,
                .missed = std::exchange(to.missed, 0),
                .position = to.sent,
                .payload = payload});
}

// In the order in which this is called, as the lock of the lane is held. What the client does not
// take is found missing by the receiver, with the next message or when there is a connection again.
void ClusterBus::post(size_t worker, BusPacket packet) {
  Bytes bytes;
  wire::Writer w(bytes);
  packet.encode(w);
  const auto pnn = static_cast<uint32_t>(worker / place_.workers_on_node);
  sending_.spawn(pass_on(reactor_, client_, pnn, number_of(worker), std::move(bytes)));
}

void ClusterBus::note_missed(size_t worker, Lane which, Outbound& to, uint32_t topics) {
  to.missed |= topics;
  // With the next message that has room, if there is one; else by itself.
  // Of one that does not live, if it ever does: its node may be none of the cluster.
  if (!to.waiting.empty() || !is_connected_ || !is_alive_(worker)) return;
  post(worker, {.from = place_.own,
                .kind = BusPacket::Kind::kMissed,
                .lane = which,
                .missed = std::exchange(to.missed, 0),
                .position = to.sent});
}

void ClusterBus::go_on(size_t worker, Lane which, Outbound& to) {
  if (!is_connected_) return;
  while (!to.waiting.empty() && to.sent - to.taken < kWindow) {
    Outbound::Waiting next = std::move(to.waiting.front());
    to.waiting.pop_front();
    to.waiting_bytes -= next.payload.size();
    put(worker, which, to, next.topic, next.is_fd_lost, std::move(next.payload));
  }
  if (!to.wants_room || !has_window(to)) return;
  to.wants_room = false;
  LaneState& state = lane(which);
  const std::lock_guard lock(state.mutex);
  state.work.has_room |= uint64_t{1} << worker;
  state.added.notify_one();
}

void ClusterBus::on_connected() {
  if (is_stopped_) return;
  is_connected_ = true;
  begin_anew();
}

void ClusterBus::on_lost() { is_connected_ = false; }

void ClusterBus::on_reconfigured() { begin_anew(); }

void ClusterBus::ended(size_t worker) {
  for (size_t i = 0; i < kLaneCount; ++i) {
    const auto which = static_cast<Lane>(i);
    {
      auto outbound = lane(which).outbound.lock();
      Outbound& to = (*outbound)[worker];
      to.taken = to.sent;
      to.missed = 0;
      to.waiting.clear();
      to.waiting_bytes = 0;
      go_on(worker, which, to);
    }
    add_missed(which, topics_of(which));
  }
}

void ClusterBus::begin_anew() {
  for (size_t i = 0; i < kLaneCount; ++i) {
    const auto which = static_cast<Lane>(i);
    {
      auto outbound = lane(which).outbound.lock();
      for (size_t worker = 0; worker < place_.workers; ++worker) {
        Outbound& to = (*outbound)[worker];
        to.taken = to.sent;
        // What was not sent for want of a connection, or was on its way.
        note_missed(worker, which, to, topics_of(which));
        go_on(worker, which, to);
      }
    }
    add_missed(which, topics_of(which));
  }
}

void ClusterBus::add_missed(Lane which, uint32_t topics) {
  LaneState& state = lane(which);
  const std::lock_guard lock(state.mutex);
  state.work.missed |= topics;
  state.added.notify_one();
}

void ClusterBus::on_message(ByteView payload) {
  wire::Reader r(payload);
  const auto packet = BusPacket::decode(r);
  if (!packet || packet->from.index() >= place_.workers) {
    ++ignored_;
    return;
  }
  if (packet->kind == BusPacket::Kind::kTaken) return on_taken(*packet);
  if (packet->kind == BusPacket::Kind::kMessage && is_refused(packet->topic)) {
    ++ignored_;
    return;
  }
  LaneState& state = lane(packet->lane);
  Inbound& from = state.inbound[packet->from.index()];
  const bool is_message = packet->kind == BusPacket::Kind::kMessage;
  const uint64_t begins =
      packet->position - (is_message ? BusPacket::weight(packet->payload.size()) : 0);
  uint32_t missed = packet->missed;
  // Another life of it knows nothing of what this worker was to have from the last.
  const bool is_new = from.from != packet->from;
  const bool is_first = from.from.value == 0;
  if (is_new ? !is_first || begins != 0 : begins != from.position) {
    missed |= topics_of(packet->lane);
  }
  from.from = packet->from;
  from.position = packet->position;
  const std::lock_guard lock(state.mutex);
  state.work.missed |= missed;
  if (is_message) {
    // A sender that keeps to its window never gets here.
    if (state.work.bytes > 2 * kWindow * place_.workers) {
      state.work.missed |= bit_of(packet->topic);
      ++ignored_;
    } else {
      state.work.bytes += packet->payload.size();
      state.work.received.push_back({packet->topic, packet->from, packet->position,
                                     packet->is_fd_lost,
                                     Bytes(packet->payload.begin(), packet->payload.end())});
    }
  }
  state.added.notify_one();
}

void ClusterBus::on_taken(const BusPacket& packet) {
  if (packet.to != place_.own) return;  // of an earlier life
  const size_t worker = packet.from.index();
  auto outbound = lane(packet.lane).outbound.lock();
  Outbound& to = (*outbound)[worker];
  if (packet.position > to.sent || packet.position <= to.taken) return;
  to.taken = packet.position;
  go_on(worker, packet.lane, to);
}

void ClusterBus::start() {
  for (size_t i = 0; i < kLaneCount; ++i) {
    lanes_[i].thread = std::thread([this, i] { run(static_cast<Lane>(i)); });
  }
}

void ClusterBus::stop() {
  is_stopped_ = true;
  is_connected_ = false;
  for (LaneState& each : lanes_) {
    if (!each.thread.joinable()) continue;
    {
      const std::lock_guard lock(each.mutex);
      each.work.stops = true;
      each.added.notify_one();
    }
    each.thread.join();
  }
  sending_.wait();
}

void ClusterBus::run(Lane which) {
  LaneState& state = lane(which);
  for (;;) {
    Work now;
    {
      std::unique_lock lock(state.mutex);
      Work& work = state.work;
      state.added.wait(lock, [&] {
        return work.stops || !work.received.empty() || work.missed != 0 || work.has_room != 0;
      });
      if (work.stops) return;
      now.missed = std::exchange(work.missed, 0);
      now.has_room = std::exchange(work.has_room, 0);
      for (int i = 0; i < kTurn && !work.received.empty(); ++i) {
        work.bytes -= work.received.front().payload.size();
        now.received.push_back(std::move(work.received.front()));
        work.received.pop_front();
      }
    }
    handle_some(which, now);
  }
}

void ClusterBus::handle_some(Lane which, Work& work) {
  for (auto at = work.received.begin(); at != work.received.end(); ++at) {
    const Received& each = *at;
    BusMessage message{
        .from = each.from, .payload = each.payload, .fd = {}, .is_fd_lost = each.is_fd_lost};
    const Subscriber& to = subscriber(each.topic);
    if (to.handler) to.handler(message);
    // The last of its sender in this turn says for all.
    const bool is_last = std::none_of(at + 1, work.received.end(), [&](const Received& other) {
      return other.from == each.from;
    });
    if (is_last) tell_taken(which, each);
  }
  for (size_t i = 0; i < BusPacket::kTopics; ++i) {
    if ((work.missed >> i & 1) != 0 && subscribers_[i].missed) subscribers_[i].missed();
  }
  for (uint64_t left = work.has_room; left != 0; left &= left - 1) {
    const auto worker = static_cast<size_t>(std::countr_zero(left));
    for (size_t i = 0; i < BusPacket::kTopics; ++i) {
      if (lane_of(static_cast<Topic>(i)) == which && subscribers_[i].has_room) {
        subscribers_[i].has_room(worker);
      }
    }
  }
}

void ClusterBus::tell_taken(Lane which, const Received& last) {
  Told& told = lane(which).told[last.from.index()];
  if (told.from != last.from) told = {last.from, 0};
  if (!is_connected_ || last.position - told.position < kTellAfter) return;
  told.position = last.position;
  post(last.from.index(), {.from = place_.own,
                           .to = last.from,
                           .kind = BusPacket::Kind::kTaken,
                           .lane = which,
                           .position = last.position});
}

}  // namespace braid::store::ctdb

#include "store/datagram_bus.h"

#include <bit>
#include <cstring>
#include <utility>

namespace braid::store {
namespace {

constexpr size_t kTopics = static_cast<size_t>(Topic::kCount);

// All workers are the same program, so native order will do.
struct Heading {
  Topic topic;
  uint32_t from;
};

constexpr size_t kMessageMax = sizeof(Heading) + MessageBus::kPayloadMax;

ByteView bytes_of(const Heading& heading) {
  return {reinterpret_cast<const uint8_t*>(&heading), sizeof heading};
}

constexpr uint32_t bit_of(Topic topic) { return uint32_t{1} << static_cast<unsigned>(topic); }

constexpr uint32_t topics_of(Lane lane) {
  uint32_t topics = 0;
  for (size_t i = 0; i < kTopics; ++i) {
    if (lane_of(static_cast<Topic>(i)) == lane) topics |= bit_of(static_cast<Topic>(i));
  }
  return topics;
}

}  // namespace

auto DatagramBus::make_pairs() -> Result<Pairs> {
  Pairs pairs;
  for (DatagramLane::Pair& pair : pairs) {
    BRAID_TRY(pair, DatagramLane::make_pair(kMessageMax));
  }
  return pairs;
}

DatagramBus::DatagramBus(const SharedRegion& region, WorkerTag own, std::array<Ends, kLanes> ends)
    : region_(region), own_(own) {
  for (size_t i = 0; i < kLanes; ++i) {
    const auto which = static_cast<Lane>(i);
    lanes_[i] = std::make_unique<DatagramLane>(
        std::move(ends[i].receive), std::move(ends[i].send), kMessageMax,
        DatagramLane::Sink{
            .received = [this](ByteView message, UniqueFd fd,
                               bool is_fd_lost) { on_message(message, std::move(fd), is_fd_lost); },
            .turn_ends = [this, which] { tell_missed(which); },
            .has_room = [this, which](size_t worker) { tell_room(which, worker); }});
  }
}

DatagramBus::~DatagramBus() { stop(); }

void DatagramBus::handle(Topic topic, Handler handler, std::function<void()> missed) {
  subscriber(topic).handler = std::move(handler);
  subscriber(topic).missed = std::move(missed);
}

void DatagramBus::on_room(Topic topic, std::function<void(size_t)> has_room) {
  subscriber(topic).has_room = std::move(has_room);
}

// The lane's word is there first: tell_room() looks at it after it has taken the debt away.
void DatagramBus::want_room(size_t worker, Topic topic) {
  if (worker >= region_.workers()) return;
  lane(lane_of(topic)).want_room(worker);
  region_.slot(own_.index()).owed |= uint64_t{1} << worker;
}

bool DatagramBus::send(size_t worker, Topic topic, ByteView payload, int fd, IfFull if_full) {
  if (worker >= region_.workers()) return false;
  const Heading heading{topic, own_.value};
  if (payload.size() <= kPayloadMax &&
      lane(lane_of(topic)).send(worker, bytes_of(heading), payload, fd, if_full)) {
    return true;
  }
  if (!subscriber(topic).has_room) note_missed(worker, lane_of(topic), bit_of(topic));
  return false;
}

// It looks when a message wakes it: this one, or those that leave no room for it.
void DatagramBus::note_missed(size_t worker, Lane of, uint32_t topics) {
  region_.slot(worker).missed_topics |= topics;
  const Heading wake{Topic::kCount, own_.value};
  (void)lane(of).send(worker, bytes_of(wake), {}, -1, IfFull::kMiss);
}

void DatagramBus::broadcast(Topic topic, ByteView payload, IfFull if_full) {
  for (size_t worker = 0; worker < region_.workers(); ++worker) {
    if (worker == own_.index() || region_.slot(worker).tag == 0) continue;
    send(worker, topic, payload, -1, if_full);
  }
}

void DatagramBus::start() {
  for (const auto& each : lanes_) each->start();
}

void DatagramBus::stop() {
  for (const auto& each : lanes_) each->stop();
}

void DatagramBus::tell_owed(uint64_t workers) {
  for (; workers != 0; workers &= workers - 1) {
    const auto worker = static_cast<size_t>(std::countr_zero(workers));
    for (const Lane each : {Lane::kControl, Lane::kChanges}) {
      note_missed(worker, each, topics_of(each));
    }
  }
}

void DatagramBus::on_message(ByteView message, UniqueFd fd, bool is_fd_lost) {
  if (message.size() < sizeof(Heading)) return;
  Heading heading;
  std::memcpy(&heading, message.data(), sizeof heading);
  if (heading.topic >= Topic::kCount) return;
  const Subscriber& to = subscriber(heading.topic);
  BusMessage received{.from = {heading.from},
                      .payload = message.subspan(sizeof heading),
                      .fd = std::move(fd),
                      .is_fd_lost = is_fd_lost};
  if (to.handler) to.handler(received);
}

void DatagramBus::tell_missed(Lane which) {
  auto& missed = region_.slot(own_.index()).missed_topics;
  const uint32_t topics = topics_of(which);
  if ((missed & topics) == 0) return;
  const uint32_t told = missed.fetch_and(~topics) & topics;
  for (size_t i = 0; i < kTopics; ++i) {
    if ((told >> i & 1) != 0 && subscribers_[i].missed) subscribers_[i].missed();
  }
}

void DatagramBus::tell_room(Lane which, size_t worker) {
  for (size_t i = 0; i < kTopics; ++i) {
    if (lane_of(static_cast<Topic>(i)) == which && subscribers_[i].has_room) {
      subscribers_[i].has_room(worker);
    }
  }
  auto& owed = region_.slot(own_.index()).owed;
  const uint64_t bit = uint64_t{1} << worker;
  owed &= ~bit;
  if (lane(which).wants_room(worker)) owed |= bit;
}

}  // namespace braid::store

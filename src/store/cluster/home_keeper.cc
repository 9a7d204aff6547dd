#include "store/cluster/home_keeper.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/sip_hash.h"
#include "store/cluster/cluster_records.h"

namespace braid::store::cluster {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDatabase = "braid_homes.tdb";
// Records under way at which no more is taken of what another node wants to be rid of.
constexpr size_t kMovingMax = 4096;
constexpr auto kLookEvery = 500ms;
constexpr auto kOfferEvery = 50ms;
constexpr size_t kOfferedAtOnce = 1024;
// What the database could not say may be had again.
constexpr auto kChangeAgain = 100ms;

}  // namespace

uint64_t HomeKeeper::random_number() {
  const SipKey key = random_sip_key();
  uint64_t number;
  std::memcpy(&number, key.data(), sizeof number);
  return number | 1;
}

HomeKeeper::HomeKeeper(HomeKeeperParts parts)
    : parts_(std::move(parts)),
      client_(parts_.reactor, {.socket_path = parts_.socket_path, .registered = {kNumber}}, *this),
      records_(parts_.region, kKeeperArena),
      life_(random_number()) {}

HomeKeeper::~HomeKeeper() = default;

void HomeKeeper::start() { client_.start(); }

Task<void> HomeKeeper::stop() {
  is_over_ = true;
  for (auto& [key, moving] : moving_) {
    if (moving.came) moving.came->set(false);
  }
  for (auto& [key, owned] : owned_) {
    if (owned.used) owned.used->set(false);
  }
  co_await client_.stop();
  co_await tasks_.join();
}

void HomeKeeper::fail(const std::string& why) {
  if (std::exchange(is_over_, true)) return;
  parts_.failed(why);
}

KeeperPacket HomeKeeper::packet(KeeperPacket::Kind kind) const {
  return {.kind = kind,
          .node = *node_,
          .life = life_,
          .worker = own_worker_,
          .process = static_cast<uint32_t>(::getpid()),
          .is_serving = is_serving_};
}

// That ctdbd did not answer in time, had no room for it, or cannot say, means nothing: a change
// looks at what is there. Others decide meanwhile whether this node goes on.
Task<Result<void>> HomeKeeper::change(Bytes key, ctdb::Records::Change change) {
  for (;;) {
    const auto changed = co_await homes_->change(key, change);
    if (changed || is_over_) co_return changed;
    const Error why = changed.error();
    if (!why.is_os(ETIMEDOUT) && !why.is_os(ENOBUFS) && !why.is_os(EREMOTEIO)) co_return changed;
    co_await parts_.reactor.sleep_for(kChangeAgain);
    if (is_over_) co_return changed;
  }
}

bool HomeKeeper::post(uint32_t node, const KeeperPacket& packet) {
  Bytes bytes;
  wire::Writer w(bytes);
  packet.encode(w);
  return client_.send(node, kNumber, bytes);
}

void HomeKeeper::on_connected(uint32_t pnn) {
  if (is_over_) return;
  if (pnn >= kNodesMax) {
    return fail(fmt::format("this is node {} of its cluster; braid knows nodes up to {}", pnn,
                            kNodesMax - 1));
  }
  node_ = pnn;
  tasks_.spawn(open_homes());
}

void HomeKeeper::on_lost(Error why) {
  fail(fmt::format("ctdbd at {} is lost: {}", parts_.socket_path, why.message()));
}

// ctdbd has no databases before the cluster's first recovery.
Task<void> HomeKeeper::open_homes() {
  bool is_said = false;
  while (!is_over_) {
    const auto database = co_await client_.attach(kDatabase);
    if (database && !parts_.open_file) {
      const auto where = co_await client_.file_of(*database);
      if (where) {
        auto file = ctdb::TdbFile::open(where->path, where->tdb_flags);
        if (!file) {
          co_return fail(fmt::format("{}: {}", where->path, file.error().message()));
        }
        file_ = std::move(*file);
      }
    } else if (database) {
      if (auto file = parts_.open_file(*database)) file_ = std::move(*file);
    }
    if (file_) {
      homes_ = std::make_unique<ctdb::Records>(parts_.reactor, client_, *file_, *database);
      break;
    }
    if (!is_over_ && !std::exchange(is_said, true)) {
      log::info("node {} waits for the cluster: ctdbd has no databases yet", *node_);
    }
    co_await parts_.reactor.sleep_for(kAskAgain);
  }
  if (is_over_ || !co_await find_term()) co_return;
  tasks_.spawn(watch());
  tasks_.spawn(keep_term());
  if (joins_later_) tasks_.spawn(join(*std::exchange(joins_later_, std::nullopt)));
}

void HomeKeeper::on_worker(const KeeperMessage& message) {
  if (is_over_ || is_term_over()) return;
  switch (message.kind) {
    case KeeperMessage::Kind::kBegin:
      if (term_ != 0ms) {
        tasks_.spawn(join({message.number, static_cast<uint32_t>(message.more)}));
      } else {
        joins_later_ = Joining{message.number, static_cast<uint32_t>(message.more)};
      }
      return;
    case KeeperMessage::Kind::kBring:
      return request(message.key, true);
    case KeeperMessage::Kind::kUsed: {
      const auto found = owned_.find(message.key);
      if (found == owned_.end()) return;
      found->second.is_used = true;
      if (const auto used = std::exchange(found->second.used, nullptr)) used->set(true);
      return;
    }
    default:
      return;
  }
}

void HomeKeeper::worker_ended(uint32_t process) {
  if (!node_ || process != own_process_) return;
  own_worker_ = {};
  parts_.region.slot(*node_).tag = 0;
  parts_.region.roster_version()++;
  for (const auto& [node, peer] : peers_) say_hello(node);
}

Task<void> HomeKeeper::watch() {
  while (!is_over_) {
    co_await look();
    count();
    co_await parts_.reactor.sleep_for(kLookEvery);
  }
}

void HomeKeeper::count() {
  uint32_t there = 1u << *node_;
  uint32_t serving = is_serving_ && !is_leaving_ ? there : 0;
  for (const auto& [node, peer] : peers_) {
    there |= 1u << node;
    if (peer.is_serving) serving |= 1u << node;
  }
  NodeCounts& counts = parts_.region.slot(kKeeperArena).counts;
  counts.records = owned_.size();
  counts.coming = moving_.size();
  counts.leaving = given_.size();
  counts.there = there;
  counts.serving = serving;
}

Task<void> HomeKeeper::look() {
  if (is_looking_) co_return;
  is_looking_ = true;
  const auto nodes = co_await client_.nodes();
  if (nodes && !is_over_) {
    for (const ctdb::Node& each : *nodes) {
      if (each.is_active()) continue;
      if (each.pnn == *node_ && is_serving_) {
        fail(
            fmt::format("this node is not part of the cluster any more (flags {:#x})", each.flags));
      } else if (each.pnn != *node_ && peers_.contains(each.pnn)) {
        peer_ended(each.pnn, "has left the cluster");
      }
    }
    std::vector<uint32_t> there;
    for (const auto& [node, peer] : peers_) there.push_back(node);
    for (const uint32_t node : there) {
      if (is_over_) break;
      const uint64_t life = peers_.contains(node) ? peers_[node].life : 0;
      const uint32_t process = peers_.contains(node) ? peers_[node].process : 0;
      const auto is_there = co_await client_.is_registered(node, process, kNumber);
      const bool is_same = peers_.contains(node) && peers_[node].life == life;
      if (is_there && !*is_there && is_same) peer_ended(node, "serves no more");
    }
  }
  if (!is_over_) ask_again();
  if (!is_over_) ask_for_receipts();
  is_looking_ = false;
}

void HomeKeeper::on_event(ctdb::ClusterEvent event, std::optional<IpAddress>) {
  if (event == ctdb::ClusterEvent::kReconfigured && homes_ && !is_over_) tasks_.spawn(look());
}

void HomeKeeper::on_message(uint64_t to, ByteView payload) {
  if (is_over_ || !node_ || to != kNumber || is_term_over()) return;
  wire::Reader r(payload);
  const auto got = KeeperPacket::decode(r);
  if (!got || got->node == *node_) return;
  if (got->to_life != 0 && got->to_life != life_) return;
  on_packet(*got);
}

void HomeKeeper::on_packet(const KeeperPacket& got) {
  if (got.kind == KeeperPacket::Kind::kHello) return on_hello(got);
  if (!is_known({.node = got.node, .life = got.life})) return;
  peers_[got.node].is_serving = got.is_serving;
  switch (got.kind) {
    case KeeperPacket::Kind::kBye:
      return on_bye(got);
    case KeeperPacket::Kind::kWant:
    case KeeperPacket::Kind::kFind:
      return on_want(got);
    case KeeperPacket::Kind::kNotHere:
      return on_not_here(got);
    case KeeperPacket::Kind::kRecord:
      return on_record(got);
    case KeeperPacket::Kind::kGot: {
      const auto given = given_.find(got.key);
      if (given != given_.end() && given->second.to.turn == got.turn &&
          given->second.to.life == got.life) {
        forget_given(got.key);
      }
      return;
    }
    case KeeperPacket::Kind::kTake:
      if (is_serving_ && !is_leaving_ && moving_.size() < kMovingMax) request(got.key, false);
      return;
    default:
      return;
  }
}

void HomeKeeper::leave() {
  if (std::exchange(is_leaving_, true) || is_over_) return;
  tasks_.spawn(say_goodbye());
}

Task<void> HomeKeeper::say_goodbye() {
  const auto end = std::chrono::steady_clock::now() + parts_.leave_max;
  while (!is_over_ && homes_) {
    const auto heir =
        std::ranges::find_if(peers_, [](const auto& each) { return each.second.is_serving; });
    if (peers_.empty()) break;
    std::vector<RecordKey> here;
    records_.for_each([&](const RecordKey& key, ByteView value) {
      if (!is_own_and_empty(value)) here.push_back(key);
    });
    if (here.empty() && given_.empty() && moving_.empty()) break;
    // Without a goodbye: they find out that it has ended, and do not go on without the records.
    if (std::chrono::steady_clock::now() >= end) {
      co_return fail(
          fmt::format("the other nodes did not take what is open there of {} files within {} s: "
                      "they close all connections",
                      here.size() + given_.size() + moving_.size(),
                      std::chrono::duration<double>(parts_.leave_max).count()));
    }
    // One that serves may not have been heard yet.
    if (heir == peers_.end()) here.clear();
    // Whoever is to have them takes them all at once.
    if (here.size() > kOfferedAtOnce) here.resize(kOfferedAtOnce);
    for (const RecordKey& key : here) {
      KeeperPacket take = packet(KeeperPacket::Kind::kTake);
      take.key = key;
      take.to_life = heir->second.life;
      post(heir->first, take);
    }
    co_await parts_.reactor.sleep_for(kOfferEvery);
  }
  if (is_over_) co_return;
  if (node_) {
    // Nobody waits for the end of a term that nobody serves in.
    if (homes_ && std::exchange(is_member_, false)) {
      (void)co_await change_member(*node_, life_, std::nullopt);
    }
    if (is_over_) co_return;
    for (const auto& [node, peer] : peers_) post(node, packet(KeeperPacket::Kind::kBye));
    // ctdbd passes on what it has taken; an answer after it says that it has.
    (void)co_await client_.nodes();
  }
  if (!std::exchange(is_over_, true)) parts_.left();
}

}  // namespace braid::store::cluster

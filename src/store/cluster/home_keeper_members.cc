// HomeKeeper: which other nodes serve.
#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "store/cluster/home_keeper.h"
#include "store/ctdb/cluster_bus.h"

namespace braid::store::cluster {

// Nothing of this worker is seen by others before they know that it lives.
// Of several that began, only the last is there.
Task<void> HomeKeeper::join(Joining worker) {
  joins_next_ = worker;
  if (std::exchange(is_joining_, true)) co_return;
  while (!is_over_ && joins_next_) co_await join_once(*std::exchange(joins_next_, std::nullopt));
  is_joining_ = false;
}

Task<void> HomeKeeper::join_once(Joining worker) {
  own_process_ = worker.process;
  // As WorkerGroup::join() is going to make it.
  own_worker_ = WorkerTag::make(*node_, parts_.region.slot(*node_).lives);
  // Of two that begin at once, the one that writes second finds the first.
  const bool is_told = co_await tell_of_members(worker);
  while (is_told && !is_over_ && !joins_next_ && !co_await do_others_know()) {
    co_await parts_.reactor.sleep_for(kAskAgain);
  }
  if (!is_told || is_over_ || joins_next_) co_return;
  if (!std::exchange(is_serving_, true)) {
    log::info("node {} of the cluster serves, with {} others", *node_, peers_.size());
  }
  for (const auto& [node, peer] : peers_) say_hello(node, false);
  parts_.to_worker({.kind = KeeperMessage::Kind::kJoined, .number = worker.number, .more = *node_});
}

Task<bool> HomeKeeper::tell_of_members(Joining worker) {
  Bytes bytes;
  wire::Writer w(bytes);
  Member{.life = life_, .keeper = static_cast<uint32_t>(::getpid()), .worker = worker.process}
      .encode(w);
  const auto written =
      co_await homes_->change(member_key(*node_), [&](ByteView) { return std::optional(bytes); });
  if (!written && !is_over_) {
    fail(fmt::format("the database of ctdbd cannot be changed: {}", written.error().message()));
  }
  co_return written.has_value();
}

// That no process which has said there that it is about to serve has not ended.
Task<bool> HomeKeeper::is_nobody_there(uint32_t node) {
  std::optional<Member> member;
  bool is_read = true;
  const auto looked =
      co_await homes_->change(member_key(node), [&](ByteView is) -> std::optional<Bytes> {
        member.reset();
        if (is.empty()) return std::nullopt;
        wire::Reader r(is);
        const auto decoded = Member::decode(r);
        is_read = decoded.has_value();
        if (is_read) member = *decoded;
        return std::nullopt;
      });
  if (!looked || !is_read) co_return false;
  if (!member) co_return true;
  const auto keeper = co_await client_.is_registered(node, member->keeper, kNumber);
  if (!keeper || *keeper) co_return false;
  const auto worker =
      co_await client_.is_registered(node, member->worker, ctdb::ClusterBus::number_of(node));
  co_return worker && !*worker;
}

// Whoever is registered for the number of a keeper or worker there has not ended: it has to answer
// first, or to end, as it does when it hears that another life of this node has begun.
Task<bool> HomeKeeper::do_others_know() {
  const auto nodes = co_await client_.nodes();
  if (!nodes) co_return false;
  bool all = true;
  const WorkerTag worker = own_worker_;
  for (const ctdb::Node& each : *nodes) {
    if (each.pnn == *node_) {
      all = all && each.is_active();
      continue;
    }
    if (!each.is_active()) continue;
    const auto peer = peers_.find(each.pnn);
    if (peer != peers_.end() && peer->second.knows == own_worker_) continue;
    if (co_await is_nobody_there(each.pnn)) continue;
    all = false;
    say_hello(each.pnn, true);
  }
  // It may have ended meanwhile: nobody knows of one that is not there.
  co_return all&& worker.value != 0 && worker == own_worker_;
}

void HomeKeeper::say_hello(uint32_t node, bool wants_answer) {
  KeeperPacket hello = packet(KeeperPacket::Kind::kHello);
  hello.wants_answer = wants_answer;
  const auto peer = peers_.find(node);
  if (peer != peers_.end()) {
    hello.to_life = peer->second.life;
    hello.known = WorkerTag{parts_.region.slot(node).tag};
  }
  post(node, hello);
}

void HomeKeeper::set_worker(uint32_t node, WorkerTag tag) {
  WorkerSlot& slot = parts_.region.slot(node);
  if (slot.tag == tag.value) return;
  slot.tag = tag.value;
  // It is told of all changes, as what it watches is not known here.
  slot.watch_notice.watches = tag.value == 0 ? 0 : 1;
  slot.watch_notice.are_unknown = tag.value != 0;
  parts_.region.roster_version()++;
  parts_.to_worker({.kind = KeeperMessage::Kind::kRoster, .number = node});
}

void HomeKeeper::peer_ended(uint32_t node, const std::string& how) {
  const bool was_serving = peers_[node].is_serving;
  if (was_serving && is_serving_) {
    return fail(
        fmt::format("node {} {}, and with it what files were open there by clients of this node: "
                    "all connections are closed",
                    node, how));
  }
  forget_peer(node);
}

void HomeKeeper::forget_peer(uint32_t node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end()) return;
  const uint64_t life = peer->second.life;
  peers_.erase(peer);
  std::erase_if(given_, [&](const auto& each) { return each.second.to.life == life; });
  for (auto& [key, moving] : moving_) {
    if (moving.came && moving.from && moving.from->life == life) moving.came->set(false);
    if (moving.next && moving.next->life == life) moving.next.reset();
  }
  set_worker(node, {});
}

bool HomeKeeper::is_known(const Home& home) const {
  const auto peer = peers_.find(home.node);
  return peer != peers_.end() && peer->second.life == home.life;
}

void HomeKeeper::on_hello(const KeeperPacket& hello) {
  const auto before = peers_.find(hello.node);
  if (before != peers_.end() && before->second.life != hello.life) {
    peer_ended(hello.node, "has begun anew");
    if (is_over_) return;
  }
  if (is_leaving_ && !peers_.contains(hello.node)) return;
  Peer& peer = peers_[hello.node];
  peer.life = hello.life;
  peer.process = hello.process;
  peer.is_serving = hello.is_serving;
  if (hello.to_life == life_) peer.knows = hello.known;
  set_worker(hello.node, hello.worker);
  if (hello.wants_answer) say_hello(hello.node, false);
}

void HomeKeeper::on_bye(const KeeperPacket& bye) { forget_peer(bye.node); }

}  // namespace braid::store::cluster

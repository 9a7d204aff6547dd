// HomeKeeper: which other nodes serve.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/log.h"
#include "store/cluster/home_keeper.h"
#include "store/ctdb/cluster_bus.h"

namespace braid::store::cluster {
namespace {

using namespace std::chrono_literals;

// What ctdb may be told to take for death. Shorter, and a busy machine ends what is well; longer
// than the second, a node is taken for dead by others here, while ctdb waits.
constexpr std::chrono::seconds kDeadMin{2};
constexpr std::chrono::seconds kDeadMax{10};
// A fifth of the shortest term.
constexpr auto kAskEvery = 300ms;

constexpr const char* kGoneOnWithout =
    "this node did not answer the others, who go on without it: all connections are closed";
constexpr const char* kOtherVersion =
    "the cluster's database is another version's; upgrade this node";

int64_t nanoseconds(std::chrono::nanoseconds time) { return time.count(); }

// For its clock and this one's to be of one mind.
int64_t patience_with(const Member& member) {
  return nanoseconds(std::chrono::milliseconds(member.term_ms)) / 4 * 5;
}

Bytes encoded(const Member& member) {
  Bytes bytes;
  wire::Writer w(bytes);
  member.encode(w);
  return bytes;
}

}  // namespace

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
  const auto may_serve = [&] { return parts_.now() < parts_.region.serves_until(); };
  while (is_told && !is_over_ && !joins_next_ && !(co_await do_others_know() && may_serve())) {
    co_await parts_.reactor.sleep_for(kAskAgain);
  }
  if (!is_told || is_over_ || joins_next_) co_return;
  if (!std::exchange(is_serving_, true)) {
    log::info("node {} of the cluster serves, with {} others", *node_, peers_.size());
  }
  for (const auto& [node, peer] : peers_) say_hello(node);
  count();
  parts_.to_worker({.kind = KeeperMessage::Kind::kJoined, .number = worker.number, .more = *node_});
}

Task<bool> HomeKeeper::tell_of_members(Joining worker) {
  const Member own{.life = life_,
                   .keeper = static_cast<uint32_t>(::getpid()),
                   .worker = worker.process,
                   .term_ms = static_cast<uint32_t>(term_.count())};
  bool is_over = false;
  const int64_t begun_at = parts_.now();
  const auto written =
      co_await change(member_key(*node_), [&](ByteView is) -> std::optional<Bytes> {
        wire::Reader r(is);
        const auto before = Member::decode(r);
        is_over = before && before->life == life_ && before->is_over;
        return is_over ? std::nullopt : std::optional(encoded(own));
      });
  if (is_over_) co_return false;
  if (!written) {
    fail(fmt::format("the database of ctdbd cannot be changed: {}", written.error().message()));
  } else if (is_over) {
    fail(kGoneOnWithout);
  }
  is_member_ = written && !is_over;
  if (is_member_) member_at_ = begun_at;
  extend_term();
  co_return is_member_;
}

// Nothing: nobody there serves, or did and has left.
Task<Result<std::optional<Member>>> HomeKeeper::member_of(uint32_t node) {
  std::optional<Member> member;
  bool is_read = true;
  const auto looked = co_await change(member_key(node), [&](ByteView is) -> std::optional<Bytes> {
    member.reset();
    is_read = true;
    if (is.empty()) return std::nullopt;
    wire::Reader r(is);
    const auto decoded = Member::decode(r);
    is_read = decoded.has_value();
    if (is_read) member = *decoded;
    return std::nullopt;
  });
  if (!looked) co_return std::unexpected(looked.error());
  if (!is_read) co_return std::unexpected(Error::unsupported());
  co_return member;
}

Task<bool> HomeKeeper::change_member(uint32_t node, uint64_t life, std::optional<Member> to) {
  const auto changed = co_await change(member_key(node), [&](ByteView is) -> std::optional<Bytes> {
    wire::Reader r(is);
    const auto member = Member::decode(r);
    if (!member || member->life != life) return std::nullopt;
    return to ? encoded(*to) : Bytes();
  });
  co_return changed.has_value();
}

// True as well when it cannot be told.
Task<bool> HomeKeeper::is_registered(uint32_t node, const Member& member) {
  const auto keeper = co_await client_.is_registered(node, member.keeper, kNumber);
  if (!keeper || *keeper) co_return true;
  const auto worker =
      co_await client_.is_registered(node, member.worker, ctdb::ClusterBus::number_of(node));
  co_return !worker || *worker;
}

// That no process of that node serves which this one does not know. One that says nothing may be
// cut off, or stand still, and go on: it has ended when its term has, as whoever made that longer
// has found that the database takes it for a member. So that says to all that it is none, and from
// then on the term is waited for.
Task<bool> HomeKeeper::is_over_there(uint32_t node, bool is_active) {
  const auto member = co_await member_of(node);
  if (is_over_) co_return false;
  if (!member) {
    if (member.error() == Error::unsupported()) fail(kOtherVersion);
    co_return false;
  }
  if (!*member) {
    silent_.erase(node);
    co_return true;
  }
  if (!silent_.contains(node) || silent_[node].life != (*member)->life) {
    silent_[node] = {.life = (*member)->life, .asked_at = parts_.now()};
  }
  Silent silent = silent_[node];
  const int64_t patience = patience_with(**member);
  if (!silent.over_at) {
    const bool is_there = is_active && co_await is_registered(node, **member);
    if (is_over_ || (is_there && parts_.now() < silent.asked_at + patience)) co_return false;
    Member over = **member;
    over.is_over = true;
    if (!co_await change_member(node, over.life, over) || is_over_) co_return false;
    silent.over_at = parts_.now();
    silent_[node] = silent;
    log::info("node {} did not say goodbye: this one serves in {:.1f} s, when that has ended", node,
              static_cast<double>(patience) / 1e9);
  }
  if (parts_.now() < *silent.over_at + patience) co_return false;
  // Nobody has to wait for it again.
  if (!co_await change_member(node, silent.life, std::nullopt)) co_return false;
  silent_.erase(node);
  co_return true;
}

// Whoever has said in the database that he serves has to answer first, or to end, as he does when
// he hears that another life of this node has begun.
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
    if (each.pnn >= kNodesMax) continue;
    const auto peer = peers_.find(each.pnn);
    if (peer != peers_.end() && peer->second.knows == own_worker_) continue;
    if (peer == peers_.end() && co_await is_over_there(each.pnn, each.is_active())) continue;
    all = false;
    ask(each.pnn);
  }
  // It may have ended meanwhile: nobody knows of one that is not there.
  co_return all&& worker.value != 0 && worker == own_worker_;
}

// Before ctdb takes a node for dead, that has to have ended by itself.
Task<bool> HomeKeeper::find_term() {
  while (!is_over_) {
    const auto interval = co_await client_.tunable("KeepaliveInterval");
    const auto limit = co_await client_.tunable("KeepaliveLimit");
    if (is_over_) co_return false;
    if (interval && limit) {
      const std::chrono::seconds dead(uint64_t{*interval} * *limit);
      if (dead < kDeadMin) {
        fail(
            fmt::format("ctdbd takes a node for dead after {} s, and braid needs {} s at least: "
                        "raise KeepaliveInterval or KeepaliveLimit in ctdb.tunables",
                        dead / 1s, kDeadMin / 1s));
        co_return false;
      }
      term_ = std::chrono::milliseconds(std::min(dead, kDeadMax)) * 8 / 10;
      co_return true;
    }
    co_await parts_.reactor.sleep_for(kAskAgain);
  }
  co_return false;
}

// Asks again and again whether this node may go on.
Task<void> HomeKeeper::keep_term() {
  while (!is_over_ && !is_term_over()) {
    kept_at_ = parts_.now();
    for (const auto& [node, peer] : peers_) ask(node);
    if (is_member_ && !std::exchange(is_asking_database_, true)) tasks_.spawn(ask_database());
    co_await parts_.reactor.sleep_for(kAskEvery);
  }
}

Task<void> HomeKeeper::ask_database() {
  const int64_t asked_at = parts_.now();
  const auto member = co_await member_of(*node_);
  is_asking_database_ = false;
  if (is_over_ || !is_member_ || !member) co_return;
  if (*member && (*member)->life == life_ && !(*member)->is_over) {
    member_at_ = asked_at;
    extend_term();
  } else if (is_serving_) {
    fail(kGoneOnWithout);
  }
}

// From when it was asked what was answered: whoever answered was there still at that time, and what
// begins there after him waits.
void HomeKeeper::extend_term() {
  if (member_at_ == 0) return;
  int64_t from = member_at_;
  for (const auto& [node, peer] : peers_) from = std::min(from, peer.answers_at);
  std::atomic<int64_t>& until = parts_.region.serves_until();
  until = std::max(until.load(), from + nanoseconds(term_));
}

// Then everything of this node ends.
bool HomeKeeper::is_term_over() {
  if (!is_serving_ || is_over_) return is_over_;
  const int64_t now = parts_.now();
  if (now < parts_.region.serves_until()) return false;
  const auto seconds = [&](int64_t since) { return static_cast<double>(now - since) / 1e9; };
  const auto silent = std::ranges::find_if(
      peers_, [&](const auto& each) { return each.second.answers_at + nanoseconds(term_) <= now; });
  if (now - kept_at_ >= nanoseconds(term_) / 2) {
    fail(
        fmt::format("this node stood still for {:.1f} s, and others may have gone on without it: "
                    "all connections are closed",
                    seconds(kept_at_)));
  } else if (silent != peers_.end()) {
    fail(fmt::format("node {} has not answered for {:.1f} s: all connections are closed",
                     silent->first, seconds(silent->second.answers_at)));
  } else {
    fail(fmt::format("ctdb's database could not be read for {:.1f} s: all connections are closed",
                     seconds(member_at_)));
  }
  return true;
}

void HomeKeeper::ask(uint32_t node) {
  KeeperPacket hello = packet(KeeperPacket::Kind::kHello);
  hello.wants_answer = true;
  hello.asked_at = parts_.now();
  send_hello(node, hello);
}

// `answers`: what was asked at that time, as it says.
void HomeKeeper::say_hello(uint32_t node, std::optional<int64_t> answers) {
  KeeperPacket hello = packet(KeeperPacket::Kind::kHello);
  hello.asked_at = answers.value_or(0);
  send_hello(node, hello);
}

void HomeKeeper::send_hello(uint32_t node, KeeperPacket hello) {
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
  std::vector<RecordKey> to_it;
  for (const auto& [key, given] : given_) {
    if (given.to.life == life) to_it.push_back(key);
  }
  for (const RecordKey& key : to_it) forget_given(key);
  peer_is_without(life);
  set_worker(node, {});
}

bool HomeKeeper::is_known(const Home& home) const {
  const auto peer = peers_.find(home.node);
  return peer != peers_.end() && peer->second.life == home.life;
}

// Anybody can say hello. Who is about to serve has written it into the database before.
void HomeKeeper::on_hello(const KeeperPacket& hello) {
  if (is_known({.node = hello.node, .life = hello.life})) return on_hello_of_member(hello);
  if (term_ == 0ms || !let_in_.insert(hello.node).second) return;
  KeeperPacket copy = hello;
  copy.piece = {};
  tasks_.spawn(let_in(copy));
}

Task<void> HomeKeeper::let_in(KeeperPacket hello) {
  const auto member = co_await member_of(hello.node);
  let_in_.erase(hello.node);
  if (is_over_ || !member || !*member) co_return;
  if ((*member)->life == hello.life && !(*member)->is_over) on_hello_of_member(hello);
}

void HomeKeeper::on_hello_of_member(const KeeperPacket& hello) {
  const auto silent = silent_.find(hello.node);
  // Too late: it is about to hear that it is over.
  if (silent != silent_.end() && silent->second.life == hello.life && silent->second.over_at) {
    return;
  }
  const auto before = peers_.find(hello.node);
  if (before != peers_.end() && before->second.life != hello.life) {
    peer_ended(hello.node, "has begun anew");
    if (is_over_) return;
  }
  if (is_leaving_ && !peers_.contains(hello.node)) return;
  const bool is_new = !peers_.contains(hello.node);
  Peer& peer = peers_[hello.node];
  // It does not serve before it was answered.
  if (is_new) peer.answers_at = parts_.now();
  peer.life = hello.life;
  peer.process = hello.process;
  peer.is_serving = hello.is_serving;
  if (hello.to_life == life_) {
    peer.knows = hello.known;
    if (!hello.wants_answer) {
      peer.answers_at = std::max(peer.answers_at, std::min(hello.asked_at, parts_.now()));
    }
    extend_term();
  }
  set_worker(hello.node, hello.worker);
  if (hello.wants_answer) say_hello(hello.node, hello.asked_at);
}

void HomeKeeper::on_bye(const KeeperPacket& bye) { forget_peer(bye.node); }

}  // namespace braid::store::cluster

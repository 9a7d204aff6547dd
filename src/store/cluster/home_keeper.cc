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
#include "store/cluster/record_image.h"
#include "store/ctdb/cluster_bus.h"

namespace braid::store::cluster {
namespace {

using namespace std::chrono_literals;

constexpr const char* kDatabase = "braid_homes.tdb";
// How often a ctdbd is asked that has no databases yet, and other keepers that say nothing yet.
constexpr auto kAskAgain = 100ms;
constexpr auto kLookEvery = 500ms;
// A record that nobody uses after it has come goes on after so long.
constexpr auto kUnusedMax = 50ms;
// For ctdbd to take what it was sent.
constexpr auto kRoomLater = 1ms;
constexpr auto kLeaveMax = 5s;
constexpr auto kOfferEvery = 50ms;

uint64_t random_life() {
  const SipKey key = random_sip_key();
  uint64_t life;
  std::memcpy(&life, key.data(), sizeof life);
  return life | 1;
}

}  // namespace

HomeKeeper::HomeKeeper(HomeKeeperParts parts)
    : parts_(std::move(parts)),
      client_(parts_.reactor, {.socket_path = parts_.socket_path, .registered = {kNumber}}, *this),
      records_(parts_.region, kKeeperArena),
      life_(random_life()) {}

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
  if (is_over_) co_return;
  tasks_.spawn(watch());
  if (joins_later_) tasks_.spawn(join(*std::exchange(joins_later_, std::nullopt)));
}

void HomeKeeper::on_worker(const KeeperMessage& message) {
  if (is_over_) return;
  switch (message.kind) {
    case KeeperMessage::Kind::kBegin:
      if (homes_) {
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

void HomeKeeper::worker_ended() {
  if (!node_) return;
  own_worker_ = {};
  parts_.region.slot(*node_).tag = 0;
  parts_.region.roster_version()++;
  for (const auto& [node, peer] : peers_) say_hello(node, false);
}

// Nothing of this worker is seen by others before they know that it lives.
Task<void> HomeKeeper::join(Joining worker) {
  if (is_joining_) co_return;
  is_joining_ = true;
  // As WorkerGroup::join() is going to make it.
  own_worker_ = WorkerTag::make(*node_, parts_.region.slot(*node_).lives);
  // Of two that begin at once, the one that writes second finds the first.
  const bool is_told = co_await tell_of_members(worker);
  while (is_told && !is_over_ && !co_await do_others_know()) {
    co_await parts_.reactor.sleep_for(kAskAgain);
  }
  is_joining_ = false;
  if (is_over_) co_return;
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
  co_return all;
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

Task<void> HomeKeeper::watch() {
  while (!is_over_) {
    co_await look();
    co_await parts_.reactor.sleep_for(kLookEvery);
  }
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
  // Messages get lost when nodes come and go.
  for (auto& [key, moving] : moving_) {
    if (is_over_ || !moving.came || moving.came->is_set()) continue;
    KeeperPacket want = packet(KeeperPacket::Kind::kWant);
    want.key = key;
    want.turn = moving.turn;
    want.to_life = moving.from->life;
    post(moving.from->node, want);
  }
  is_looking_ = false;
}

void HomeKeeper::on_event(ctdb::ClusterEvent event, std::optional<IpAddress>) {
  if (event == ctdb::ClusterEvent::kReconfigured && homes_ && !is_over_) tasks_.spawn(look());
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

void HomeKeeper::on_message(uint64_t to, ByteView payload) {
  if (is_over_ || !node_ || to != kNumber) return;
  wire::Reader r(payload);
  const auto got = KeeperPacket::decode(r);
  if (!got || got->node == *node_) return;
  if (got->to_life != 0 && got->to_life != life_) return;
  on_packet(*got);
}

void HomeKeeper::on_packet(const KeeperPacket& got) {
  if (got.kind == KeeperPacket::Kind::kHello) return on_hello(got);
  if (!is_known({.node = got.node, .life = got.life})) return;
  switch (got.kind) {
    case KeeperPacket::Kind::kBye:
      return on_bye(got);
    case KeeperPacket::Kind::kWant:
      return on_want(got);
    case KeeperPacket::Kind::kRecord:
      return on_record(got);
    case KeeperPacket::Kind::kGot: {
      const auto given = given_.find(got.key);
      if (given != given_.end() && given->second.to.turn == got.turn &&
          given->second.to.life == got.life) {
        given_.erase(given);
      }
      return;
    }
    case KeeperPacket::Kind::kTake:
      if (is_serving_ && !is_leaving_) request(got.key, false);
      return;
    default:
      return;
  }
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

void HomeKeeper::request(const RecordKey& key, bool is_for_worker) {
  const auto [at, is_new] = moving_.try_emplace(key);
  at->second.is_for_worker |= is_for_worker;
  if (is_new) tasks_.spawn(bring(key));
}

Task<void> HomeKeeper::bring(RecordKey key) {
  std::optional<Home> before;
  uint64_t turn = 0;
  bool is_own = false;
  bool is_read = true;
  const auto changed =
      co_await homes_->change(home_key(key), [&](ByteView is) -> std::optional<Bytes> {
        before.reset();
        is_own = false;
        is_read = true;
        if (!is.empty()) {
          wire::Reader r(is);
          const auto home = Home::decode(r);
          is_read = home.has_value();
          if (!is_read) return std::nullopt;
          before = *home;
        }
        is_own = before && before->life == life_;
        turn = is_own ? before->turn : before ? before->turn + 1 : random_life() >> 1;
        if (is_own) return std::nullopt;
        Bytes bytes;
        wire::Writer w(bytes);
        Home{.node = *node_, .life = life_, .turn = turn}.encode(w);
        return bytes;
      });
  if (is_over_) co_return;
  if (!changed) {
    co_return fail(
        fmt::format("the database of ctdbd cannot be changed: {}", changed.error().message()));
  }
  if (!is_read) co_return fail("the cluster's database is another version's; upgrade this node");
  Moving& moving = moving_.at(key);
  moving.turn = turn;
  if (!is_own && before && is_known(*before)) {
    moving.from = before;
    moving.came = std::make_shared<OneShot<bool>>();
    KeeperPacket want = packet(KeeperPacket::Kind::kWant);
    want.key = key;
    want.turn = turn;
    want.to_life = before->life;
    post(before->node, want);
    const auto came = moving.came;
    const bool has_come = co_await came->wait(parts_.reactor);
    if (is_over_) co_return;
    if (has_come) {
      if (!take(key, moving.image)) co_return;
      KeeperPacket got = packet(KeeperPacket::Kind::kGot);
      got.key = key;
      got.turn = turn;
      got.to_life = before->life;
      post(before->node, got);
    }
  }
  // What others did to names meanwhile is not known here, so who looks at them looks again.
  if (!is_own) parts_.region.counter(Counter::kNamesGone)++;
  put_own_and_empty(key);
  settle(key, turn);
}

// If nothing is here yet.
void HomeKeeper::put_own_and_empty(const RecordKey& key) {
  auto held = records_.lock(key);
  if (!held.value().empty()) return;
  if (!held.replace(ByteView(&kOwnAndEmpty, 1), Urgency::kMustNotFail)) {
    fail("out of memory for the records of open files; raise what limits memory");
  }
}

bool HomeKeeper::take(const RecordKey& key, ByteView bytes) {
  wire::Reader r(bytes);
  const auto image = RecordImage::decode(r);
  if (!image) {
    fail(fmt::format("a record of another node cannot be read: {}", image.error().message()));
    return false;
  }
  auto held = records_.lock(key);
  records_.raise_version(held, image->version);
  // One byte is what stands for an empty one.
  if (image->value.size() <= 1) return true;
  if (held.replace(image->value, Urgency::kMustNotFail, Account::kNone, image->parts)) return true;
  fail("out of memory for the records of open files; raise what limits memory");
  return false;
}

// It is here, and its home is this node until somebody follows.
void HomeKeeper::settle(const RecordKey& key, uint64_t turn) {
  if (is_over_) return;
  const auto at = moving_.find(key);
  const Moving moving = std::move(at->second);
  moving_.erase(at);
  Owned& owned = owned_[key];
  owned.turn = turn;
  owned.is_used = !moving.is_for_worker;
  if (moving.is_for_worker) parts_.to_worker({.kind = KeeperMessage::Kind::kHere, .key = key});
  if (moving.next) {
    giving_.insert(key);
    tasks_.spawn(give(key, *moving.next));
  } else if (owned_.size() > kOwnedMax && !std::exchange(is_giving_up_, true)) {
    tasks_.spawn(give_up_some());
  }
}

void HomeKeeper::on_want(const KeeperPacket& want) {
  const Successor to{.node = want.node, .life = want.life, .turn = want.turn};
  if (const auto given = given_.find(want.key);
      given != given_.end() && given->second.to.turn == want.turn) {
    // It was asked for again: a piece may be lost.
    if (given->second.to.life == want.life) {
      tasks_.spawn(send_image(want.key, to, given->second.image));
    }
    return;
  }
  if (const auto moving = moving_.find(want.key); moving != moving_.end()) {
    // Of who follows another, it will be asked again by then.
    moving->second.next = to;
    return;
  }
  const auto owned = owned_.find(want.key);
  if (owned == owned_.end() || owned->second.turn + 1 != want.turn) return;
  if (giving_.insert(want.key).second) tasks_.spawn(give(want.key, to));
}

Task<void> HomeKeeper::set_later(std::shared_ptr<OneShot<bool>> shot) {
  co_await parts_.reactor.sleep_for(kUnusedMax);
  shot->set(true);
}

// REQUIRES: the key is in giving_ and owned_.
Task<void> HomeKeeper::give(RecordKey key, Successor to) {
  if (!owned_.at(key).is_used) {
    const auto used = std::make_shared<OneShot<bool>>();
    owned_.at(key).used = used;
    tasks_.spawn(set_later(used));
    co_await used->wait(parts_.reactor);
    if (is_over_) co_return;
  }
  giving_.erase(key);
  const auto owned = owned_.find(key);
  // What comes late, or was made up.
  if (owned == owned_.end() || owned->second.turn + 1 != to.turn) co_return;
  std::shared_ptr<const Bytes> image;
  {
    auto held = records_.lock(key);
    image = std::make_shared<const Bytes>(
        image_of(held, !held.value().empty() && !is_own_and_empty(held.value())));
    held.replace({}, Urgency::kMustNotFail);
  }
  owned_.erase(owned);
  given_[key] = {to, image};
  co_await send_image(key, to, image);
}

Task<void> HomeKeeper::send_image(RecordKey key, Successor to, std::shared_ptr<const Bytes> image) {
  if (image->size() > KeeperPacket::kRecordMax) {
    co_return fail("the record of a file is too large for another node to have it");
  }
  for (size_t at = 0; at < image->size();) {
    const size_t size = std::min(image->size() - at, KeeperPacket::kPieceMax);
    KeeperPacket piece = packet(KeeperPacket::Kind::kRecord);
    piece.to_life = to.life;
    piece.key = key;
    piece.turn = to.turn;
    piece.size = image->size();
    piece.offset = at;
    piece.piece = ByteView(*image).subspan(at, size);
    if (post(to.node, piece)) {
      at += size;
      continue;
    }
    co_await parts_.reactor.sleep_for(kRoomLater);
    if (is_over_ || !is_known({.node = to.node, .life = to.life})) co_return;
  }
}

void HomeKeeper::on_record(const KeeperPacket& record) {
  const auto at = moving_.find(record.key);
  if (at == moving_.end()) return;
  Moving& moving = at->second;
  if (!moving.came || moving.came->is_set() || moving.turn != record.turn ||
      moving.from->life != record.life) {
    return;
  }
  if (record.offset == 0) moving.image.clear();
  // What is missing is sent again when it is asked for again.
  if (record.offset != moving.image.size()) return;
  moving.image.insert(moving.image.end(), record.piece.begin(), record.piece.end());
  if (moving.image.size() == record.size) moving.came->set(true);
}

Task<void> HomeKeeper::give_up_some() {
  std::vector<RecordKey> some;
  for (const auto& [key, owned] : owned_) {
    if (some.size() >= kEvictedAtOnce) break;
    if (!moving_.contains(key) && !giving_.contains(key)) some.push_back(key);
  }
  size_t gone = 0;
  for (const RecordKey& key : some) {
    if (is_over_) co_return;
    if (co_await give_up(key)) ++gone;
  }
  is_giving_up_ = false;
  log::debug("{} records that nobody has open were given up", gone);
}

// If nobody has it open. Whoever asks for it meanwhile waits.
Task<bool> HomeKeeper::give_up(RecordKey key) {
  if (moving_.contains(key) || giving_.contains(key) || !owned_.contains(key)) co_return false;
  {
    auto held = records_.lock(key);
    if (!is_own_and_empty(held.value())) co_return false;
    held.replace({}, Urgency::kMustNotFail);
  }
  const uint64_t turn = owned_.at(key).turn;
  moving_[key].turn = turn;
  bool is_gone = false;
  const auto changed =
      co_await homes_->change(home_key(key), [&](ByteView is) -> std::optional<Bytes> {
        wire::Reader r(is);
        const auto home = Home::decode(r);
        is_gone = home && home->life == life_ && home->turn == turn;
        return is_gone ? std::optional(Bytes()) : std::nullopt;
      });
  if (is_over_) co_return false;
  if (!changed) {
    fail(fmt::format("the database of ctdbd cannot be changed: {}", changed.error().message()));
    co_return false;
  }
  if (!is_gone) {
    // Somebody follows, and is told that there is nothing.
    put_own_and_empty(key);
    settle(key, turn);
    co_return false;
  }
  owned_.erase(key);
  const bool is_for_worker = moving_.at(key).is_for_worker;
  moving_.erase(key);
  if (is_for_worker) request(key, true);
  co_return true;
}

void HomeKeeper::leave() {
  if (std::exchange(is_leaving_, true) || is_over_) return;
  tasks_.spawn(say_goodbye());
}

Task<void> HomeKeeper::say_goodbye() {
  const auto end = std::chrono::steady_clock::now() + kLeaveMax;
  while (!is_over_ && homes_ && std::chrono::steady_clock::now() < end) {
    const auto heir =
        std::ranges::find_if(peers_, [](const auto& each) { return each.second.is_serving; });
    if (heir == peers_.end()) break;
    std::vector<RecordKey> here;
    records_.for_each([&](const RecordKey& key, ByteView value) {
      if (!is_own_and_empty(value)) here.push_back(key);
    });
    if (here.empty() && given_.empty() && moving_.empty()) break;
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
    for (const auto& [node, peer] : peers_) post(node, packet(KeeperPacket::Kind::kBye));
    // ctdbd passes on what it has taken; an answer after it says that it has.
    (void)co_await client_.nodes();
  }
  if (!std::exchange(is_over_, true)) parts_.left();
}

}  // namespace braid::store::cluster

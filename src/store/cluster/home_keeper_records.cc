// HomeKeeper: how a record comes and goes.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "store/cluster/cluster_records.h"
#include "store/cluster/home_keeper.h"
#include "store/cluster/record_image.h"

namespace braid::store::cluster {
namespace {

using namespace std::chrono_literals;

// A record that nobody uses after it has come goes on after so long.
constexpr auto kUnusedMax = 50ms;
// For those that are asked who has a record. In nanoseconds, as terms are counted.
constexpr int64_t kSearchMax = 2'000'000'000;
// For ctdbd to take what it was sent.
constexpr auto kRoomLater = 1ms;
// Where so many files are open that nothing can be given up.
constexpr auto kGiveUpAgain = 1s;
// For who was sent a record to say that he has it.
constexpr auto kReceiptAfter = 1s;

}  // namespace

void HomeKeeper::request(const RecordKey& key, bool is_for_worker) {
  const auto [at, is_new] = moving_.try_emplace(key);
  at->second.is_for_worker |= is_for_worker;
  if (is_new) tasks_.spawn(bring(key));
}

// This node stands in the database as the record's home when it returned. Nothing: it is over.
Task<std::optional<HomeKeeper::Claim>> HomeKeeper::claim(RecordKey key) {
  Claim claim;
  bool is_read = true;
  const auto changed = co_await change(home_key(key), [&](ByteView is) -> std::optional<Bytes> {
    claim = {};
    is_read = true;
    if (!is.empty()) {
      wire::Reader r(is);
      const auto home = Home::decode(r);
      is_read = home.has_value();
      if (!is_read) return std::nullopt;
      claim.before = *home;
    }
    const std::optional<Home>& before = claim.before;
    claim.is_own = before && before->life == life_;
    claim.turn = claim.is_own ? before->turn : before ? before->turn + 1 : random_number() >> 1;
    if (claim.is_own) return std::nullopt;
    Bytes bytes;
    wire::Writer w(bytes);
    Home{.node = *node_, .life = life_, .turn = claim.turn}.encode(w);
    return bytes;
  });
  if (is_over_) co_return std::nullopt;
  if (!changed) {
    fail(fmt::format("the database of ctdbd cannot be changed: {}", changed.error().message()));
    co_return std::nullopt;
  }
  if (!is_read) {
    fail("the cluster's database is another version's; upgrade this node");
    co_return std::nullopt;
  }
  co_return claim;
}

Task<void> HomeKeeper::bring(RecordKey key) {
  Claim claimed;
  for (;;) {
    const auto now = co_await claim(key);
    if (!now) co_return;
    claimed = *now;
    Moving& moving = moving_.at(key);
    moving.turn = claimed.turn;
    if (claimed.is_own && (owned_.contains(key) || take_back(key, claimed.turn))) break;
    // Nobody has ever had it, or who had it gave it up.
    if (!claimed.before) break;
    const auto came = moving.came = std::make_shared<OneShot<bool>>();
    moving.asked_at = parts_.now();
    moving.without.clear();
    moving.is_searched = false;
    moving.from.reset();
    if (!claimed.is_own && is_known(*claimed.before)) {
      moving.from = claimed.before;
      ask_for(key, moving);
    } else {
      search(key, moving);
    }
    const bool has_come = co_await came->wait(parts_.reactor);
    if (is_over_) co_return;
    if (std::exchange(moving.is_again, false)) continue;
    if (!has_come) break;
    if (!take(key, moving.image)) co_return;
    say_got(moving.from->node, moving.from->life, key, claimed.turn);
    break;
  }
  if (is_over_) co_return;
  // What others did to names meanwhile is not known here, so who looks at them looks again.
  if (!claimed.is_own) parts_.region.counter(Counter::kNamesGone)++;
  put_own_and_empty(key);
  settle(key, claimed.turn);
}

// What was sent to somebody who does not stand in the database as who follows.
bool HomeKeeper::take_back(const RecordKey& key, uint64_t turn) {
  const auto given = given_.find(key);
  if (given == given_.end() || given->second.to.turn != turn + 1) return false;
  const Bytes image = std::move(given->second.image);
  given_bytes_ -= image.size();
  given_.erase(given);
  (void)take(key, image);
  return true;
}

// Of whom it comes from, what has not come yet.
void HomeKeeper::ask_for(const RecordKey& key, const Moving& moving) {
  KeeperPacket want = packet(KeeperPacket::Kind::kWant);
  want.key = key;
  want.turn = moving.turn;
  want.to_life = moving.from->life;
  want.size = want.offset = moving.image.size();
  (void)post(moving.from->node, want);
}

// The database does not know who has it: a node that went has taken the newest of it along, or one
// that was away has brought an old one back, which counts for more than what was written meanwhile.
// So all are asked, and there is nothing when all have said so.
void HomeKeeper::search(const RecordKey& key, Moving& moving) {
  moving.is_searched = true;
  bool all = true;
  for (const auto& [node, peer] : peers_) {
    if (moving.without.contains(peer.life)) continue;
    all = false;
    KeeperPacket find = packet(KeeperPacket::Kind::kFind);
    find.key = key;
    find.turn = moving.turn;
    find.to_life = peer.life;
    (void)post(node, find);
  }
  if (all) moving.came->set(false);
}

void HomeKeeper::on_not_here(const KeeperPacket& said) {
  const auto at = moving_.find(said.key);
  if (at == moving_.end()) return;
  Moving& moving = at->second;
  if (!moving.came || moving.came->is_set() || moving.turn != said.turn || !moving.image.empty()) {
    return;
  }
  moving.without.insert(said.life);
  const bool is_asked = moving.is_searched || (moving.from && moving.from->life == said.life);
  if (!is_asked) return;
  if (!moving.is_searched) return search(said.key, moving);
  const bool all = std::ranges::all_of(
      peers_, [&](const auto& each) { return moving.without.contains(each.second.life); });
  if (all) moving.came->set(false);
}

// Messages get lost when nodes come and go.
void HomeKeeper::ask_again() {
  for (auto& [key, moving] : moving_) {
    if (!moving.came || moving.came->is_set()) continue;
    if (!moving.is_searched || !moving.image.empty()) {
      ask_for(key, moving);
    } else if (parts_.now() - moving.asked_at < kSearchMax) {
      search(key, moving);
    } else {
      // Somebody else may stand in the database by now.
      moving.is_again = true;
      moving.came->set(false);
    }
  }
}

// It has left, and had nothing any more.
void HomeKeeper::peer_is_without(uint64_t life) {
  for (auto& [key, moving] : moving_) {
    if (moving.next && moving.next->life == life) moving.next.reset();
    if (!moving.came || moving.came->is_set()) continue;
    const bool is_from = moving.from && moving.from->life == life;
    if (is_from) moving.image.clear();
    if (is_from || (moving.is_searched && moving.image.empty())) search(key, moving);
  }
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
  put_in_order(key, owned);
  if (moving.is_for_worker) parts_.to_worker({.kind = KeeperMessage::Kind::kHere, .key = key});
  if (moving.next) {
    giving_.insert(key);
    begin_to_give(key, owned, *moving.next);
  } else if (owned_.size() > parts_.owned_max && !std::exchange(is_giving_up_, true)) {
    tasks_.spawn(give_up_some());
  }
}

void HomeKeeper::on_want(const KeeperPacket& want) {
  const Successor to{.node = want.node, .life = want.life, .turn = want.turn};
  if (const auto given = given_.find(want.key);
      given != given_.end() && given->second.to.turn == want.turn) {
    // It was asked for again: what follows may be lost.
    if (given->second.to.life == want.life && !std::exchange(given->second.is_sending, true)) {
      tasks_.spawn(send_given(want.key, want.turn, want.offset));
    }
    return;
  }
  if (const auto moving = moving_.find(want.key); moving != moving_.end()) {
    Moving& own = moving->second;
    // Of two that look for it, one goes first.
    const bool both =
        own.is_searched && own.image.empty() && want.kind == KeeperPacket::Kind::kFind;
    if (both && life_ > want.life) return say_not_here(want.key, to);
    // Of who follows another, it will be asked again by then.
    own.next = to;
    return;
  }
  const auto owned = owned_.find(want.key);
  if (owned == owned_.end()) return say_not_here(want.key, to);
  if (giving_.insert(want.key).second) begin_to_give(want.key, owned->second, to);
}

// Who follows by the turn has it at once. Of anybody else the database has to say that he is its
// home: what comes late or is made up has a turn as well.
void HomeKeeper::begin_to_give(const RecordKey& key, const Owned& owned, const Successor& to) {
  tasks_.spawn(owned.turn + 1 == to.turn ? give(key, to) : give_to_home(key, to));
}

Task<void> HomeKeeper::give_to_home(RecordKey key, Successor to) {
  bool is_home = false;
  const auto looked = co_await change(home_key(key), [&](ByteView is) -> std::optional<Bytes> {
    wire::Reader r(is);
    const auto home = Home::decode(r);
    is_home = home && *home == Home{.node = to.node, .life = to.life, .turn = to.turn};
    return std::nullopt;
  });
  if (is_over_) co_return;
  if (looked && is_home) co_return co_await give(key, to);
  giving_.erase(key);
}

void HomeKeeper::say_not_here(const RecordKey& key, const Successor& to) {
  KeeperPacket said = packet(KeeperPacket::Kind::kNotHere);
  said.key = key;
  said.turn = to.turn;
  said.to_life = to.life;
  (void)post(to.node, said);
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
  if (owned == owned_.end()) co_return;
  // Others have yet to say that they have theirs. It is asked for again.
  if (given_bytes_ >= parts_.given_max) co_return;
  Bytes image;
  {
    auto held = records_.lock(key);
    image = image_of(held, !held.value().empty() && !is_own_and_empty(held.value()));
    if (image.size() > KeeperPacket::kRecordMax) {
      co_return fail("the record of a file is too large for another node to have it");
    }
    held.replace({}, Urgency::kMustNotFail);
  }
  owned_.erase(owned);
  forget_given(key);
  given_bytes_ += image.size();
  given_[key] = {.to = to, .image = std::move(image), .is_sending = true};
  co_await send_given(key, to.turn, 0);
}

void HomeKeeper::forget_given(const RecordKey& key) {
  const auto given = given_.find(key);
  if (given == given_.end()) return;
  given_bytes_ -= given->second.image.size();
  given_.erase(given);
}

bool HomeKeeper::post_piece(const RecordKey& key, const Successor& to, ByteView image, size_t at) {
  KeeperPacket piece = packet(KeeperPacket::Kind::kRecord);
  piece.to_life = to.life;
  piece.key = key;
  piece.turn = to.turn;
  piece.size = image.size();
  piece.offset = at;
  piece.piece = image.subspan(at, std::min(image.size() - at, KeeperPacket::kPieceMax));
  return post(to.node, piece);
}

// One at a time for each record. REQUIRES: is_sending was set for it.
Task<void> HomeKeeper::send_given(RecordKey key, uint64_t turn, uint64_t from) {
  for (uint64_t at = from;;) {
    const auto found = given_.find(key);
    if (is_over_ || found == given_.end() || found->second.to.turn != turn) co_return;
    Given& given = found->second;
    if (at >= given.image.size()) {
      given.is_sending = false;
      given.sent_at = parts_.now();
      co_return;
    }
    if (post_piece(key, given.to, given.image, at)) {
      at += KeeperPacket::kPieceMax;
    } else {
      co_await parts_.reactor.sleep_for(kRoomLater);
    }
  }
}

// That it has come may be lost, too. An end without a piece says nothing to who waits for more, and
// who has it says so again.
void HomeKeeper::ask_for_receipts() {
  const int64_t before = parts_.now() - std::chrono::nanoseconds(kReceiptAfter).count();
  for (auto& [key, given] : given_) {
    if (given.is_sending || given.sent_at > before) continue;
    given.sent_at = parts_.now();
    (void)post_piece(key, given.to, given.image, given.image.size());
  }
}

// What comes, and is not waited for, has come long ago if the database has gone on since. If it has
// not, nobody has asked for it.
Task<void> HomeKeeper::look_back(uint32_t node, uint64_t life, RecordKey key, uint64_t turn) {
  bool is_past = false;
  const auto looked = co_await change(home_key(key), [&](ByteView is) -> std::optional<Bytes> {
    wire::Reader r(is);
    const auto home = Home::decode(r);
    is_past = is.empty() || (home && home->turn >= turn);
    return std::nullopt;
  });
  is_looking_back_ = false;
  if (is_over_ || !looked || !is_past) co_return;
  const auto moving = moving_.find(key);
  if (moving == moving_.end() || moving->second.turn != turn) say_got(node, life, key, turn);
}

void HomeKeeper::say_got(uint32_t node, uint64_t life, const RecordKey& key, uint64_t turn) {
  KeeperPacket got = packet(KeeperPacket::Kind::kGot);
  got.key = key;
  got.turn = turn;
  got.to_life = life;
  (void)post(node, got);
}

void HomeKeeper::on_record(const KeeperPacket& record) {
  const auto at = moving_.find(record.key);
  if (at == moving_.end() || at->second.turn != record.turn) {
    if (!std::exchange(is_looking_back_, true)) {
      tasks_.spawn(look_back(record.node, record.life, record.key, record.turn));
    }
    return;
  }
  Moving& moving = at->second;
  if (!moving.came || moving.came->is_set()) return;
  // What is missing is sent when it is asked for again, from there on.
  if (record.offset != moving.image.size() || record.piece.empty()) return;
  if (moving.is_searched && moving.image.empty()) {
    moving.from = Home{.node = record.node, .life = record.life, .turn = record.turn};
  }
  if (!moving.from || moving.from->life != record.life) return;
  moving.image.insert(moving.image.end(), record.piece.begin(), record.piece.end());
  if (moving.image.size() == record.size) moving.came->set(true);
}

void HomeKeeper::put_in_order(const RecordKey& key, Owned& owned) {
  if (std::exchange(owned.is_in_order, true)) return;
  if (order_.size() > 2 * owned_.size() + kEvictedAtOnce) {
    std::erase_if(order_, [&](const auto& each) {
      const auto found = owned_.find(each.first);
      return found == owned_.end() || found->second.turn != each.second;
    });
  }
  order_.emplace_back(key, owned.turn);
}

// Of those that nobody has open the ones that came first. A few more than it takes, so that it is
// not for each that comes.
Task<void> HomeKeeper::give_up_some() {
  const size_t enough = parts_.owned_max - parts_.owned_max / 8;
  size_t gone = 0;
  for (size_t i = 0; i < kEvictedAtOnce && owned_.size() > enough && !order_.empty(); ++i) {
    const auto [key, turn] = order_.front();
    order_.pop_front();
    const auto found = owned_.find(key);
    if (found == owned_.end() || found->second.turn != turn) continue;
    found->second.is_in_order = false;
    // One that has just come is about to be used.
    const bool is_gone = found->second.is_used && co_await give_up(key);
    if (is_over_) co_return;
    gone += is_gone;
    const auto still = owned_.find(key);
    if (still != owned_.end()) put_in_order(key, still->second);
  }
  log::debug("{} records that nobody has open were given up", gone);
  // All that were looked at are open: not again for each that comes.
  if (gone == 0) co_await parts_.reactor.sleep_for(kGiveUpAgain);
  is_giving_up_ = false;
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
  const auto changed = co_await change(home_key(key), [&](ByteView is) -> std::optional<Bytes> {
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

}  // namespace braid::store::cluster

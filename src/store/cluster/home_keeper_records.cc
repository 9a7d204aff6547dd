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
// For ctdbd to take what it was sent.
constexpr auto kRoomLater = 1ms;

}  // namespace

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
        turn = is_own ? before->turn : before ? before->turn + 1 : random_number() >> 1;
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
  } else if (owned_.size() > parts_.owned_max && !std::exchange(is_giving_up_, true)) {
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
  if (owned == owned_.end()) return say_nothing_is_here(want.key, to);
  if (owned->second.turn + 1 != want.turn) return;
  if (giving_.insert(want.key).second) tasks_.spawn(give(want.key, to));
}

// A node that went may have taken along the newest that the database said: it says then who had the
// record before. What that had went on, and whoever went without a goodbye ends all that rely on
// it.
void HomeKeeper::say_nothing_is_here(const RecordKey& key, const Successor& to) {
  auto held = records_.lock(key);
  auto image = std::make_shared<const Bytes>(image_of(held, false));
  tasks_.spawn(send_image(key, to, std::move(image)));
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
    // One that has just come is about to be used.
    if (owned.is_used && !moving_.contains(key) && !giving_.contains(key)) some.push_back(key);
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

}  // namespace braid::store::cluster

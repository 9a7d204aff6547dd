#include "store/cluster/keeper_end.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/sip_hash.h"

namespace braid::store::cluster {
namespace {

uint64_t random_number() {
  const SipKey key = random_sip_key();
  uint64_t number;
  static_assert(sizeof key >= sizeof number);
  std::memcpy(&number, key.data(), sizeof number);
  return number;
}

}  // namespace

KeeperEnd::KeeperEnd(UniqueFd link, std::function<void()> lost)
    : link_(std::move(link)), lost_(std::move(lost)) {}

KeeperEnd::~KeeperEnd() { stop(); }

Result<uint32_t> KeeperEnd::join() {
  // What was meant for an earlier life of this worker may be there still.
  const uint64_t own = random_number();
  link_.send({.kind = KeeperMessage::Kind::kBegin,
              .number = own,
              .more = static_cast<uint64_t>(::getpid())});
  for (;;) {
    BRAID_TRY(const KeeperMessage message, link_.receive());
    if (message.kind == KeeperMessage::Kind::kJoined && message.number == own) {
      return static_cast<uint32_t>(message.more);
    }
  }
}

void KeeperEnd::start(std::function<void(size_t)> changed) {
  changed_ = std::move(changed);
  thread_ = std::thread([this] { read(); });
}

void KeeperEnd::stop() {
  link_.stop();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<KeeperEnd::Awaited> KeeperEnd::ask(const RecordKey& key) {
  {
    const std::lock_guard lock(mutex_);
    auto& awaited = awaited_[key];
    if (awaited) return awaited;
    awaited = std::make_shared<Awaited>();
  }
  link_.send({.kind = KeeperMessage::Kind::kBring, .key = key});
  const std::lock_guard lock(mutex_);
  const auto found = awaited_.find(key);
  if (found != awaited_.end()) return found->second;
  // It has come meanwhile.
  auto done = std::make_shared<Awaited>();
  done->is_here = true;
  done->here->set(true);
  return done;
}

void KeeperEnd::bring(const RecordKey& key) {
  const auto awaited = ask(key);
  std::unique_lock lock(mutex_);
  came_.wait(lock, [&] { return awaited->is_here; });
}

Task<void> KeeperEnd::fetch(RecordKey key, Executor& executor) {
  const auto awaited = ask(key);
  co_await awaited->here->wait(executor);
}

void KeeperEnd::used(const RecordKey& key) {
  if (unused_count_.load(std::memory_order_relaxed) == 0) return;
  {
    const std::lock_guard lock(mutex_);
    if (unused_.erase(key) == 0) return;
    unused_count_ = unused_.size();
  }
  link_.send({.kind = KeeperMessage::Kind::kUsed, .key = key});
}

void KeeperEnd::read() {
  for (;;) {
    const auto message = link_.receive();
    if (!message && message.error().is_os(ECANCELED)) return;
    if (!message) return lost_();
    if (message->kind == KeeperMessage::Kind::kRoster) {
      changed_(message->number);
      continue;
    }
    if (message->kind != KeeperMessage::Kind::kHere) continue;
    std::shared_ptr<OneShot<bool>> here;
    {
      const std::lock_guard lock(mutex_);
      const auto found = awaited_.find(message->key);
      if (found == awaited_.end()) continue;
      found->second->is_here = true;
      here = found->second->here;
      awaited_.erase(found);
      unused_.insert(message->key);
      unused_count_ = unused_.size();
      came_.notify_all();
    }
    here->set(true);
  }
}

}  // namespace braid::store::cluster

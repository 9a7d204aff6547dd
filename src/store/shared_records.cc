#include "store/shared_records.h"

#include <cstring>
#include <new>

namespace braid::store {
namespace {

ByteView value_of(Block& block) { return {block.value(), block.size}; }

}  // namespace

std::atomic<uint64_t>& SharedRecords::word_of(Bucket& bucket, const RecordKey& key) const {
  std::atomic<uint64_t>* word = &bucket.first;
  for (uint64_t at = *word; at != 0; at = *word) {
    Block& block = region_.block(at);
    if (block.key == key) break;
    word = &block.next;
  }
  return *word;
}

RecordStore::Held SharedRecords::lock(const RecordKey& key) {
  Bucket& bucket = bucket_of(key);
  RobustMutex::lock(bucket.mutex);
  Held held = make_held(*this, key);
  std::atomic<uint64_t>& word = word_of(bucket, key);
  place(held) = &word;
  if (word != 0) {
    Block& block = region_.block(word);
    set_value(held, value_of(block), block.version);
  }
  return held;
}

void SharedRecords::unlock(Held& held) { RobustMutex::unlock(bucket_of(held.key()).mutex); }

uint64_t SharedRecords::next_version(const Held& held) const {
  return bucket_of(held.key()).version.load(std::memory_order_relaxed) + 1;
}

bool SharedRecords::replace(Held& held, ByteView value, Urgency urgency) {
  auto& word = *static_cast<std::atomic<uint64_t>*>(place(held));
  const uint64_t old = word;
  uint64_t next = old == 0 ? 0 : region_.block(old).next.load();
  if (value.empty()) {
    if (old == 0) return true;
    word.store(next, std::memory_order_release);
    arena_.release(old);
    set_value(held, {}, 0);
    return true;
  }
  const uint64_t made = arena_.allocate(value.size(), urgency);
  if (made == 0) return false;
  Block& block = region_.block(made);
  // Counted before it is used: a number is lost when this process dies here, and never given twice.
  block.version = bucket_of(held.key()).version.fetch_add(1) + 1;
  block.size = value.size();
  block.key = held.key();
  std::memcpy(block.value(), value.data(), value.size());
  block.next.store(next, std::memory_order_relaxed);
  word.store(made, std::memory_order_release);
  if (old != 0) arena_.release(old);
  set_value(held, value_of(block), block.version);
  return true;
}

void SharedRecords::for_each(const std::function<void(const RecordKey&, ByteView)>& visit) {
  for (size_t i = 0; i < region_.buckets(); ++i) {
    Bucket& bucket = region_.bucket(i);
    if (bucket.first.load(std::memory_order_relaxed) == 0) continue;
    const BucketLock lock(bucket);
    for (uint64_t at = bucket.first; at != 0; at = region_.block(at).next) {
      Block& block = region_.block(at);
      visit(block.key, value_of(block));
    }
  }
}

}  // namespace braid::store

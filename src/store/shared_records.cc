#include "store/shared_records.h"

#include <cstring>
#include <vector>

#include "store/part_tree.h"

namespace braid::store {
namespace {

ByteView value_of(RecordBlock& block) { return {block.value(), block.size}; }

}  // namespace

std::atomic<uint64_t>& SharedRecords::word_of(Bucket& bucket, const RecordKey& key) const {
  std::atomic<uint64_t>* word = &bucket.first;
  for (uint64_t at = *word; at != 0; at = *word) {
    RecordBlock& block = region_.record(at);
    if (block.key == key) break;
    word = &block.next;
  }
  return *word;
}

RecordStore::Held SharedRecords::lock(const RecordKey& key) {
  Bucket& bucket = bucket_of(key);
  Held held = make_held(*this, key);
  RobustMutex::lock(bucket.mutex);
  std::atomic<uint64_t>& word = word_of(bucket, key);
  place(held) = &word;
  if (word != 0) {
    RecordBlock& block = region_.record(word);
    set_value(held, value_of(block), block.version);
  }
  return held;
}

void SharedRecords::unlock(Held& held) { RobustMutex::unlock(bucket_of(held.key()).mutex); }

uint64_t SharedRecords::next_version(const Held& held) const {
  return bucket_of(held.key()).version.load(std::memory_order_relaxed) + 1;
}

void SharedRecords::raise_version(const Held& held, uint64_t version) {
  std::atomic<uint64_t>& now = bucket_of(held.key()).version;
  if (now < version) now = version;
}

PartRoot SharedRecords::root_of(const Held& held) const {
  const uint64_t at = *static_cast<const std::atomic<uint64_t>*>(place(held));
  return at == 0 ? PartRoot{} : region_.record(at).parts;
}

ByteView SharedRecords::part(const Held& held, uint32_t number) const {
  return find_part(region_, root_of(held), number);
}

void SharedRecords::visit_parts(const Held& held, uint64_t since, const PartVisit& visit) const {
  visit_parts_since(region_, root_of(held), since, visit);
}

void SharedRecords::remove(std::atomic<uint64_t>& word) {
  const uint64_t old = word;
  if (old == 0) return;
  std::vector<uint64_t> gone{old};
  for_each_block(region_, region_.record(old).parts, [&](uint64_t at) { gone.push_back(at); });
  word.store(region_.block(old).next, std::memory_order_release);
  arena_.release(gone);
}

bool SharedRecords::replace(Held& held, ByteView value, Urgency urgency, Account account,
                            std::span<const PartChange> parts) {
  auto& word = *static_cast<std::atomic<uint64_t>*>(place(held));
  if (value.empty()) {
    bucket_of(held.key()).version.fetch_add(1);
    remove(word);
    set_value(held, {}, 0);
    return true;
  }
  const uint64_t old = word;
  // Counted before it is used: a number is lost when this process dies here, and never given twice.
  const uint64_t version = bucket_of(held.key()).version.fetch_add(1) + 1;
  PartsUpdate update(region_, arena_, version, urgency);
  const PartRoot root = update.apply(root_of(held), parts);
  const uint64_t made = update.make(sizeof(RecordBlock) + value.size(), account);
  if (!update.ok()) {
    update.abandon();
    return false;
  }
  RecordBlock& block = region_.record(made);
  block.size = static_cast<uint32_t>(value.size());
  block.key = held.key();
  block.parts = root;
  std::memcpy(block.value(), value.data(), value.size());
  block.next.store(old == 0 ? 0 : region_.block(old).next.load(), std::memory_order_relaxed);
  word.store(made, std::memory_order_release);
  if (old != 0) update.drop(old);
  update.release_dropped();
  set_value(held, value_of(block), version);
  return true;
}

void SharedRecords::for_each(const std::function<void(const RecordKey&, ByteView)>& visit) {
  for (size_t i = 0; i < region_.buckets(); ++i) {
    Bucket& bucket = region_.bucket(i);
    if (bucket.first.load(std::memory_order_relaxed) == 0) continue;
    const BucketLock lock(bucket);
    for (uint64_t at = bucket.first; at != 0; at = region_.block(at).next) {
      RecordBlock& block = region_.record(at);
      visit(block.key, value_of(block));
    }
  }
}

}  // namespace braid::store

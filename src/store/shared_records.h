// SharedRecords: a RecordStore in memory that several processes share.
#pragma once

#include "store/arena.h"
#include "store/record_store.h"
#include "store/shared_region.h"

namespace braid::store {

// A hash table whose buckets are chains of blocks that are never changed once they are in: a new
// value is written into a free block of the writer's own arena, and one store of a word puts it in
// the place of the old one. That store is the whole change: whoever dies before it has done
// nothing, whoever dies after it has lost a block at most, which its next life finds. Owned by a
// WorkerGroup, or who brings records here from elsewhere. Thread: any.
class SharedRecords : public RecordStore {
 public:
  // REQUIRES: no other SharedRecords of this worker is in use, in any process.
  SharedRecords(const SharedRegion& region, size_t worker)
      : region_(region), arena_(region, worker) {}

  Held lock(const RecordKey& key) override;
  uint64_t changes(const RecordKey& key) const override { return bucket_of(key).version.load(); }
  void for_each(const std::function<void(const RecordKey&, ByteView)>& visit) override;

  bool has_room(size_t bytes, Account account) const override {
    return arena_.has_room(bytes, account);
  }

  const Arena& arena() const { return arena_; }
  // Versions of the record's key are above `version` from now on: it had that elsewhere.
  void raise_version(const Held& held, uint64_t version);

 protected:
  bool replace(Held& held, ByteView value, Urgency urgency, Account account,
               std::span<const PartChange> parts) override;

 private:
  Bucket& bucket_of(const RecordKey& key) const { return region_.bucket_of(key); }
  void unlock(Held& held) override;
  uint64_t next_version(const Held& held) const override;
  ByteView part(const Held& held, uint32_t number) const override;
  void visit_parts(const Held& held, uint64_t since, const PartVisit& visit) const override;
  void remove(std::atomic<uint64_t>& word);
  PartRoot root_of(const Held& held) const;
  // The word that points at the key's block, or the last of the chain, which is 0.
  std::atomic<uint64_t>& word_of(Bucket& bucket, const RecordKey& key) const;

  const SharedRegion& region_;
  Arena arena_;
};

}  // namespace braid::store

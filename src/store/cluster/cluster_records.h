// ClusterRecords: the records of a node's workers, of which each is on one node at a time.
#pragma once

#include "store/cluster/keeper_end.h"
#include "store/shared_records.h"

namespace braid::store::cluster {

// What stands in the memory that they share, in the place of a record that this node has and that
// is empty: a record that is not there at all is another node's, or nobody's.
inline constexpr uint8_t kOwnAndEmpty = 0;
inline bool is_own_and_empty(ByteView value) {
  return value.size() == 1 && value[0] == kOwnAndEmpty;
}

// As SharedRecords, and as fast, for a record that is here. Any other is brought here first: no
// lock is held meanwhile. Values are longer than a byte. Owned by the ClusterGroup. Thread: any.
class ClusterRecords final : public SharedRecords {
 public:
  ClusterRecords(const SharedRegion& region, size_t worker, KeeperEnd& keeper)
      : SharedRecords(region, worker), keeper_(keeper) {}

  Held lock(const RecordKey& key) override;
  bool is_spread() const override { return true; }
  bool is_here(const RecordKey& key) override;
  void await_here(const RecordKey& key) override {
    if (!is_here(key)) keeper_.bring(key);
  }
  Task<void> fetch(RecordKey key, Executor& executor) override {
    return keeper_.fetch(key, executor);
  }
  // Of those that are here.
  void for_each(const std::function<void(const RecordKey&, ByteView)>& visit) override;

 private:
  bool replace(Held& held, ByteView value, Urgency urgency, Account account,
               std::span<const PartChange> parts) override;

  KeeperEnd& keeper_;
};

}  // namespace braid::store::cluster

#include "store/cluster/cluster_records.h"

#include "base/serving_term.h"

namespace braid::store::cluster {

RecordStore::Held ClusterRecords::lock(const RecordKey& key) {
  check_serving_term();
  for (;;) {
    {
      Held held = SharedRecords::lock(key);
      if (!held.value().empty()) {
        if (is_own_and_empty(held.value())) set_value(held, {}, 0);
        keeper_.used(key);
        return held;
      }
    }
    keeper_.bring(key);
  }
}

bool ClusterRecords::is_here(const RecordKey& key) {
  return !SharedRecords::lock(key).value().empty();
}

void ClusterRecords::for_each(const std::function<void(const RecordKey&, ByteView)>& visit) {
  SharedRecords::for_each([&](const RecordKey& key, ByteView value) {
    if (!is_own_and_empty(value)) visit(key, value);
  });
}

bool ClusterRecords::replace(Held& held, ByteView value, Urgency urgency, Account account,
                             std::span<const PartChange> parts) {
  if (!value.empty()) return SharedRecords::replace(held, value, urgency, account, parts);
  SharedRecords::replace(held, {}, urgency, account, {});
  // Without room for it, as after a death in between, the keeper is asked once more, who knows
  // whose it is.
  (void)SharedRecords::replace(held, ByteView(&kOwnAndEmpty, 1), Urgency::kMustNotFail,
                               Account::kNone, {});
  set_value(held, {}, 0);
  return true;
}

}  // namespace braid::store::cluster

// FakeFile: a node's part of a database of a FakeCluster.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "store/ctdb/fake_cluster_testing.h"
#include "store/ctdb/record_file.h"

namespace braid::store::ctdb {

// What a node of the fake shares with its clients.
class FakeFile final : public RecordFile {
 public:
  FakeFile(FakeCluster& cluster, size_t node, uint32_t database)
      : cluster_(cluster), node_(node), database_(database) {}

  Result<bool> try_lock(ByteView) override {
    if (busy > 0) return --busy, false;
    EXPECT_FALSE(std::exchange(is_locked_, true));
    return true;
  }
  void unlock(ByteView) override { EXPECT_TRUE(std::exchange(is_locked_, false)); }
  Result<std::optional<StoredRecord>> read(ByteView key) override {
    if (error) return fail(*error);
    std::optional<StoredRecord> found;
    cluster_.with_records(node_, [&](FakeCluster::Records& records) {
      const auto at = records.find({database_, Bytes(key.begin(), key.end())});
      if (at != records.end()) found = StoredRecord{at->second.header, at->second.data};
    });
    return found;
  }
  Result<void> write(ByteView key, const RecordHeader& header, ByteView data) override {
    cluster_.with_records(node_, [&](FakeCluster::Records& records) {
      auto& record = records[{database_, Bytes(key.begin(), key.end())}];
      // Between the look and this nobody has moved it: a real file's lock sees to that.
      if (record.header.dmaster != header.dmaster) ++torn;
      record = {header, Bytes(data.begin(), data.end())};
    });
    return {};
  }

  int busy = 0;
  int torn = 0;
  std::optional<Error> error;

 private:
  FakeCluster& cluster_;
  const size_t node_;
  const uint32_t database_;
  bool is_locked_ = false;
};

}  // namespace braid::store::ctdb

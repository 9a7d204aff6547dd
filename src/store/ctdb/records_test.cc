#include "store/ctdb/records.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "store/ctdb/fake_cluster_testing.h"
#include "store/ctdb/fake_record_file_testing.h"
#include "store/ctdb/test_client_testing.h"

namespace braid::store::ctdb {
namespace {

struct TestRecords {
  TestRecords(FakeCluster& cluster, size_t node) : client(cluster, node) {
    EXPECT_EQ(client.sink.next(), "connected " + std::to_string(node));
    const auto database =
        client.ask<Result<uint32_t>>([](Client& c) { return c.attach("test.tdb"); });
    file = std::make_unique<FakeFile>(cluster, node, *database);
    records = std::make_unique<Records>(client.reactors.at(0), client.client, *file, *database);
  }
  Result<void> change(Records::Change how) {
    return client.ask<Result<void>>([&](Client&) { return records->change({7}, how); });
  }
  std::string get() {
    std::string value;
    EXPECT_TRUE(change([&](ByteView is) {
      value = as_text(is);
      return std::nullopt;
    }));
    return value;
  }
  Result<void> put(std::string_view value) {
    return change([value](ByteView) { return Bytes(value.begin(), value.end()); });
  }

  TestClient client;
  std::unique_ptr<FakeFile> file;
  std::unique_ptr<Records> records;
};

TEST(CtdbRecords, ComeToWhoChangesThem) {
  FakeCluster cluster(2);
  TestRecords a(cluster, 0);
  TestRecords b(cluster, 1);
  EXPECT_EQ(a.get(), "");
  EXPECT_TRUE(a.put("one"));
  EXPECT_EQ(a.get(), "one");
  // Once it is here, nobody is asked.
  EXPECT_EQ(a.records->migrations(), 1u);
  EXPECT_EQ(a.records->local(), 3u);
  EXPECT_EQ(b.get(), "one");
  EXPECT_TRUE(b.put("two"));
  EXPECT_EQ(b.records->migrations(), 1u);
  EXPECT_EQ(a.get(), "two");
  EXPECT_EQ(a.records->migrations(), 2u);
}

TEST(CtdbRecords, EmptyOnesMayGo) {
  FakeCluster cluster(2);
  TestRecords a(cluster, 0);
  EXPECT_TRUE(a.put("one"));
  cluster.with_records(0, [](FakeCluster::Records& records) {
    EXPECT_EQ(records.begin()->second.header.flags, RecordHeader::kMigratedWithData);
  });
  EXPECT_TRUE(a.put(""));
  EXPECT_EQ(cluster.asked(0, Control::kScheduleForDeletion), 1u);
  EXPECT_EQ(a.get(), "");
}

TEST(CtdbRecords, LockOfAnotherIsWaitedFor) {
  FakeCluster cluster(1);
  TestRecords a(cluster, 0);
  a.file->busy = 7;
  EXPECT_TRUE(a.put("one"));
  EXPECT_EQ(a.records->busy(), 7u);
  EXPECT_EQ(a.get(), "one");
}

TEST(CtdbRecords, NothingIsChangedWithoutCtdbd) {
  FakeCluster cluster(2);
  TestRecords a(cluster, 0);
  EXPECT_TRUE(a.put("one"));
  cluster.kill(0);
  ASSERT_EQ(a.client.sink.next(), "lost: Connection reset by peer");
  EXPECT_EQ(a.put("two"), fail_os(ENOTCONN));
  // Nor by who began before it was lost.
  TestRecords b(cluster, 1);
  b.file->busy = 1'000'000;
  auto changed = b.client.begin<Result<void>>(
      [&](Client&) { return b.records->change({7}, [](ByteView) { return Bytes{1}; }); });
  cluster.kill(1);
  EXPECT_EQ(changed.get(), fail_os(ENOTCONN));
}

TEST(CtdbRecords, FileThatIsDamagedIsAnError) {
  FakeCluster cluster(1);
  TestRecords a(cluster, 0);
  a.file->error = Error::malformed();
  EXPECT_EQ(a.put("one"), fail(Error::malformed()));
  a.file->error.reset();
  EXPECT_TRUE(a.put("two"));
}

TEST(CtdbRecords, AfterADeathTheNewestThatIsLeftCounts) {
  FakeCluster cluster(3);
  TestRecords a(cluster, 0);
  TestRecords b(cluster, 1);
  TestRecords c(cluster, 2);
  EXPECT_TRUE(a.put("old"));
  EXPECT_TRUE(b.put("newer"));
  EXPECT_TRUE(c.put("newest"));
  cluster.kill(2);
  ASSERT_EQ(a.client.sink.next(), "event 0");
  EXPECT_EQ(a.get(), "newer");
}

// A file of TDB as ctdbd makes it, but without the locks of several processes: before it uses
// those, the library tries them with a child, by a signal handler that a sanitizer complains of.
class CtdbTdbFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "braid-tdb-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(CtdbTdbFile, KeepsWhatIsWritten) {
  const std::string path = folder_ + "/test.tdb.0";
  constexpr uint32_t kFlags = 0x0c41;
  EXPECT_EQ(TdbFile::open(path, kFlags).error(), Error::os(ENOENT));
  {
    std::ofstream made(path);
  }
  auto file = TdbFile::open(path, kFlags);
  ASSERT_TRUE(file) << file.error().message();
  const Bytes key{1, 2, 3};
  ASSERT_EQ((*file)->try_lock(key), true);
  EXPECT_EQ((*file)->read(key)->has_value(), false);
  const RecordHeader header{.rsn = 5, .dmaster = 2, .flags = RecordHeader::kMigratedWithData};
  EXPECT_TRUE((*file)->write(key, header, as_bytes("value")));
  const auto record = (*file)->read(key);
  ASSERT_TRUE(record && *record);
  EXPECT_EQ((*record)->header, header);
  EXPECT_EQ(as_text((*record)->data), "value");
  EXPECT_TRUE((*file)->write(key, header, {}));
  EXPECT_TRUE((*(*file)->read(key))->data.empty());
  (*file)->unlock(key);
}

TEST_F(CtdbTdbFile, WhatIsNoDatabaseIsNotOpened) {
  const std::string path = folder_ + "/test.tdb.0";
  {
    std::ofstream(path) << std::string(8192, 'x');
  }
  // Without the flag by which the first who opens one makes it anew.
  EXPECT_EQ(TdbFile::open(path, 0x0c40).error(), Error::os(EIO));
}

}  // namespace
}  // namespace braid::store::ctdb

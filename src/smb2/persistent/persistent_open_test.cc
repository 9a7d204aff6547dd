#include "smb2/persistent/persistent_open.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "smb2/persistent/persistent_open_testing.h"

namespace braid::smb2 {
namespace {

bool are_same(const filestate::Deleters& a, const filestate::Deleters& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return *x == *y; });
}

TEST(PersistentOpenRecord, EveryValueComesBack) {
  PersistentOpen open = filled_open();
  const auto back = read_open_record(open_record_of(open));
  ASSERT_TRUE(back) << back.error().message();
  // Neither is the same after a restart.
  open.attributes.file_key.device = 0;
  open.file_id.volatile_id = 0;
  EXPECT_EQ(first_other<OpenValues>(open, *back), 0u);
  EXPECT_EQ(first_other(open.changes, back->changes), 0u);
  EXPECT_EQ(back->stream, open.stream);
  EXPECT_EQ(back->moving_to, open.moving_to);
  EXPECT_EQ(back->channel_sequence, open.channel_sequence);
  EXPECT_EQ(back->stamp, open.stamp);
  const filestate::OpenImage& state = back->state;
  EXPECT_EQ(state.persistent_id, open.file_id.persistent);
  EXPECT_EQ(state.client, open.client_guid);
  EXPECT_EQ(state.user, open.user);
  EXPECT_EQ(state.access, open.attributes.granted_access);
  EXPECT_EQ(state.share, open.attributes.share_access);
  EXPECT_FALSE(state.is_directory);
  EXPECT_EQ(state.durability, filestate::Durability::kPersistent);
  EXPECT_EQ(state.oplock, open.state.oplock);
  EXPECT_EQ(state.lease.value().key, open.state.lease->key);
  EXPECT_EQ(state.is_sole_name, open.state.is_sole_name);
  EXPECT_EQ(state.of_name.is_pending, open.state.of_name.is_pending);
  EXPECT_EQ(state.of_name.by_posix, open.state.of_name.by_posix);
  EXPECT_TRUE(are_same(state.of_name.deleters, open.state.of_name.deleters));
  EXPECT_EQ(state.of_stream.is_pending, open.state.of_stream.is_pending);
  EXPECT_TRUE(are_same(state.of_stream.deleters, open.state.of_stream.deleters));
  EXPECT_TRUE(state.delete_on_close);
  EXPECT_TRUE(state.deletes_by_posix);
  EXPECT_EQ(*state.deleter, *open.state.deleter);
  ASSERT_EQ(state.locks.size(), 2u);
  EXPECT_EQ(state.locks[1].offset, 7u);
  EXPECT_EQ(state.locks[1].length, 8u);
  EXPECT_FALSE(state.locks[1].exclusive);
  EXPECT_TRUE(state.locks[0].exclusive);
  EXPECT_EQ(state.lock_sequences, open.state.lock_sequences);
}

TEST(PersistentOpenRecord, LeaseComesBack) {
  const auto lease = *filled_open().state.lease;
  const auto back = read_lease_record(lease_record_of(lease));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->state, lease.state);
  EXPECT_EQ(back->version, lease.version);
  EXPECT_EQ(back->epoch, lease.epoch);
  EXPECT_EQ(back->parent_key, lease.parent_key);
}

// docs/records.md. Whoever changes them makes another version, and reads this one as before.
TEST(PersistentOpenRecord, BytesAreThoseOfThePage) {
  PersistentOpen open = leased_open(0x0102030405060708, filestate::Caching::kReadWriteHandle);
  open.state.locks = {{.offset = 1, .length = 2, .exclusive = true}};
  open.state.lock_sequences[2] = 9;
  EXPECT_EQ(hex(open_record_key(open.file_id.persistent)), "6f0807060504030201");
  EXPECT_EQ(hex(lease_record_key(open)),
            "6c"
            "01000000000000000000000000000000"
            "02000000000000000000000000000000"
            "0000000000000000"
            "7700000000000000"
            "0000000000000000");
  EXPECT_EQ(hex(lease_record_of(*open.state.lease)),
            "010007020000"
            "00");
  EXPECT_EQ(hex(open_record_of(open)),
            "01000807060504030201"                                              // FileId
            "770000000000000000560000000000000000000000000000"                  // inode, stream
            "000000000000000000000000000000000000000000000000000001000000"      // access
            "000000"                                                            // names
            "01010200000000000515000000010000000000040000007573657200000000"    // owner
            "01010000000200000000000000"                                        // who
            "010000000000000000000000000000000000000000000000"                  // client
            "010200000000000000000000000000000000"                              // keys
            "0360ea0000000000000400000066696c650000000000"                      // changes
            "000000000000000000000000000000000000000000000000000000000000"      // position
            "ff010200000000000000000000000000000001"                            // lease
            "000000000000000000000000000000"                                    // deletions
            "010000000100000000000000020000000000000001"                        // locks
            "0000010900000000000000000000000000000000000000000000000000000000"  // sequences
            "0000000000000000000000000000000000000000000000000000000000000000"
            "00");
}

TEST(PersistentOpenRecord, OfAPosixOpenIsOfTheSecondVersion) {
  PersistentOpen open = leased_open(0x0102030405060708, filestate::Caching::kReadWriteHandle);
  const std::string before = hex(open_record_of(open));
  open.attributes.is_posix = true;
  std::string expected = before;
  expected.replace(0, 4, "0200");
  constexpr size_t kBeforeIt = 2 + 8 + 3 * 8 + 5 * 4 + 2 + 2 * 4;
  expected.insert(2 * kBeforeIt, "01");
  EXPECT_EQ(hex(open_record_of(open)), expected);
  const auto back = read_open_record(open_record_of(open));
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->attributes.is_posix);
}

TEST(PersistentOpenRecord, WithAStampIsOfTheThirdVersion) {
  PersistentOpen open = leased_open(0x0102030405060708, filestate::Caching::kReadWriteHandle);
  open.attributes.is_posix = true;
  std::string expected = hex(open_record_of(open));
  open.stamp = FileStamp{.size = 0x1112, .write_time = {0x2122}};
  expected.replace(0, 4, "0300");
  const std::string state = "ff0102000000000000000000000000000000";
  ASSERT_NE(expected.find(state), std::string::npos);
  expected.insert(expected.find(state), "0112110000000000002221000000000000");
  EXPECT_EQ(hex(open_record_of(open)), expected);
  const auto back = read_open_record(open_record_of(open));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->stamp, open.stamp);
  EXPECT_TRUE(back->attributes.is_posix);
}

// Where a client is in a file it finds again by itself.
TEST(PersistentOpenRecord, PromisesAreWhatMatters) {
  const PersistentOpen before = filled_open();
  const auto is_promise = [&](auto change) {
    PersistentOpen open = before;
    change(open);
    return promises_of(open) != promises_of(before);
  };
  EXPECT_FALSE(is_promise([](auto& open) { ++open.changes.position; }));
  EXPECT_FALSE(is_promise([](auto& open) { ++open.changes.mode; }));
  EXPECT_FALSE(is_promise([](auto& open) { ++open.changes.next_ea; }));
  EXPECT_FALSE(is_promise([](auto& open) { open.changes.is_replay_eligible ^= true; }));
  EXPECT_FALSE(is_promise([](auto& open) { open.changes.is_modified ^= true; }));
  EXPECT_FALSE(is_promise([](auto& open) { ++open.channel_sequence; }));
  EXPECT_FALSE(is_promise([](auto& open) { open.stamp = FileStamp{}; }));
  EXPECT_TRUE(is_promise([](auto& open) { open.state.locks.pop_back(); }));
  EXPECT_TRUE(is_promise([](auto& open) { open.state.lease->state = filestate::Caching::kRead; }));
  EXPECT_TRUE(is_promise([](auto& open) { ++open.state.lease->epoch; }));
  EXPECT_TRUE(is_promise([](auto& open) { open.state.lock_sequences[3] = 1; }));
  EXPECT_TRUE(is_promise([](auto& open) { open.moving_to += 'x'; }));
  EXPECT_TRUE(is_promise([](auto& open) { open.state.delete_on_close = false; }));
  EXPECT_TRUE(is_promise([](auto& open) { open.changes.flush_error = EIO; }));
}

TEST(PersistentOpenRecord, NoPartOfItIsTakenForTheWhole) {
  const Bytes open = open_record_of(filled_open());
  for (size_t size = 0; size < open.size(); ++size) {
    EXPECT_FALSE(read_open_record(ByteView(open).first(size))) << size;
  }
  // Two of which only what is missing would tell the one from the other.
  PersistentOpen twins = filled_open();
  twins.state.of_name.deleters.clear();
  for (const uid_t uid : {1u, 2u}) {
    auto who = std::make_shared<const UnixCredentials>(UnixCredentials{.uid = uid});
    twins.state.of_name.deleters.add(filestate::make_deleter(std::move(who), ""));
  }
  const Bytes cut = open_record_of(twins);
  for (size_t size = 0; size < cut.size(); ++size) {
    EXPECT_FALSE(read_open_record(ByteView(cut).first(size))) << size;
  }
  const Bytes lease = lease_record_of(*filled_open().state.lease);
  for (size_t size = 0; size < lease.size(); ++size) {
    EXPECT_FALSE(read_lease_record(ByteView(lease).first(size))) << size;
  }
}

TEST(PersistentOpenRecord, NewerOnesAreRefusedAsSuch) {
  Bytes open = open_record_of(filled_open());
  open[0] = kOpenRecordVersion + 1;
  EXPECT_EQ(read_open_record(open).error(), Error::unsupported());
  open[0] = 0;
  EXPECT_EQ(read_open_record(open).error(), Error::malformed());
  Bytes lease = lease_record_of({});
  lease[0] = kLeaseRecordVersion + 1;
  EXPECT_EQ(read_lease_record(lease).error(), Error::unsupported());
}

TEST(PersistentOpenRecord, WhatCannotBeIsRefused) {
  const auto is_refused = [](auto change) {
    PersistentOpen open = filled_open();
    change(open);
    return !read_open_record(open_record_of(open));
  };
  EXPECT_FALSE(is_refused([](auto&) {}));
  EXPECT_TRUE(is_refused([](auto& open) { open.owner = nullptr; }));
  EXPECT_TRUE(is_refused([](auto& open) { open.credentials = nullptr; }));
  EXPECT_TRUE(is_refused([](auto& open) { open.stream.clear(); }));
  EXPECT_TRUE(is_refused([](auto& open) { open.attributes.file_key.stream = 0; }));
  EXPECT_TRUE(is_refused([](auto& open) { open.state.lease.reset(); }));
  EXPECT_TRUE(is_refused([](auto& open) { open.state.oplock = filestate::OplockLevel{7}; }));
  EXPECT_TRUE(is_refused([](auto& open) { open.state.lock_sequences[5] = 16; }));
  EXPECT_TRUE(
      is_refused([](auto& open) { open.state.locks = {{.offset = ~uint64_t{0}, .length = 2}}; }));
  EXPECT_TRUE(is_refused([](auto& open) { open.state.locks.resize(kPersistentLocksMax + 1); }));
  EXPECT_TRUE(
      is_refused([](auto& open) { open.changes.durable_terms.timeout = std::chrono::hours(25); }));
}

}  // namespace
}  // namespace braid::smb2

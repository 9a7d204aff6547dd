// An open on its way to another process, as bytes.
#include "smb2/persistent/handed_open.h"

#include <gtest/gtest.h>

#include "smb2/persistent/persistent_open_testing.h"

namespace braid::smb2 {
namespace {

HandedOpen handed() {
  HandedOpen made{.share = "share",
                  .real_path = "/srv/share",
                  .device = 0x0102,
                  .left = std::chrono::milliseconds(1500),
                  .size = 0x1234,
                  .write_time = {0x5678},
                  .has_descriptor = true,
                  .open = filled_open()};
  made.open.changes.durable_terms.durability = filestate::Durability::kDurable;
  return made;
}

TEST(HandedOpenBytes, ComeBackAsTheyWere) {
  const HandedOpen open = handed();
  const auto back = decode_handed_open(encode(open));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->share, open.share);
  EXPECT_EQ(back->real_path, open.real_path);
  EXPECT_EQ(back->device, open.device);
  EXPECT_EQ(back->left, open.left);
  EXPECT_EQ(back->size, open.size);
  EXPECT_EQ(back->write_time, open.write_time);
  EXPECT_TRUE(back->has_descriptor);
  ASSERT_EQ(back->open.state.locks.size(), 2u);
  EXPECT_EQ(back->open.state.locks[0].offset, open.open.state.locks[0].offset);
  EXPECT_TRUE(back->open.state.locks[0].exclusive);
  EXPECT_EQ(back->open.state.lease->epoch, open.open.state.lease->epoch);
  EXPECT_EQ(encode(*back), encode(open));
}

// docs/records.md. Whoever changes them makes another version, and reads this one as before.
TEST(HandedOpenBytes, AreThoseOfThePage) {
  HandedOpen open = handed();
  open.open = leased_open(7, filestate::Caching::kReadWriteHandle);
  open.open.state.locks = {{.offset = 1, .length = 2, .exclusive = true}};
  PersistentOpen without_locks = open.open;
  without_locks.state.locks.clear();
  const Bytes record = open_record_of(without_locks);
  std::string size = "00000000";
  size[0] = "0123456789abcdef"[(record.size() >> 4) & 15];
  size[1] = "0123456789abcdef"[record.size() & 15];
  size[3] = "0123456789abcdef"[(record.size() >> 8) & 15];
  EXPECT_EQ(hex(encode(open)),
            "0100"
            "050000007368617265"            // share
            "0a0000002f7372762f7368617265"  // its folder
            "0201000000000000"              // device
            "dc05000000000000"              // left
            "3412000000000000"              // size
            "7856000000000000"              // write time
            "01"                            // descriptor
            "01000000"                      // locks
            "0100000000000000020000000000000001" +
                size + hex(record) +
                "01"  // lease
                "07000000"
                "01000702000000");
}

TEST(HandedOpenBytes, OfANewerVersionAreRefused) {
  Bytes bytes = encode(handed());
  bytes[0] = kHandedOpenVersion + 1;
  EXPECT_EQ(decode_handed_open(bytes).error(), Error::unsupported());
}

TEST(HandedOpenBytes, CutShortAreNone) {
  const Bytes bytes = encode(handed());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_handed_open(ByteView(bytes).first(size))) << size;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_handed_open(longer));
}

// A record of the log has fewer.
TEST(HandedOpenBytes, HaveAllLocks) {
  HandedOpen open = handed();
  open.open.state.locks.clear();
  for (uint64_t i = 0; i < kPersistentLocksMax + 10; ++i) {
    open.open.state.locks.push_back({.offset = 2 * i, .length = 1});
  }
  const auto back = decode_handed_open(encode(open));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->open.state.locks.size(), kPersistentLocksMax + 10);
}

}  // namespace
}  // namespace braid::smb2

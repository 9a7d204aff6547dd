#include "filestate/lease_keys.h"

#include <gtest/gtest.h>

#include "filestate/file_table_testing.h"

namespace braid::filestate {
namespace {

constexpr FileKey kElsewhere{1, 101, 0};
const LeaseId kItsLease{client(1), lease_key(1), {1}};

// [MS-SMB2] 3.3.5.9.8: one key, one file.
TEST(LeaseKeys, BindToOneFile) {
  LeaseKeys keys;
  EXPECT_TRUE(keys.may_bind(kItsLease, std::nullopt));
  EXPECT_EQ(keys.file_of(kItsLease), std::nullopt);
  EXPECT_TRUE(keys.bind(kItsLease, kFile));
  EXPECT_TRUE(keys.bind(kItsLease, kFile));
  EXPECT_FALSE(keys.bind(kItsLease, kElsewhere));
  EXPECT_EQ(keys.file_of(kItsLease), kFile);
  EXPECT_TRUE(keys.may_bind(kItsLease, kFile));
  EXPECT_FALSE(keys.may_bind(kItsLease, kElsewhere));
  EXPECT_FALSE(keys.may_bind(kItsLease, std::nullopt)) << "a file that is not there yet";
  for (const LeaseId& another :
       {LeaseId{client(2), lease_key(1), {1}}, LeaseId{client(1), lease_key(2), {1}},
        LeaseId{client(1), lease_key(1), {2}}}) {
    EXPECT_EQ(keys.file_of(another), std::nullopt);
    EXPECT_TRUE(keys.bind(another, kElsewhere));
  }
}

TEST(LeaseKeys, AreFreeWhenTheirFileLetsGo) {
  LeaseKeys keys;
  keys.unbind(kItsLease, kFile);
  EXPECT_TRUE(keys.bind(kItsLease, kFile));
  keys.unbind(kItsLease, kElsewhere);
  EXPECT_EQ(keys.file_of(kItsLease), kFile) << "it is another's";
  keys.unbind(kItsLease, kFile);
  EXPECT_EQ(keys.file_of(kItsLease), std::nullopt);
  EXPECT_TRUE(keys.bind(kItsLease, kElsewhere));
}

// Lease.FileDeleteOnClose: the next file may have it, and keeps it as any.
TEST(LeaseKeys, OfAFileToBeDeletedAreTheNextOnes) {
  LeaseKeys keys;
  keys.set_delete_on_close(kItsLease);
  EXPECT_EQ(keys.file_of(kItsLease), std::nullopt);
  EXPECT_TRUE(keys.bind(kItsLease, kFile));
  keys.set_delete_on_close(kItsLease);
  EXPECT_TRUE(keys.may_bind(kItsLease, std::nullopt));
  EXPECT_TRUE(keys.may_bind(kItsLease, kElsewhere));
  EXPECT_TRUE(keys.bind(kItsLease, kFile));
  EXPECT_TRUE(keys.bind(kItsLease, kElsewhere));
  EXPECT_EQ(keys.file_of(kItsLease), kElsewhere);
  EXPECT_FALSE(keys.bind(kItsLease, kFile));
  EXPECT_FALSE(keys.may_bind(kItsLease, kFile));
}

}  // namespace
}  // namespace braid::filestate

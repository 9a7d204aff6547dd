#include "wire/fscc/reparse.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/fscc/file_attributes.h"

namespace braid::wire {
namespace {

// A relative link to "a\b" as Windows lays it out: print name first.
constexpr char kWindowsSymlink[] =
    "0c0000a0 1800 0000 0600 0600 0000 0600 01000000 61005c006200 61005c006200";

TEST(Reparse, SymlinkWithPrintNameFirstDecodes) {
  const auto reparse = ReparseData::decode(unhex(kWindowsSymlink));
  ASSERT_TRUE(reparse);
  EXPECT_EQ(reparse->tag, reparse_tag::kSymlink);
  const auto& link = std::get<SymlinkReparse>(reparse->data);
  EXPECT_EQ(link.substitute_name, "a\\b");
  EXPECT_EQ(link.print_name, "a\\b");
  EXPECT_TRUE(link.relative);
  EXPECT_EQ(ReparseData::decode(reparse->encode()), *reparse);
}

// Character device 1:3 as the Linux client writes it.
TEST(Reparse, NfsCharacterDeviceDecodes) {
  const Bytes bytes = unhex("14000080 1000 0000 4348520000000000 01000000 03000000");
  const auto reparse = ReparseData::decode(bytes);
  ASSERT_TRUE(reparse);
  const auto& nfs = std::get<NfsReparse>(reparse->data);
  EXPECT_EQ(nfs.type, NfsReparse::Type::kCharacterDevice);
  EXPECT_EQ(nfs.major, 1u);
  EXPECT_EQ(nfs.minor, 3u);
  EXPECT_EQ(reparse->encode(), bytes);
}

TEST(Reparse, AllKindsRoundTrip) {
  NfsReparse nfs_link;
  nfs_link.target = "../x/ÿ";
  NfsReparse fifo;
  fifo.type = NfsReparse::Type::kFifo;
  const ReparseData all[] = {
      {reparse_tag::kMountPoint, MountPointReparse{"\\??\\C:\\x", "C:\\x"}},
      {reparse_tag::kNfs, nfs_link},
      {reparse_tag::kNfs, fifo},
      {reparse_tag::kLxSymlink, LxSymlinkReparse{"/etc"}},
      {reparse_tag::kLxFifo, OpaqueReparse{}},
      {0x00000042, OpaqueReparse{Guid{{1, 2, 3}}, {9, 8, 7}}},
      {0x00000043, OpaqueReparse{Guid{{4, 5, 6}}, {9, 8, 7}}},
      {0x80000099, OpaqueReparse{{}, {1}}},
  };
  for (const ReparseData& reparse : all) {
    EXPECT_EQ(ReparseData::decode(reparse.encode()), reparse) << reparse.tag;
  }
}

TEST(Reparse, LengthMustBeExactAndNamesInside) {
  Bytes bytes = unhex(kWindowsSymlink);
  bytes.push_back(0);
  EXPECT_EQ(ReparseData::decode(bytes).error(), Error(NtStatus::kIoReparseDataInvalid));
  bytes = unhex(kWindowsSymlink);
  bytes[8] = 0xff;  // SubstituteNameOffset
  EXPECT_EQ(ReparseData::decode(bytes).error(), Error(NtStatus::kIoReparseDataInvalid));
  bytes = unhex(kWindowsSymlink);
  bytes[10] = 0x07;  // odd length
  EXPECT_EQ(ReparseData::decode(bytes).error(), Error(NtStatus::kIoReparseDataInvalid));
  EXPECT_EQ(ReparseData::decode(unhex("01000000 0000 0000")).error(),
            Error(NtStatus::kIoReparseTagInvalid));
  EXPECT_FALSE(ReparseData::decode(unhex("0c0000a0 0000")));
}

TEST(Reparse, NfsDataIsAsItsTypeHasIt) {
  const auto is_refused = [](std::string_view hex) {
    return ReparseData::decode(unhex(hex)).error() == Error(NtStatus::kIoReparseDataInvalid);
  };
  // A pipe with something behind it, half a device, a device with more, a type that is none, half
  // a UTF-16 unit.
  EXPECT_TRUE(is_refused("14000080 0900 0000 4f46494600000000 00"));
  EXPECT_TRUE(is_refused("14000080 0c00 0000 4b4c420000000000 01000000"));
  EXPECT_TRUE(is_refused("14000080 1100 0000 4b4c420000000000 01000000 03000000 00"));
  EXPECT_TRUE(is_refused("14000080 0800 0000 5249440000000000"));
  EXPECT_TRUE(is_refused("14000080 0400 0000 4f464946"));
  EXPECT_TRUE(is_refused("14000080 0b00 0000 4c4e4b0100000000 610062"));
}

}  // namespace
}  // namespace braid::wire

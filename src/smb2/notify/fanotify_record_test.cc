#include "smb2/notify/fanotify_record.h"

#include <gtest/gtest.h>
#include <sys/fanotify.h>

#include "smb2/notify/local_filters.h"

namespace braid::smb2 {
namespace {

using Kind = LocalChange::Kind;

// Events in the layout of fanotify(7), made by hand for `touch a` and `mv a bb` in a directory of
// ext4 whose handle is type 1, 8 bytes; a group with FAN_REPORT_DFID_NAME_TARGET.
constexpr uint8_t kCreateA[] = {
    // metadata: event_len 96, version 3, metadata_len 24, mask FAN_CREATE, fd -1, pid 4660
    96, 0, 0, 0, 3, 0, 24, 0, 0, 1, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0x34, 0x12, 0, 0,
    // DFID_NAME: len 36, fsid, handle of 8 bytes and type 1, "a"
    2, 0, 36, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 22, 0, 0, 0, 'a', 0,
    0, 0, 0, 0, 0, 0,
    // FID of what was made: len 28 and padding
    1, 0, 36, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0, 0, 0, 1, 0, 0, 0, 33, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0};
constexpr uint8_t kRename[] = {
    96,   0,    0,  0, 3,  0, 24, 0, 0,   0,   0, 0x10, 0,   0, 0, 0, 255, 255, 255, 255,
    0x34, 0x12, 0,  0, 10, 0, 36, 0, 1,   2,   3, 4,    5,   6, 7, 8, 8,   0,   0,   0,
    1,    0,    0,  0, 11, 0, 0,  0, 22,  0,   0, 0,    'a', 0, 0, 0, 0,   0,   0,   0,
    12,   0,    36, 0, 1,  2, 3,  4, 5,   6,   7, 8,    8,   0, 0, 0, 1,   0,   0,   0,
    11,   0,    0,  0, 22, 0, 0,  0, 'b', 'b', 0, 0,    0,   0, 0, 0};

const DirectoryHandle kDirectory{0x0807060504030201, 1, std::string("\x0b\0\0\0\x16\0\0\0", 8)};

std::vector<LocalChange> changes(const FanotifyRecord& record, bool exists = true) {
  return changes_of(
      record,
      [](const DirectoryHandle& directory) {
        return directory == kDirectory ? std::optional<std::string>("/srv") : std::nullopt;
      },
      [=](const std::string&) { return exists; });
}

TEST(FanotifyRecord, NamesWhatWasMadeAndWhoDidIt) {
  const auto records = decode_fanotify(kCreateA);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].pid, 4660);
  ASSERT_TRUE(records[0].entry);
  EXPECT_EQ(records[0].entry->directory, kDirectory);
  EXPECT_EQ(changes(records[0]),
            (std::vector<LocalChange>{{.kind = Kind::kAdded, .path = "/srv/a"}}));
}

// Of a group with FAN_REPORT_DIR_FID and FAN_REPORT_FID: FAN_MODIFY of a file below a watched
// directory, as the kernel wrote it.
constexpr uint8_t kModifyBelow[] = {
    // metadata: event_len 80, version 3, metadata_len 24, mask FAN_MODIFY, fd -1, pid 4660
    80, 0, 0, 0, 3, 0, 24, 0, 2, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0x34, 0x12, 0, 0,
    // DFID
    3, 0, 28, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 22, 0, 0, 0,
    // FID
    1, 0, 28, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0, 0, 0, 1, 0, 0, 0, 33, 0, 0, 0, 44, 0, 0, 0};

TEST(FanotifyRecord, NamesTheFileAndWhereItIs) {
  const auto records = decode_fanotify(kModifyBelow);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].directory, kDirectory);
  EXPECT_EQ(records[0].object,
            (DirectoryHandle{0x0807060504030201, 1, std::string("\x21\0\0\0\x2c\0\0\0", 8)}));
  EXPECT_FALSE(records[0].entry);
}

TEST(FanotifyRecord, RenameHasBothNames) {
  const auto records = decode_fanotify(kRename);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(changes(records[0]),
            (std::vector<LocalChange>{
                {.kind = Kind::kRenamed, .path = "/srv/a", .new_path = "/srv/bb"}}));
}

TEST(FanotifyRecord, RenameFromOrToElsewhereIsRemovalOrAddition) {
  FanotifyRecord record = decode_fanotify(kRename)[0];
  record.old_name->directory.type = 2;
  EXPECT_EQ(changes(record), (std::vector<LocalChange>{{.kind = Kind::kAdded, .path = "/srv/bb"}}));
  std::swap(record.old_name->directory, record.new_name->directory);
  EXPECT_EQ(changes(record),
            (std::vector<LocalChange>{{.kind = Kind::kRemoved, .path = "/srv/a"}}));
}

TEST(FanotifyRecord, SeveralEventsInOneRead) {
  std::vector<uint8_t> both(std::begin(kCreateA), std::end(kCreateA));
  both.insert(both.end(), std::begin(kRename), std::end(kRename));
  EXPECT_EQ(decode_fanotify(both).size(), 2u);
}

TEST(FanotifyRecord, CutShortAnywhereGivesNoMoreThanWasThere) {
  for (size_t size = 0; size < sizeof kCreateA; ++size) {
    EXPECT_TRUE(decode_fanotify(ByteView(kCreateA, size)).empty());
  }
}

TEST(FanotifyRecord, HandleThatEndsBehindItsRecordIsNoEntry) {
  std::vector<uint8_t> bytes(std::begin(kCreateA), std::end(kCreateA));
  bytes[24 + 12] = 200;
  const auto records = decode_fanotify(bytes);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_FALSE(records[0].entry);
  EXPECT_TRUE(changes(records[0]).empty());
}

TEST(FanotifyRecord, MergedCreateAndDeleteAreOrderedByWhatIsThereNow) {
  FanotifyRecord record = decode_fanotify(kCreateA)[0];
  record.mask = FAN_CREATE | FAN_DELETE;
  const LocalChange added{.kind = Kind::kAdded, .path = "/srv/a"};
  const LocalChange removed{.kind = Kind::kRemoved, .path = "/srv/a"};
  EXPECT_EQ(changes(record, true), (std::vector<LocalChange>{removed, added}));
  EXPECT_EQ(changes(record, false), (std::vector<LocalChange>{added, removed}));
}

TEST(FanotifyRecord, AttributesOfADirectoryAreOfItsOwnName) {
  FanotifyRecord record = decode_fanotify(kCreateA)[0];
  record.mask = FAN_ATTRIB | FAN_ONDIR;
  record.entry->name = ".";
  EXPECT_EQ(changes(record), (std::vector<LocalChange>{{.kind = Kind::kModified,
                                                        .is_directory = true,
                                                        .filter = kFilterOfMetadata,
                                                        .path = "/srv"}}));
}

TEST(FanotifyRecord, OverflowIsALoss) {
  EXPECT_EQ(changes({.mask = FAN_Q_OVERFLOW}), (std::vector<LocalChange>{{.kind = Kind::kLost}}));
}

}  // namespace
}  // namespace braid::smb2

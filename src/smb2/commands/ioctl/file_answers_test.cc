// FSCTLs that tell of a file or its volume: compression, integrity, regions, object ids, NTFS
// volume data and USN records, previous versions. [MS-FSCC] 2.3.
#include <cerrno>

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "vfs/memory/memory_features.h"
#include "wire/smb2/srv_snapshot_array.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Fsctl;
using enum NtStatus;

struct FileAnswers : Fsctls {
  explicit FileAnswers(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan(),
                       std::shared_ptr<vfs::Volume> below = vfs::make_memory_volume())
      : Fsctls(vfs::make_fault_volume(below, disk)), plan(std::move(disk)), memory(*below) {}
  void SetUp() override {
    Fsctls::SetUp();
    id = open("f");
  }
  static Bytes numbers(std::initializer_list<std::pair<uint64_t, size_t>> fields) {
    Bytes bytes;
    for (const auto& [value, size] : fields) {
      Bytes field;
      wire::Writer(field).u64(value);
      bytes.insert(bytes.end(), field.begin(), field.begin() + static_cast<long>(size));
    }
    return bytes;
  }
  FileKey key_of(std::string_view name) { return find(name).attributes.key; }

  std::shared_ptr<vfs::FaultPlan> plan;
  vfs::Volume& memory;
  FileId id;
};

TEST_F(FileAnswers, CompressionIsNoneWhereThereIsNone) {
  EXPECT_EQ(ask(Fsctl::kGetCompression, id, {}, 2).output, Bytes(2));
  EXPECT_EQ(status(Fsctl::kGetCompression, id, {}, 1), kInvalidParameter);
  const auto put = [&](FileId of, uint16_t format) {
    return status(Fsctl::kSetCompression, of, numbers({{format, 2}}));
  };
  EXPECT_EQ(put(id, 0), kSuccess);
  for (const uint16_t format : {1, 2, 3}) EXPECT_EQ(put(id, format), kNotSupported) << format;
  EXPECT_EQ(status(Fsctl::kSetCompression, id, Bytes(1)), kInvalidParameter);
  EXPECT_EQ(put(open("f", Access::kFileWriteAttributes), 0), kAccessDenied);
}

TEST_F(FileAnswers, CompressionIsSetWhereThereIsSome) {
  vfs::features_of(memory).compression = true;
  const auto put = [&](FileId of, uint16_t format) {
    return status(Fsctl::kSetCompression, of, numbers({{format, 2}}));
  };
  const auto format = [&] { return ask(Fsctl::kGetCompression, id).output; };
  for (const uint16_t compressed : {1, 2}) {
    EXPECT_EQ(put(id, compressed), kSuccess);
    EXPECT_EQ(format(), (Bytes{2, 0}));
    EXPECT_EQ(put(id, 0), kSuccess);
    EXPECT_EQ(format(), (Bytes{0, 0}));
  }
  EXPECT_EQ(put(id, 3), kInvalidParameter);
  make("f:s", "x");
  const FileId stream = open("f:s");
  EXPECT_EQ(put(stream, 0), kSuccess);
  EXPECT_EQ(put(stream, 1), kNotSupported) << "it is the file's";
  plan->fail_operation("set_compressed", EINVAL);
  EXPECT_EQ(put(id, 1), kNotSupported) << "files without checksums never are";
  plan->fail_operation("set_compressed", ENOSPC);
  EXPECT_EQ(put(id, 1), kDiskFull);
}

// [MS-FSCC] 2.3.20 and 2.3.73.
TEST_F(FileAnswers, IntegrityIsThatOfTheFileSystem) {
  EXPECT_EQ(status(Fsctl::kGetIntegrityInformation, id), kInvalidDeviceRequest);
  vfs::set_checksums(memory, true);
  EXPECT_EQ(ask(Fsctl::kGetIntegrityInformation, id, {}, 16).output,
            numbers({{1, 2}, {0, 2}, {0, 4}, {4096, 4}, {4096, 4}}));
  EXPECT_EQ(status(Fsctl::kGetIntegrityInformation, id, {}, 15), kInvalidParameter);
  vfs::set_checksums(memory, false);
  EXPECT_EQ(ask(Fsctl::kGetIntegrityInformation, id, {}, 16).output,
            numbers({{0, 2}, {0, 2}, {0, 4}, {0, 4}, {4096, 4}}));
}

TEST_F(FileAnswers, IntegrityStaysAsItIs) {
  const auto put = [&](FileId of, uint16_t algorithm, uint32_t flags = 0) {
    return status(Fsctl::kSetIntegrityInformation, of,
                  numbers({{algorithm, 2}, {0, 2}, {flags, 4}}));
  };
  EXPECT_EQ(put(id, 0), kInvalidDeviceRequest);
  struct {
    bool has_sums;
    uint16_t algorithm;
    uint32_t flags;
    NtStatus expected;
  } constexpr kCases[] = {
      {true, 1, 0, kSuccess},
      {true, 0xFFFF, 0, kSuccess},
      {true, 0, 0, kNotSupported},
      {true, 2, 0, kNotSupported},
      {true, 3, 0, kInvalidParameter},
      {true, 0xFFFE, 0, kInvalidParameter},
      {true, 1, 1, kNotSupported},
      {true, 0xFFFF, 1, kNotSupported},
      {true, 1, 2, kInvalidParameter},
      {true, 0, 1, kInvalidParameter},
      {false, 0, 0, kSuccess},
      {false, 0xFFFF, 0, kSuccess},
      {false, 0xFFFF, 1, kInvalidParameter},
      {false, 1, 0, kNotSupported},
      {false, 1, 1, kNotSupported},
  };
  for (const auto& each : kCases) {
    vfs::set_checksums(memory, each.has_sums);
    EXPECT_EQ(put(id, each.algorithm, each.flags), each.expected)
        << each.has_sums << " " << each.algorithm << " " << each.flags;
  }
  EXPECT_EQ(status(Fsctl::kSetIntegrityInformation, id, Bytes(7)), kInvalidParameter);
  EXPECT_EQ(put(open("f", Access::kGenericRead), 0), kAccessDenied);
  EXPECT_EQ(put(open("f", Access::kFileWriteAttributes), 0), kSuccess);
  EXPECT_EQ(put(open("f", Access::kFileWriteData), 0), kSuccess);
}

// [MS-FSCC] 2.3.55 and 2.3.56.
TEST_F(FileAnswers, RegionsAreTheFile) {
  const auto region = [&](uint64_t offset, uint64_t length, uint32_t usage = 1) {
    return ask(Fsctl::kQueryFileRegions, id,
               numbers({{offset, 8}, {length, 8}, {usage, 4}, {0, 4}}));
  };
  const auto answer = [&](uint64_t offset, uint64_t length, uint32_t usage = 1) {
    return numbers({{0, 4}, {1, 4}, {1, 4}, {0, 4}, {offset, 8}, {length, 8}, {usage, 4}, {0, 4}});
  };
  EXPECT_EQ(ask(Fsctl::kQueryFileRegions, id).output, answer(0, 0, 0));
  EXPECT_EQ(region(0, 10).output, answer(0, 0, 0));
  EXPECT_TRUE(region(1, 10).output.empty());
  ASSERT_EQ(write(id, "0123456789"), kSuccess);
  EXPECT_EQ(ask(Fsctl::kQueryFileRegions, id, {}, 40).output, answer(0, 10));
  EXPECT_EQ(status(Fsctl::kQueryFileRegions, id, {}, 39), kBufferTooSmall);
  EXPECT_EQ(region(3, 4).output, answer(3, 4));
  EXPECT_EQ(region(3, 100).output, answer(3, 7));
  EXPECT_EQ(region(9, 1).output, answer(9, 1));
  EXPECT_TRUE(region(10, 1).output.empty());
  EXPECT_EQ(region(10, 1).status, kSuccess);
  EXPECT_EQ(region(0, 0).status, kInvalidParameter);
  EXPECT_EQ(region(0, kSizeMax).output, answer(0, 10));
  EXPECT_EQ(region(0, kSizeMax + 1).status, kInvalidParameter);
  EXPECT_EQ(region(kSizeMax, 1).status, kInvalidParameter);
  EXPECT_EQ(region(kSizeMax - 1, 1).status, kSuccess);
  EXPECT_EQ(region(kSizeMax + 1, 1).status, kInvalidParameter);
  EXPECT_EQ(region(0, 1, 2).status, kInvalidParameter);
  EXPECT_EQ(region(0, 1, 3).status, kSuccess);
  EXPECT_EQ(status(Fsctl::kQueryFileRegions, id, Bytes(23)), kBufferTooSmall);
  EXPECT_EQ(status(Fsctl::kQueryFileRegions, directory()), kInvalidParameter);
}

// [MS-FSCC] 2.1.3.
TEST_F(FileAnswers, ObjectIdIsThatOfTheInode) {
  const FileKey key = key_of("f");
  Bytes expected = numbers({{key.device, 8}, {key.inode, 8}});
  for (const char c : {'m', 'e', 'm', 'o', 'r', 'y'}) expected.push_back(static_cast<uint8_t>(c));
  expected.resize(32);
  const Bytes birth = numbers({{key.device, 8}, {key.inode, 8}});
  expected.insert(expected.end(), birth.begin(), birth.end());
  expected.resize(64);
  EXPECT_EQ(ask(Fsctl::kGetObjectId, id, {}, 64).output, expected);
  EXPECT_EQ(ask(Fsctl::kCreateOrGetObjectId, id, {}, 64).output, expected);
  EXPECT_EQ(status(Fsctl::kGetObjectId, id, {}, 63), kInvalidParameter);
  vfs::features_of(memory).file_system_id = "0123456789abcdefghij";
  const Bytes longer = ask(Fsctl::kGetObjectId, id).output;
  EXPECT_EQ(longer.at(31), 'f');
  EXPECT_EQ(number_at(longer, 32, 8), key.device);
}

// [MS-FSCC] 2.3.22, of what every memory volume says: 2^20 blocks of 4096 bytes, half of them free.
TEST_F(FileAnswers, VolumeDataCountsSectorsAndClusters) {
  Bytes expected = numbers({{key_of("f").device, 8},
                            {uint64_t{8} << 20, 8},
                            {1 << 20, 8},
                            {1 << 19, 8},
                            {0, 8},
                            {512, 4},
                            {4096, 4},
                            {1024, 4},
                            {0, 4}});
  expected.resize(96);
  EXPECT_EQ(ask(Fsctl::kGetNtfsVolumeData, id, {}, 96).output, expected);
  EXPECT_EQ(status(Fsctl::kGetNtfsVolumeData, id, {}, 95), kBufferTooSmall);
}

// [MS-FSCC] 2.3.61 and 2.3.62.
TEST_F(FileAnswers, UsnRecordIsOfTheVersionAskedFor) {
  directory("d");
  const FileId file = open("d\\ab");
  const auto asked = [&](FileId of, uint16_t min, uint16_t max, uint32_t room = 4096) {
    return ask(Fsctl::kReadFileUsnData, of, numbers({{min, 2}, {max, 2}}), room);
  };
  const uint64_t inode = key_of("d\\ab").inode, parent = key_of("d").inode;
  const auto record = [&](uint16_t version) {
    const size_t offset = version == 2 ? 60 : 76;
    const uint64_t wide = version == 2 ? 0 : 8;
    Bytes bytes = numbers({{version == 2 ? 64 : 80, 4},
                           {version, 2},
                           {0, 2},
                           {inode, 8},
                           {0, wide},
                           {parent, 8},
                           {0, wide},
                           {0, 8},
                           {0, 8},
                           {0, 4},
                           {0, 4},
                           {0, 4},
                           {vfs::dos::kArchive, 4},
                           {4, 2},
                           {offset, 2},
                           {'a', 2},
                           {'b', 2}});
    return bytes;
  };
  EXPECT_EQ(asked(file, 2, 2).output, record(2));
  EXPECT_EQ(asked(file, 2, 3).output, record(3));
  EXPECT_EQ(asked(file, 3, 3).output, record(3));
  EXPECT_EQ(asked(file, 0, 9).output, record(3));
  EXPECT_EQ(ask(Fsctl::kReadFileUsnData, file).output, record(2));
  EXPECT_EQ(ask(Fsctl::kReadFileUsnData, file, Bytes{3, 0, 3}).output, record(2));
  EXPECT_EQ(asked(file, 2, 2, 64).status, kSuccess);
  EXPECT_EQ(asked(file, 2, 2, 63).status, kBufferTooSmall);
  EXPECT_EQ(asked(file, 3, 2).status, kInvalidParameter);
  EXPECT_EQ(asked(file, 4, 4).status, kInvalidParameter);
  EXPECT_EQ(asked(file, 0, 1).status, kInvalidParameter);
  EXPECT_EQ(asked(file, 1, 2).status, kSuccess);
  // The root is its own, and has no name.
  const Bytes root = asked(directory(""), 2, 2).output;
  EXPECT_EQ(number_at(root, 8, 8), key_of("").inode);
  EXPECT_EQ(number_at(root, 16, 8), key_of("").inode);
  EXPECT_EQ(number_at(root, 56, 2), 2u);
  EXPECT_EQ(root.at(60), '.');
}

// [MS-SMB2] 3.3.5.15.1: without previous versions a head, and room for a client's taste.
TEST_F(FileAnswers, WithoutSnapshotsThereIsAnEmptyList) {
  const Told told = ask(Fsctl::kSrvEnumerateSnapshots, id, {}, 16);
  EXPECT_EQ(told.status, kSuccess);
  EXPECT_EQ(told.output.size(), 16u);
  EXPECT_EQ(number_at(told.output, 0, 4), 0u);
  EXPECT_EQ(number_at(told.output, 4, 4), 0u);
  EXPECT_EQ(status(Fsctl::kSrvEnumerateSnapshots, id, {}, 15), kInvalidParameter);
}

}  // namespace
}  // namespace braid::smb2

// What FileBasicInformation, the sizes and the mode of a handle may be set to: [MS-FSA] 2.1.5.15.
#include <cerrno>
#include <cstring>

#include "smb2/commands/file_requests_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "vfs/memory/memory_features.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/stream_information.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::FileBasicInformation;
using wire::FileInfoClass;
using enum NtStatus;

struct BasicInfo : FileRequests {
  explicit BasicInfo(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan(),
                     std::shared_ptr<vfs::Volume> memory = vfs::make_memory_volume())
      : FileRequests(vfs::make_fault_volume(memory, disk)),
        plan(std::move(disk)),
        features(vfs::features_of(*memory)) {}
  void SetUp() override {
    FileRequests::SetUp();
    id = open("f");
  }
  template <class Info>
  NtStatus put(FileId of, FileInfoClass info_class, const Info& info) {
    Bytes buffer;
    wire::Writer writer(buffer);
    info.encode(writer);
    return set(of, info_class, buffer);
  }
  NtStatus put(FileId of, const FileBasicInformation& basic) {
    return put(of, FileInfoClass::kBasic, basic);
  }
  NtStatus put(const FileBasicInformation& basic) { return put(id, basic); }
  template <class Info>
  Info told(FileId of, FileInfoClass info_class) {
    const wire::QueryInfoRequest body{.file_info_class = static_cast<uint8_t>(info_class),
                                      .output_buffer_length = 4096,
                                      .file_id = of};
    const auto answer = client.exchange(client.request(Command::kQueryInfo, body));
    EXPECT_EQ(answer->status(), kSuccess);
    wire::Reader reader(answer->as<wire::QueryInfoResponse>().output_buffer);
    return Info::decode(reader).value();
  }
  FileBasicInformation basic() { return told<FileBasicInformation>(id, FileInfoClass::kBasic); }
  uint64_t size_of(FileId of) {
    return told<wire::FileStandardInformation>(of, FileInfoClass::kStandard).end_of_file;
  }
  FileId directory() {
    auto body = RawClient::create_body("d");
    body.create_options = wire::CreateOptions::kDirectoryFile;
    return client.create(body);
  }
  NtStatus end_of_file(FileId of, uint64_t size) {
    Bytes buffer;
    wire::Writer(buffer).u64(size);
    return set(of, FileInfoClass::kEndOfFile, buffer);
  }
  NtStatus allocation(FileId of, uint64_t size) {
    Bytes buffer;
    wire::Writer(buffer).u64(size);
    return set(of, FileInfoClass::kAllocation, buffer);
  }
  NtStatus valid_data(FileId of, uint64_t size) {
    Bytes buffer;
    wire::Writer(buffer).u64(size);
    return set(of, FileInfoClass::kValidDataLength, buffer);
  }

  static constexpr uint64_t kTime = kUnixEpochTicks + 1'000'000 * kTicksPerSecond;
  static constexpr FileTime kFrozen{FileBasicInformation::kTimeFrozen};
  static constexpr FileTime kThawed{FileBasicInformation::kTimeThawed};
  std::shared_ptr<vfs::FaultPlan> plan;
  vfs::Features& features;
  FileId id;
};

TEST_F(BasicInfo, EachTimeIsSetByItself) {
  const auto before = basic();
  ASSERT_EQ(put({.creation_time = {kTime + 1}, .change_time = before.change_time}), kSuccess);
  auto now = basic();
  EXPECT_EQ(now.creation_time.ticks, kTime + 1);
  EXPECT_EQ(now.last_access_time, before.last_access_time);
  EXPECT_EQ(now.last_write_time, before.last_write_time);
  EXPECT_EQ(now.change_time, before.change_time);
  ASSERT_EQ(put({.last_access_time = {kTime + 2}}), kSuccess);
  ASSERT_EQ(put({.last_write_time = {kTime + 3}}), kSuccess);
  ASSERT_EQ(put({.change_time = {kTime + 4}}), kSuccess);
  now = basic();
  EXPECT_EQ(now.creation_time.ticks, kTime + 1);
  EXPECT_EQ(now.last_access_time.ticks, kTime + 2);
  EXPECT_EQ(now.last_write_time.ticks, kTime + 3);
  EXPECT_EQ(now.change_time.ticks, kTime + 4);
  EXPECT_EQ(now.file_attributes, before.file_attributes);
}

TEST_F(BasicInfo, TimesAreNotNegativeButForTheSpecialOnes) {
  using Basic = FileBasicInformation;
  for (FileTime Basic::* time : {&Basic::creation_time, &Basic::last_access_time,
                                 &Basic::last_write_time, &Basic::change_time}) {
    const auto ask = [&](uint64_t ticks) {
      Basic info;
      (info.*time).ticks = ticks;
      return put(info);
    };
    EXPECT_EQ(ask(INT64_MAX), kSuccess);
    EXPECT_EQ(ask(uint64_t{1} << 63), kInvalidParameter);
    EXPECT_EQ(ask(~uint64_t{2}), kInvalidParameter);
    EXPECT_EQ(ask(~uint64_t{1}), kSuccess);
    EXPECT_EQ(ask(~uint64_t{0}), kSuccess);
    // That one moves with each change.
    if (time != &Basic::change_time) EXPECT_EQ(basic().*time, FileTime{INT64_MAX});
  }
}

TEST_F(BasicInfo, AttributesAreThoseOfItsKind) {
  using namespace vfs::dos;
  ASSERT_EQ(put({.file_attributes = kHidden | kSystem | kCompressed | kSparse}), kSuccess);
  EXPECT_EQ(basic().file_attributes, kHidden | kSystem);
  ASSERT_EQ(put({.file_attributes = kNormal}), kSuccess);
  EXPECT_EQ(basic().file_attributes, kNormal);
  EXPECT_EQ(put({.file_attributes = kDirectory}), kInvalidParameter);
  EXPECT_EQ(put({.file_attributes = kTemporary}), kSuccess);
  EXPECT_EQ(basic().file_attributes, kTemporary);
  const FileId folder = directory();
  EXPECT_EQ(put(folder, {.file_attributes = kTemporary}), kInvalidParameter);
  EXPECT_EQ(put(folder, {.file_attributes = kDirectory | kHidden}), kSuccess);
  EXPECT_EQ(told<FileBasicInformation>(folder, FileInfoClass::kBasic).file_attributes,
            kDirectory | kHidden);
}

// UserSetAccessTime, UserSetModificationTime and UserSetChangeTime, each by itself: a time that is
// given stands still from then on, until the handle is told that it moves. CreationTime never
// moves.
TEST_F(BasicInfo, TimesThatAreGivenStandStillForTheHandle) {
  using Basic = FileBasicInformation;
  using vfs::TimeRule;
  struct {
    FileTime Basic::* time;
    TimeRule vfs::TimeRules::* rule;
  } constexpr kTimes[] = {{&Basic::last_access_time, &vfs::TimeRules::access},
                          {&Basic::last_write_time, &vfs::TimeRules::write},
                          {&Basic::change_time, &vfs::TimeRules::change}};
  vfs::TimeRules expected;
  const auto ask = [&](FileTime Basic::* time, FileTime value) {
    Basic info;
    info.*time = value;
    EXPECT_EQ(put(info), kSuccess);
    return plan->time_rules();
  };
  EXPECT_EQ(ask(&Basic::creation_time, {kTime}), expected);
  EXPECT_EQ(ask(&Basic::creation_time, kFrozen), expected);
  for (const auto& [time, rule] : kTimes) {
    EXPECT_EQ(ask(time, kThawed), expected) << "it moves anyway";
    for (const FileTime kept : {FileTime{kTime}, kFrozen}) {
      expected.*rule = TimeRule::kKept;
      EXPECT_EQ(ask(time, kept), expected);
      EXPECT_EQ(ask(time, {}), expected) << "nothing was said";
      expected.*rule = TimeRule::kMoves;
      EXPECT_EQ(ask(time, kThawed), expected);
      EXPECT_EQ(ask(time, {}), expected);
      EXPECT_EQ(ask(time, kThawed), expected);
    }
  }
}

// It holds for the very change that says it, and one that fails leaves all as it was.
TEST_F(BasicInfo, DiskThatFailsIsSaid) {
  plan->fail_operation("change", EIO);
  EXPECT_EQ(put({.last_write_time = {kTime}}), kIoDeviceError);
  EXPECT_EQ(plan->time_rules(), vfs::TimeRules{});
  plan->clear();
  EXPECT_NE(basic().last_write_time.ticks, kTime);
  EXPECT_EQ(put({.last_write_time = kThawed}), kSuccess);
}

TEST_F(BasicInfo, EndIsSetWithinWhatFilesMayHave) {
  ASSERT_EQ(write(id, "content"), kSuccess);
  EXPECT_EQ(end_of_file(id, 3), kSuccess);
  EXPECT_EQ(size_of(id), 3u);
  EXPECT_EQ(end_of_file(id, 10), kSuccess);
  EXPECT_EQ(size_of(id), 10u);
  const uint64_t truncated = plan->calls_of("truncate"), noted = plan->calls_of("note_modified");
  EXPECT_EQ(end_of_file(id, 10), kSuccess);
  EXPECT_EQ(plan->calls_of("truncate"), truncated);
  EXPECT_EQ(plan->calls_of("note_modified"), noted + 1);
  EXPECT_EQ(end_of_file(id, kSizeMax + 1), kInvalidParameter);
  EXPECT_NE(end_of_file(id, kSizeMax), kInvalidParameter);
  EXPECT_EQ(end_of_file(directory(), 0), kInvalidParameter);
  EXPECT_EQ(size_of(id), 10u);
}

TEST_F(BasicInfo, AllocationCutsAndReserves) {
  ASSERT_EQ(write(id, "content"), kSuccess);
  const auto reserved = [&] {
    return told<wire::FileStandardInformation>(id, FileInfoClass::kStandard).allocation_size;
  };
  EXPECT_EQ(allocation(id, 10'000), kSuccess);
  EXPECT_EQ(size_of(id), 7u);
  EXPECT_EQ(reserved(), 12'288u);
  EXPECT_EQ(allocation(id, 7), kSuccess);
  EXPECT_EQ(size_of(id), 7u);
  EXPECT_EQ(reserved(), 4096u);
  EXPECT_EQ(allocation(id, 6), kSuccess);
  EXPECT_EQ(size_of(id), 6u);
  EXPECT_EQ(allocation(id, kSizeMax + 1), kInvalidParameter);
  EXPECT_EQ(allocation(id, kSizeMax), kDiskFull);
  EXPECT_EQ(allocation(directory(), 0), kInvalidParameter);
}

TEST_F(BasicInfo, ValidDataIsWithinAPlainFile) {
  ASSERT_EQ(write(id, "content"), kSuccess);
  EXPECT_EQ(valid_data(id, 7), kSuccess);
  EXPECT_EQ(valid_data(id, 8), kInvalidParameter);
  EXPECT_EQ(valid_data(id, kSizeMax + 1), kInvalidParameter);
  EXPECT_EQ(valid_data(directory(), 0), kInvalidParameter);
  vfs::Attributes& attributes = vfs::attributes_of(
      share_volume().find(server_credentials(), vfs::parse_path("f")->path).value());
  for (const uint32_t special : {vfs::dos::kSparse, vfs::dos::kCompressed}) {
    attributes.dos_attributes = special;
    EXPECT_EQ(valid_data(id, 7), kInvalidParameter) << special;
  }
  attributes.dos_attributes = vfs::dos::kArchive;
  EXPECT_EQ(valid_data(id, 0), kSuccess);
}

TEST_F(BasicInfo, ModeIsThatOfTheHandle) {
  using Mode = wire::FileModeInformation;
  const auto mode = [&](FileId of) { return told<Mode>(of, FileInfoClass::kMode).mode; };
  const auto put_mode = [&](uint32_t value) {
    return put(id, FileInfoClass::kMode, Mode{.mode = value});
  };
  EXPECT_EQ(mode(id), 0u);
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t value = uint32_t{1} << bit;
    const bool may_be_set = value == Mode::kWriteThrough || value == Mode::kSequentialOnly;
    EXPECT_EQ(put_mode(value), may_be_set ? kSuccess : kInvalidParameter) << bit;
    if (may_be_set) EXPECT_EQ(mode(id), value);
  }
  EXPECT_EQ(put_mode(0), kSuccess);
  auto body = RawClient::create_body("g");
  body.create_options = Mode::kWriteThrough | Mode::kSequentialOnly |
                        Mode::kNoIntermediateBuffering | Mode::kDeleteOnClose |
                        wire::CreateOptions::kNonDirectoryFile | wire::CreateOptions::kRandomAccess;
  EXPECT_EQ(mode(client.create(body)), Mode::kWriteThrough | Mode::kSequentialOnly |
                                           Mode::kNoIntermediateBuffering | Mode::kDeleteOnClose);
}

// [MS-FSA] 2.1.5.12.27: names that go are not counted.
TEST_F(BasicInfo, StandardCountsLinksThatStay) {
  using Standard = wire::FileStandardInformation;
  using StandardLink = wire::FileStandardLinkInformation;
  ASSERT_EQ(write(id, std::string(5000, 'x')), kSuccess);
  const auto expect = [&](FileId of, uint32_t links, uint32_t total, bool goes, bool is_directory) {
    const auto standard = told<Standard>(of, FileInfoClass::kStandard);
    EXPECT_EQ(standard.number_of_links, links);
    EXPECT_EQ(standard.delete_pending, goes);
    EXPECT_EQ(standard.directory, is_directory);
    const auto link = told<StandardLink>(of, FileInfoClass::kStandardLink);
    EXPECT_EQ(link.number_of_accessible_links, links);
    EXPECT_EQ(link.total_number_of_links, total);
    EXPECT_EQ(link.delete_pending, goes);
    EXPECT_EQ(link.directory, is_directory);
    EXPECT_EQ(standard.end_of_file, is_directory ? 0u : 5000u);
    EXPECT_EQ(standard.allocation_size, is_directory ? 0u : 8192u);
  };
  expect(id, 1, 1, false, false);
  ASSERT_EQ(link(id, "g", false), kSuccess);
  expect(id, 2, 2, false, false);
  const FileId other = open("g");
  ASSERT_EQ(set(other, FileInfoClass::kDisposition, Bytes{1}), kSuccess);
  expect(id, 1, 2, false, false);
  expect(other, 1, 2, true, false);
  ASSERT_EQ(set(id, FileInfoClass::kDisposition, Bytes{1}), kSuccess);
  expect(id, 0, 2, true, false);
  const FileId folder = directory();
  expect(folder, 1, 1, false, true);
}

TEST_F(BasicInfo, NetworkOpenTagAndNamesAreThoseOfTheFile) {
  ASSERT_EQ(write(id, std::string(5000, 'x')), kSuccess);
  const uint64_t base = kTime;
  ASSERT_EQ(put({.creation_time = {base + 1},
                 .last_access_time = {base + 2},
                 .last_write_time = {base + 3},
                 .change_time = {base + 4},
                 .file_attributes = vfs::dos::kHidden}),
            kSuccess);
  const auto open_info = told<wire::FileNetworkOpenInformation>(id, FileInfoClass::kNetworkOpen);
  EXPECT_EQ(open_info.creation_time.ticks, base + 1);
  EXPECT_EQ(open_info.last_access_time.ticks, base + 2);
  EXPECT_EQ(open_info.last_write_time.ticks, base + 3);
  EXPECT_EQ(open_info.change_time.ticks, base + 4);
  EXPECT_EQ(open_info.allocation_size, 8192u);
  EXPECT_EQ(open_info.end_of_file, 5000u);
  EXPECT_EQ(open_info.file_attributes, vfs::dos::kHidden);
  const auto folder =
      told<wire::FileNetworkOpenInformation>(directory(), FileInfoClass::kNetworkOpen);
  EXPECT_EQ(folder.allocation_size, 0u);
  EXPECT_EQ(folder.end_of_file, 0u);
  const auto tag = told<wire::FileAttributeTagInformation>(id, FileInfoClass::kAttributeTag);
  EXPECT_EQ(tag.file_attributes, vfs::dos::kHidden);
  EXPECT_EQ(tag.reparse_tag, 0u);
  const FileId nested = open("d\\Nested.txt");
  const auto name = [&](FileId of, FileInfoClass info_class) {
    return told<wire::FileNameInformation>(of, info_class).file_name;
  };
  EXPECT_EQ(name(nested, FileInfoClass::kAlternateName), "Nested.txt");
  const auto key =
      share_volume().find(server_credentials(), vfs::parse_path("f")->path).value().attributes.key;
  const auto id_info = told<wire::FileIdInformation>(id, FileInfoClass::kId);
  EXPECT_EQ(id_info.volume_serial_number, key.device);
  wire::FileId128 expected{};
  std::memcpy(expected.bytes.data(), &key.inode, sizeof key.inode);
  EXPECT_EQ(id_info.file_id, expected);
  EXPECT_EQ(told<wire::FileInternalInformation>(id, FileInfoClass::kInternal).index_number,
            key.inode);
}

TEST_F(BasicInfo, StreamsAreThoseOfTheWholeFile) {
  ASSERT_EQ(write(id, "content"), kSuccess);
  make("f:one", "1");
  make("d", "");
  const auto streams = [&](FileId of, uint32_t room, NtStatus expected) {
    const wire::QueryInfoRequest body{
        .file_info_class = static_cast<uint8_t>(FileInfoClass::kStream),
        .output_buffer_length = room,
        .file_id = of};
    const auto answer = client.exchange(client.request(Command::kQueryInfo, body));
    EXPECT_EQ(answer->status(), expected);
    return wire::decode_streams(answer->as<wire::QueryInfoResponse>().output_buffer).value();
  };
  using Stream = wire::FileStreamInformation;
  const std::vector<Stream> all{{7, 4096, "::$DATA"}, {1, 1, ":one:$DATA"}};
  EXPECT_EQ(streams(id, 4096, kSuccess), all);
  EXPECT_EQ(streams(open("f:one"), 4096, kSuccess), all);
  EXPECT_EQ(streams(id, 40, kBufferOverflow), std::vector{all[0]});
  plan->fail_operation("streams", ENOTSUP);
  EXPECT_EQ(streams(id, 4096, kSuccess), std::vector{all[0]});
  plan->clear();
  auto body = RawClient::create_body("folder");
  body.create_options = wire::CreateOptions::kDirectoryFile;
  EXPECT_TRUE(streams(client.create(body), 4096, kSuccess).empty());
}

TEST_F(BasicInfo, CompressionIsToldAsAFormat) {
  using Info = wire::FileCompressionInformation;
  ASSERT_EQ(write(id, "content"), kSuccess);
  const auto format = [&] { return told<Info>(id, FileInfoClass::kCompression); };
  EXPECT_EQ(format().compression_format, Info::kFormatNone);
  EXPECT_EQ(format().compressed_file_size, 7u);
  vfs::attributes_of(share_volume().find(server_credentials(), vfs::parse_path("f")->path).value())
      .dos_attributes = vfs::dos::kCompressed;
  EXPECT_EQ(format().compression_format, Info::kFormatLznt1);
}

}  // namespace
}  // namespace braid::smb2

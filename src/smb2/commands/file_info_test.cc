// What the file information classes say and keep.
#include <gtest/gtest.h>

#include <cerrno>

#include "smb2/commands/file_requests_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/full_ea.h"
#include "wire/smb2/query_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::FileInfoClass;
using wire::InfoType;

struct FileInfo : FileRequests {
  using FileRequests::FileRequests;

  struct Told {
    NtStatus status;
    Bytes data;
  };
  Told query(const wire::QueryInfoRequest& body) {
    const auto answer = client.exchange(client.request(Command::kQueryInfo, body));
    if (is_error(answer->status())) return {answer->status(), {}};
    const auto data = answer->as<wire::QueryInfoResponse>().output_buffer;
    return {answer->status(), Bytes(data.begin(), data.end())};
  }
  Bytes query(FileId id, FileInfoClass info_class) {
    const Told told = query({.file_info_class = static_cast<uint8_t>(info_class),
                             .output_buffer_length = 4096,
                             .file_id = id});
    EXPECT_EQ(told.status, NtStatus::kSuccess);
    return told.data;
  }
  static Bytes number(uint64_t value, size_t size) {
    Bytes bytes;
    wire::Writer(bytes).u64(value);
    bytes.resize(size);
    return bytes;
  }
};

// [MS-FSCC] 2.4.2 "FileAllInformation".
TEST_F(FileInfo, AllIsTheSumOfItsParts) {
  const FileId id = open("f");
  write(id, "content");
  ASSERT_EQ(
      set(id, FileInfoClass::kFullEa, wire::encode_full_eas({{.name = "A", .value = {1}}}, 64)),
      NtStatus::kSuccess);
  ASSERT_EQ(set(id, FileInfoClass::kPosition, number(5, 8)), NtStatus::kSuccess);
  ASSERT_EQ(set(id, FileInfoClass::kMode, number(wire::FileModeInformation::kWriteThrough, 4)),
            NtStatus::kSuccess);
  Bytes parts;
  for (const auto part : {FileInfoClass::kBasic, FileInfoClass::kStandard, FileInfoClass::kInternal,
                          FileInfoClass::kEa, FileInfoClass::kAccess, FileInfoClass::kPosition,
                          FileInfoClass::kMode, FileInfoClass::kAlignment}) {
    const Bytes told = query(id, part);
    parts.insert(parts.end(), told.begin(), told.end());
  }
  const Bytes name{4, 0, 0, 0, '\\', 0, 'f', 0};
  parts.insert(parts.end(), name.begin(), name.end());
  EXPECT_EQ(query(id, FileInfoClass::kAll), parts);
  // None of which is zero for want of being asked.
  EXPECT_EQ(query(id, FileInfoClass::kEa), number(4 + 4 + 1 + 1 + 1, 4));
  EXPECT_EQ(query(id, FileInfoClass::kPosition), number(5, 8));
  EXPECT_EQ(query(id, FileInfoClass::kMode), number(wire::FileModeInformation::kWriteThrough, 4));
  EXPECT_EQ(query(id, FileInfoClass::kAccess), number(Access::kFileAllAccess, 4));
}

// [MS-FSA] 2.1.5.15.10 "FilePositionInformation".
TEST_F(FileInfo, PositionIsWhateverIsNotNegative) {
  const FileId id = open("f");
  EXPECT_EQ(set(id, FileInfoClass::kPosition, number(INT64_MAX, 8)), NtStatus::kSuccess);
  EXPECT_EQ(query(id, FileInfoClass::kPosition), number(INT64_MAX, 8));
  EXPECT_EQ(set(id, FileInfoClass::kPosition, number(uint64_t{1} << 63, 8)),
            NtStatus::kInvalidParameter);
  EXPECT_EQ(query(id, FileInfoClass::kPosition), number(INT64_MAX, 8));
}

TEST_F(FileInfo, PositionWithoutBufferingIsOfWholeSectors) {
  auto body = RawClient::create_body("f");
  body.create_options = wire::CreateOptions::kNoIntermediateBuffering;
  const FileId id = client.create(body);
  EXPECT_EQ(set(id, FileInfoClass::kPosition, number(513, 8)), NtStatus::kInvalidParameter);
  EXPECT_EQ(set(id, FileInfoClass::kPosition, number(512, 8)), NtStatus::kSuccess);
  EXPECT_EQ(query(id, FileInfoClass::kPosition), number(512, 8));
}

// [MS-SMB2] 3.3.5.20.1: from where FileFullEaInformation is told.
struct FullEas : FileInfo {
  void SetUp() override {
    FileInfo::SetUp();
    id = open("f");
    ASSERT_EQ(set(id, FileInfoClass::kFullEa, wire::encode_full_eas(eas, 4096)),
              NtStatus::kSuccess);
  }
  Told ask(uint32_t flags, uint32_t index = 0, ByteView names = {}, uint32_t room = 4096) {
    return query({.file_info_class = static_cast<uint8_t>(FileInfoClass::kFullEa),
                  .output_buffer_length = room,
                  .additional_information = index,
                  .flags = flags,
                  .file_id = id,
                  .input_buffer = names});
  }
  static std::string names_in(const Told& told) {
    if (is_error(told.status)) return std::string(name_of(told.status));
    std::string names;
    const auto list = wire::decode_full_eas(told.data).value();
    for (const wire::FullEa& ea : list) names += ea.name;
    if (told.status == NtStatus::kBufferOverflow) names += " and more";
    return names;
  }
  std::string names(uint32_t flags, uint32_t index = 0) { return names_in(ask(flags, index)); }

  static constexpr uint32_t kRestart = wire::QueryInfoFlags::kRestartScan;
  static constexpr uint32_t kSingle = wire::QueryInfoFlags::kReturnSingleEntry;
  static constexpr uint32_t kIndex = wire::QueryInfoFlags::kIndexSpecified;
  const std::vector<wire::FullEa> eas{
      {.name = "A", .value = {1}}, {.name = "B", .value = {2}}, {.name = "C", .value = {3}}};
  FileId id;
};

TEST_F(FullEas, ScanGoesOnWhereItStopped) {
  EXPECT_EQ(names(kSingle), "A");
  EXPECT_EQ(names(kSingle), "B");
  EXPECT_EQ(names(0), "C");
  EXPECT_EQ(ask(0).status, NtStatus::kNoMoreEas);
  EXPECT_EQ(names(kRestart), "ABC");
  EXPECT_EQ(names(kRestart | kSingle), "A");
}

TEST_F(FullEas, IndexIsCountedFromOne) {
  EXPECT_EQ(ask(kIndex, 0).status, NtStatus::kNonexistentEaEntry);
  EXPECT_EQ(names(kIndex, 2), "BC");
  EXPECT_EQ(names(kIndex | kSingle, 3), "C");
  EXPECT_EQ(ask(kIndex, 4).status, NtStatus::kNonexistentEaEntry);
}

TEST_F(FullEas, NamesAreAnsweredInTheirOrderAndMoveNothing) {
  EXPECT_EQ(names(kSingle), "A");
  const Bytes asked = wire::encode_ea_names({"c", "X", "A"});
  const Told told = ask(0, 0, asked);
  ASSERT_EQ(told.status, NtStatus::kSuccess);
  const auto list = wire::decode_full_eas(told.data).value();
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].value, Bytes{3});
  EXPECT_EQ(list[1].value, Bytes{});
  EXPECT_EQ(list[2], eas[0]);
  EXPECT_EQ(names(kSingle), "B");
}

TEST_F(FullEas, WhatDoesNotFitIsLeftForLater) {
  const uint32_t of_one = static_cast<uint32_t>(wire::encode_full_eas({eas[0]}, 4096).size());
  EXPECT_EQ(ask(0, 0, {}, 4).status, NtStatus::kBufferTooSmall);
  const Told told = ask(0, 0, {}, of_one);
  EXPECT_EQ(names_in(told), "A and more");
  EXPECT_EQ(names(0), "BC");
}

// What the parts of a descriptor want of the handle: [MS-SMB2] 3.3.5.20.3 and 3.3.5.21.3.
TEST_F(FileInfo, EachPartOfADescriptorWantsItsRight) {
  using Part = wire::SecurityInformation;
  struct {
    uint32_t part, granted;
    bool may_query, may_set;
  } constexpr kCases[] = {
      {Part::kOwner, Access::kReadControl | Access::kWriteDac, true, false},
      {Part::kGroup, Access::kReadControl | Access::kWriteDac, true, false},
      {Part::kLabel, Access::kReadControl | Access::kWriteDac, true, false},
      {Part::kDacl, Access::kReadControl | Access::kWriteOwner, true, false},
      {Part::kSacl, Access::kReadControl | Access::kWriteOwner | Access::kWriteDac, false, false},
      {Part::kScope, Access::kReadControl | Access::kWriteOwner | Access::kWriteDac, true, false},
      {Part::kBackup, Access::kReadControl | Access::kWriteOwner | Access::kWriteDac, false, false},
      {Part::kOwner, Access::kWriteOwner, false, true},
      {Part::kGroup, Access::kWriteOwner, false, true},
      {Part::kDacl, Access::kWriteDac, false, true},
  };
  // Nothing is in it: what is named and not given stays, but for a DACL, which becomes NULL.
  const Bytes empty{1, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (const auto& each : kCases) {
    SCOPED_TRACE(testing::Message()
                 << "part " << each.part << ", granted " << std::hex << each.granted);
    const FileId id = open("f", each.granted);
    ASSERT_NE(id, FileId{});
    EXPECT_EQ(query({.info_type = InfoType::kSecurity,
                     .output_buffer_length = 4096,
                     .additional_information = each.part,
                     .file_id = id})
                  .status,
              each.may_query ? NtStatus::kSuccess : NtStatus::kAccessDenied);
    wire::SetInfoRequest set;
    set.info_type = InfoType::kSecurity;
    set.additional_information = each.part;
    set.file_id = id;
    set.buffer = empty;
    EXPECT_EQ(client.status_of(client.request(Command::kSetInfo, set)),
              each.may_set ? NtStatus::kSuccess : NtStatus::kAccessDenied);
    client.close_file(id);
  }
}

// [MS-FSCC] 2.4.37 to 2.4.39 and 2.4.47: a pipe of messages, whose end this is.
TEST_F(FileInfo, PipeIsToldByItsModes) {
  ASSERT_EQ(client.tree_connect("IPC$"), NtStatus::kSuccess);
  const FileId id = client.create("srvsvc");
  const auto numbers = [&](FileInfoClass info_class) {
    const Bytes data = query(id, info_class);
    std::vector<uint32_t> told;
    for (wire::Reader reader(data); reader.remaining() >= 4;) told.push_back(reader.u32());
    return told;
  };
  using Numbers = std::vector<uint32_t>;
  EXPECT_EQ(numbers(FileInfoClass::kPipe), (Numbers{1, 0}));
  EXPECT_EQ(numbers(FileInfoClass::kPipeLocal), (Numbers{1, 2, 0xFFFF'FFFF, 1, 0, 0, 0, 0, 3, 0}));
  EXPECT_EQ(numbers(FileInfoClass::kPipeRemote), (Numbers{0, 0, 0}));
  // AllocationSize, EndOfFile, NumberOfLinks, DeletePending and Directory.
  EXPECT_EQ(numbers(FileInfoClass::kStandard), (Numbers{4096, 0, 0, 0, 1, 1}));
}

struct FileInfoOfADisk : FileInfo {
  explicit FileInfoOfADisk(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileInfo(vfs::make_fault_volume(vfs::make_memory_volume(), disk)), plan(std::move(disk)) {}
  NtStatus status(FileId id, FileInfoClass info_class) {
    return query({.file_info_class = static_cast<uint8_t>(info_class),
                  .output_buffer_length = 4096,
                  .file_id = id})
        .status;
  }
  std::shared_ptr<vfs::FaultPlan> plan;
};

// A list of streams that cannot be read is not told as if there were none.
TEST_F(FileInfoOfADisk, StreamsThatCannotBeReadAreAnError) {
  make("f", "content");
  make("f:s", "stream");
  const FileId id = open("f");
  const Bytes all = query(id, FileInfoClass::kStream);
  plan->fail_operation("streams", EIO);
  EXPECT_EQ(status(id, FileInfoClass::kStream), NtStatus::kIoDeviceError);
  // A file system without any has the file's data alone.
  plan->fail_operation("streams", ENOTSUP);
  EXPECT_EQ(status(id, FileInfoClass::kStream), NtStatus::kSuccess);
  EXPECT_LT(query(id, FileInfoClass::kStream).size(), all.size());
}

}  // namespace
}  // namespace braid::smb2

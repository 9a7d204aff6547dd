// What a listing tells, where it goes on, and what it is refused for. [MS-SMB2] 3.3.5.18
// "Receiving an SMB2 QUERY_DIRECTORY Request".
#include "wire/smb2/query_directory.h"

#include <cerrno>
#include <cstring>
#include <map>

#include "smb2/commands/file_requests_testing.h"
#include "smb2/common/limits.h"
#include "vfs/fault/fault_volume.h"
#include "wire/fscc/directory_entry.h"
#include "wire/fscc/file_information.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::CreateOptions;
using wire::FileInfoClass;

struct QueryDirectory : FileRequests {
  using Flags = wire::QueryDirectoryFlags;

  explicit QueryDirectory(std::shared_ptr<vfs::FaultPlan> disk = vfs::make_fault_plan())
      : FileRequests(vfs::make_fault_volume(vfs::make_memory_volume(), disk)),
        plan(std::move(disk)) {}
  void SetUp() override {
    FileRequests::SetUp();
    directory = open_directory("d", Access::kFileAllAccess);
  }
  FileId open_directory(std::string_view name, uint32_t access) {
    auto body = RawClient::create_body(name);
    body.create_options = CreateOptions::kDirectoryFile;
    body.desired_access = access;
    return client.create(body);
  }
  void make_files(std::initializer_list<const char*> names) {
    for (const char* name : names) make(std::string("d\\") + name, name);
  }

  struct Listed {
    NtStatus status;
    std::vector<wire::DirectoryEntry> entries;
  };
  Listed list(RawClient& by, const wire::QueryDirectoryRequest& body) {
    const auto answer = by.exchange(by.request(Command::kQueryDirectory, body));
    if (answer->status() != NtStatus::kSuccess) return {answer->status(), {}};
    return {answer->status(),
            wire::decode_directory_entries(static_cast<FileInfoClass>(body.file_information_class),
                                           answer->as<wire::QueryDirectoryResponse>().output_buffer)
                .value()};
  }
  wire::QueryDirectoryRequest body_of(std::string_view pattern, uint8_t flags = 0,
                                      uint32_t room = 65536,
                                      FileInfoClass info_class = FileInfoClass::kNames) const {
    return {.file_information_class = static_cast<uint8_t>(info_class),
            .flags = flags,
            .file_id = directory,
            .file_name = std::string(pattern),
            .output_buffer_length = room};
  }
  static std::string names_in(const Listed& listed) {
    if (listed.status != NtStatus::kSuccess) return std::string(name_of(listed.status));
    std::string names;
    for (const auto& entry : listed.entries) names += (names.empty() ? "" : " ") + entry.file_name;
    return names;
  }
  std::string names(std::string_view pattern, uint8_t flags = 0, uint32_t room = 65536) {
    return names_in(list(client, body_of(pattern, flags, room)));
  }
  NtStatus status(const wire::QueryDirectoryRequest& body) { return list(client, body).status; }

  static constexpr std::string_view kNoMore = "STATUS_NO_MORE_FILES";
  static constexpr std::string_view kNone = "STATUS_NO_SUCH_FILE";
  std::shared_ptr<vfs::FaultPlan> plan;
  FileId directory;
};

TEST_F(QueryDirectory, GoesOnUntilThereAreNoMoreAndStartsOverWhenTold) {
  make_files({"a", "b", "c"});
  EXPECT_EQ(names("*"), ". .. a b c");
  EXPECT_EQ(names("*"), kNoMore);
  EXPECT_EQ(names("*"), kNoMore);
  make_files({"e"});
  EXPECT_EQ(names("*"), kNoMore);
  EXPECT_EQ(names("*", Flags::kRestartScans), ". .. a b c e");
  EXPECT_EQ(names("", Flags::kReopen), "STATUS_OBJECT_NAME_INVALID");
  EXPECT_EQ(names("*", Flags::kReopen), ". .. a b c e");
}

// The pattern is that of the first request, until one that starts over brings another.
TEST_F(QueryDirectory, PatternIsKeptUntilAnotherStartsOver) {
  make_files({"a1", "a2", "b1", "b2"});
  EXPECT_EQ(names(""), "STATUS_OBJECT_NAME_INVALID");
  EXPECT_EQ(names("a*", Flags::kReturnSingleEntry), "a1");
  EXPECT_EQ(names("b*"), "a2");
  EXPECT_EQ(names("b*"), kNoMore);
  EXPECT_EQ(names("", Flags::kRestartScans), "a1 a2");
  EXPECT_EQ(names("b*", Flags::kRestartScans), "b1 b2");
  EXPECT_EQ(names("?2", Flags::kReopen), "a2 b2");
}

TEST_F(QueryDirectory, NothingThatFitsIsNoSuchFileOnceAndNoMoreThen) {
  make_files({"a"});
  for (const char* pattern : {"x*", "x", "A\\b", "a.b"}) {
    EXPECT_EQ(names(pattern, Flags::kReopen), kNone) << pattern;
    EXPECT_EQ(names(pattern), kNoMore) << pattern;
    EXPECT_EQ(names(pattern, Flags::kRestartScans), kNone) << pattern;
  }
}

TEST_F(QueryDirectory, NameWithoutWildcardsIsLookedUp) {
  make_files({"Alone", "Alone2"});
  const uint64_t read = plan->calls_of("next");
  EXPECT_EQ(names("aLONE"), "Alone");
  EXPECT_EQ(names("aLONE"), kNoMore);
  EXPECT_EQ(plan->calls_of("next"), read);
  // While a large directory is read, others have their turn.
  plan->fail_operation("find", EINPROGRESS);
  client.send(client.request(Command::kQueryDirectory, body_of("alone2", Flags::kReopen)));
  const uint64_t asked = client.next_message_id - 1;
  const uint64_t before = plan->calls_of("find");
  while (plan->calls_of("find") < before + 3) engine.settle();
  plan->clear();
  EXPECT_EQ(client.answer_to(asked)->status(), NtStatus::kSuccess);
}

TEST_F(QueryDirectory, SingleIsOneAtATime) {
  make_files({"a", "b"});
  for (const char* name : {".", "..", "a", "b"}) {
    EXPECT_EQ(names("*", Flags::kReturnSingleEntry), name);
  }
  EXPECT_EQ(names("*", Flags::kReturnSingleEntry), kNoMore);
}

// [MS-FSCC] 2.4.33 "FileNamesInformation": 12 bytes and the name, in whole 8 bytes but the last.
TEST_F(QueryDirectory, WhatDoesNotFitComesWithTheNext) {
  make_files({"aaaa", "bbbb"});
  EXPECT_EQ(names("????", 0, 19), "STATUS_INFO_LENGTH_MISMATCH");
  EXPECT_EQ(names("????", 0, 20), "aaaa");
  EXPECT_EQ(names("????", 0, 20), "bbbb");
  EXPECT_EQ(names("????", 0, 20), kNoMore);
  EXPECT_EQ(names("????", Flags::kRestartScans, 43), "aaaa");
  EXPECT_EQ(names("????", Flags::kRestartScans, 44), "aaaa bbbb");
  EXPECT_EQ(names("????", Flags::kRestartScans, 11), "STATUS_INFO_LENGTH_MISMATCH");
}

// What was found and not told may have changed since, or gone.
TEST_F(QueryDirectory, WhatWaitsIsLookedAtAgain) {
  make_files({"aaa", "bbb", "ccc"});
  const auto ask = [&](uint32_t room) {
    return list(client, body_of("???", 0, room, FileInfoClass::kDirectory));
  };
  ASSERT_EQ(names_in(ask(70)), "aaa");
  auto body = RawClient::create_body("d\\bbb");
  body.create_options = CreateOptions::kDeleteOnClose;
  client.close_file(client.create(body));
  write(open("d\\ccc"), "longer");
  const Listed rest = ask(70);
  EXPECT_EQ(names_in(rest), "ccc");
  EXPECT_EQ(rest.entries.at(0).end_of_file, 6u);
  EXPECT_EQ(names_in(ask(70)), kNoMore);
}

// Those that take a listing, from the length of their fixed part: [MS-FSCC] 2.4.
TEST_F(QueryDirectory, ClassesHaveTheirLengths) {
  make_files({"a"});
  const std::map<int, uint32_t> offsets{{1, 64},   {2, 68},  {3, 94},  {12, 12},
                                        {37, 104}, {38, 80}, {60, 88}, {78, 80},
                                        {79, 106}, {80, 96}, {81, 122}};
  for (int number = 0; number < 256; ++number) {
    const auto ask = [&](uint32_t room) {
      return status(body_of("a", Flags::kReopen, room, static_cast<FileInfoClass>(number)));
    };
    const auto known = offsets.find(number);
    if (known == offsets.end()) {
      EXPECT_EQ(ask(65536), NtStatus::kInvalidInfoClass) << number;
      continue;
    }
    EXPECT_EQ(ask(known->second - 1), NtStatus::kInfoLengthMismatch) << number;
    EXPECT_EQ(ask(known->second + 2), NtStatus::kSuccess) << number;
  }
}

TEST_F(QueryDirectory, EntriesTellWhatTheFilesAre) {
  make_files({"file"});
  client.close_file(open_directory("d\\sub", Access::kFileAllAccess));
  ASSERT_EQ(write(open("d\\file"), std::string(5000, 'x')), NtStatus::kSuccess);
  const FileId id = open("d\\file");
  Bytes basic;
  wire::Writer writer(basic);
  const uint64_t base = system_clock().now().ticks;
  wire::FileBasicInformation{.creation_time = {base + 1},
                             .last_access_time = {base + 2},
                             .last_write_time = {base + 3},
                             .change_time = {base + 4},
                             .file_attributes = vfs::dos::kHidden}
      .encode(writer);
  ASSERT_EQ(set(id, FileInfoClass::kBasic, basic), NtStatus::kSuccess);
  const auto key_of = [&](std::string_view name) {
    const auto path = vfs::parse_path(name)->path;
    return share_volume().find(server_credentials(), path).value().attributes.key;
  };
  const auto told = list(client, body_of("*", 0, 65536, FileInfoClass::kIdBothDirectory)).entries;
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[0].file_id, key_of("d").inode);
  const auto& file = told[2];
  EXPECT_EQ(file.file_name, "file");
  EXPECT_EQ(file.file_index, 0u);
  EXPECT_EQ(file.creation_time.ticks, base + 1);
  EXPECT_EQ(file.last_access_time.ticks, base + 2);
  EXPECT_EQ(file.last_write_time.ticks, base + 3);
  EXPECT_EQ(file.change_time.ticks, base + 4);
  EXPECT_EQ(file.end_of_file, 5000u);
  EXPECT_EQ(file.allocation_size, 8192u);
  EXPECT_EQ(file.file_attributes, vfs::dos::kHidden);
  EXPECT_EQ(file.file_id, key_of("d\\file").inode);
  const auto& sub = told[3];
  EXPECT_EQ(sub.file_attributes, vfs::dos::kDirectory);
  EXPECT_EQ(sub.end_of_file, 0u);
  EXPECT_EQ(sub.allocation_size, 0u);
  const auto wide =
      list(client, body_of("file", Flags::kReopen, 65536, FileInfoClass::kIdExtdDirectory));
  ASSERT_EQ(wide.entries.size(), 1u);
  wire::FileId128 expected{};
  std::memcpy(expected.bytes.data(), &file.file_id, sizeof file.file_id);
  EXPECT_EQ(wide.entries[0].file_id_128, expected);
}

TEST_F(QueryDirectory, LinkHasItsTag) {
  const auto place =
      share_volume()
          .lookup(server_credentials(), vfs::parse_path("d\\link")->path, {.pin_parent = true})
          .value();
  ASSERT_TRUE(share_volume().make_symlink(server_credentials(), std::get<vfs::Missing>(place).place,
                                          "there"));
  const auto told = list(client, body_of("l*", 0, 65536, FileInfoClass::kIdExtdDirectory)).entries;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].file_attributes, vfs::dos::kReparsePoint);
  EXPECT_EQ(told[0].reparse_tag, vfs::kReparseTagSymlink);
}

// A blank or dot at its end is shown as another character; a pattern may say either.
TEST_F(QueryDirectory, DotAtTheEndOfANameFitsInEitherSpelling) {
  vfs::Path path;
  ASSERT_TRUE(path.append("d") && path.append("xy."));
  const auto free = share_volume().lookup(server_credentials(), path,
                                          {.rules = vfs::NameRules::kPosix, .pin_parent = true});
  ASSERT_TRUE(free);
  ASSERT_TRUE(share_volume().create(server_credentials(), std::get<vfs::Missing>(*free), {}));
  const std::string all = names("*");
  ASSERT_TRUE(all.starts_with(". .. xy")) << all;
  EXPECT_EQ(". .. " + names("x?.", Flags::kReopen), all);
  EXPECT_EQ(". .. " + names("xy?", Flags::kReopen), all);
  EXPECT_EQ(names("yy?", Flags::kReopen), kNone);
}

TEST_F(QueryDirectory, HandlesAndLengthsThatAreRefused) {
  const auto ask = [&](FileId id, uint32_t room = 65536) {
    auto body = body_of("*", 0, room);
    body.file_id = id;
    return status(body);
  };
  EXPECT_EQ(ask(open("f")), NtStatus::kInvalidParameter);
  EXPECT_EQ(ask(open_directory("d", Access::kFileReadAttributes)), NtStatus::kAccessDenied);
  EXPECT_EQ(ask(open_directory("d", Access::kFileListDirectory)), NtStatus::kSuccess);
  EXPECT_EQ(ask(directory, kBytesPerCredit), NtStatus::kSuccess);
  EXPECT_EQ(ask(directory, kBytesPerCredit + 1), NtStatus::kInvalidParameter);
  // Without multi-credit it is the largest there is.
  RawClient old{engine, ClientGuid{{9}}};
  ASSERT_TRUE(old.log_on(wire::Dialect::kSmb202));
  auto create = RawClient::create_body("d");
  create.create_options = CreateOptions::kDirectoryFile;
  auto body = body_of("*", 0, kMaxTransferSizeSingleCredit);
  body.file_id = old.create(create);
  EXPECT_EQ(list(old, body).status, NtStatus::kSuccess);
  body.output_buffer_length = kMaxTransferSizeSingleCredit + 1;
  EXPECT_EQ(list(old, body).status, NtStatus::kInvalidParameter);
}

// What is looked at for an answer is about what it has room for.
TEST_F(QueryDirectory, ReadsAsManyNamesAsThereIsRoomFor) {
  for (int i = 0; i < 31; ++i) make("d\\n" + std::to_string(100 + i), "");  // 33 with the dots
  const auto reads = [&](std::string_view pattern, uint8_t flags, uint32_t room) {
    const uint64_t before = plan->calls_of("next");
    EXPECT_EQ(status(body_of(pattern, flags | Flags::kReopen, room)), NtStatus::kSuccess);
    return plan->calls_of("next") - before;
  };
  EXPECT_EQ(reads("*", Flags::kReturnSingleEntry, 65536), 1u);
  // 16 at a time until one fits.
  EXPECT_EQ(reads("*130", Flags::kReturnSingleEntry, 65536), 3u);
  EXPECT_EQ(reads("*130", 0, 65536), 1u);
  // 28 bytes for each.
  EXPECT_EQ(reads("*", 0, 33 * 28), 1u);
  EXPECT_GT(reads("*", 0, 33 * 28 - 1), 1u);
}

// Access-based enumeration.
TEST_F(QueryDirectory, HiddenAreThoseThatTheUserMayNotRead) {
  make_files({"mine", "theirs"});
  const auto change = [&](std::string_view name, const vfs::AttributesChange& to) {
    const auto found =
        share_volume().find(server_credentials(), vfs::parse_path(name)->path).value();
    ASSERT_TRUE(share_volume().open(server_credentials(), found, {}).value()->change(to));
  };
  change("", {.mode = 0777});
  change("d", {.mode = 0777});
  change("d\\theirs", {.mode = 0600});
  change("d\\mine", {.mode = 0666});
  for (const bool hides : {false, true}) {
    share().hide_unreadable = hides;
    RawClient member{engine, ClientGuid{{9}}};
    ASSERT_TRUE(member.log_on(wire::Dialect::kSmb302, "files", "member"));
    auto create = RawClient::create_body("d");
    create.create_options = CreateOptions::kDirectoryFile;
    create.desired_access = Access::kGenericRead;
    const FileId id = member.create(create);
    const auto ask = [&](std::string_view pattern) {
      auto body = body_of(pattern, Flags::kReopen);
      body.file_id = id;
      return names_in(list(member, body));
    };
    EXPECT_EQ(ask("*"), hides ? ". .. mine" : ". .. mine theirs");
    EXPECT_EQ(ask("theirs"), hides ? kNone : "theirs");
    EXPECT_EQ(ask("mine"), "mine");
  }
}

// On the disk that fails nothing is lost.
TEST_F(QueryDirectory, FailedOnesAreSaidAndForgotten) {
  make_files({"a"});
  plan->fail_operation("next", EIO);
  EXPECT_EQ(names("*"), "STATUS_IO_DEVICE_ERROR");
  plan->clear();
  EXPECT_EQ(names("*"), ". .. a");
  plan->fail_operation("restart", EIO);
  EXPECT_EQ(names("*", Flags::kRestartScans), "STATUS_IO_DEVICE_ERROR");
  plan->clear();
  EXPECT_EQ(names("*", Flags::kRestartScans), ". .. a");
}

// A listing is compressed like what is read: in a share that says so, for who has an algorithm.
TEST_F(QueryDirectory, ListingsOfACompressedShareAreCompressed) {
  for (int i = 0; i < 200; ++i) make("d\\the same name but for " + std::to_string(i), "");
  const auto is_compressed = [&](uint8_t number) {
    RawClient latest{engine, ClientGuid{{number}}};
    latest.compression = {.flags = wire::CompressionCapabilities::kFlagChained,
                          .compression_algorithms = {wire::CompressionAlgorithm::kLz77}};
    EXPECT_TRUE(latest.log_on(wire::Dialect::kSmb311));
    auto open = RawClient::create_body("d");
    open.create_options = CreateOptions::kDirectoryFile;
    auto body = body_of("*");
    body.file_id = latest.create(open);
    latest.send(latest.request(Command::kQueryDirectory, body));
    const auto answer = latest.receive();
    EXPECT_TRUE(answer);
    const bool compressed = answer && answer->message.at(0) == 0xFC;
    latest.close();
    return compressed;
  };
  share().compress = config::Compress::kAlways;
  EXPECT_TRUE(is_compressed(9));
  share().compress = config::Compress::kAsked;
  EXPECT_FALSE(is_compressed(10));
}

}  // namespace
}  // namespace braid::smb2

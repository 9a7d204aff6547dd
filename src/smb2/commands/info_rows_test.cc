// All 256 numbers of each type of information, over raw bytes: which there are, from which length
// and with which rights, and what everything else is answered with.
#include <gtest/gtest.h>

#include <map>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/access_mask.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::InfoType;
using enum NtStatus;

// A class as the specification's number, so that a wrong row is not compared with itself.
struct Queried {
  uint8_t info_class;
  uint32_t length;        // below: STATUS_INFO_LENGTH_MISMATCH
  NtStatus exact;         // with just that much room
  NtStatus roomy;         // with enough
  NtStatus bare = roomy;  // of a handle without any of the rights that are asked for
  NtStatus on_pipe = kInvalidDeviceRequest;
  NtStatus bare_pipe = on_pipe;
};

// [MS-FSA] 2.1.5.12, in the order of its numbers; the name of the file has one character.
constexpr Queried kFileQueries[] = {
    {4, 40, kSuccess, kSuccess, kAccessDenied},
    {5, 24, kSuccess, kSuccess, kSuccess, kSuccess},
    {6, 8, kSuccess, kSuccess},
    {7, 4, kSuccess, kSuccess},
    {8, 4, kSuccess, kSuccess},
    {9, 0, kNotSupported, kNotSupported},
    {14, 8, kSuccess, kSuccess},
    {15, 4, kNoEasOnFile, kNoEasOnFile, kAccessDenied},
    {16, 4, kSuccess, kSuccess},
    {17, 4, kSuccess, kSuccess},
    {18, 104, kSuccess, kSuccess, kAccessDenied},
    {21, 8, kSuccess, kSuccess},
    {22, 32, kBufferOverflow, kSuccess},
    {23, 8, kInvalidInfoClass, kInvalidInfoClass, kInvalidInfoClass, kSuccess, kAccessDenied},
    {24, 40, kInvalidInfoClass, kInvalidInfoClass, kInvalidInfoClass, kSuccess, kAccessDenied},
    {25, 12, kInvalidInfoClass, kInvalidInfoClass, kInvalidInfoClass, kSuccess, kAccessDenied},
    {28, 16, kSuccess, kSuccess},
    {29, 0, kNotSupported, kNotSupported},
    {32, 0, kInvalidParameter, kInvalidParameter},
    {33, 0, kNotSupported, kNotSupported},
    {34, 56, kSuccess, kSuccess, kAccessDenied},
    {35, 8, kSuccess, kSuccess, kAccessDenied},
    {44, 0, kNotSupported, kNotSupported},
    {46, 0, kNotSupported, kNotSupported},
    {48, 8, kNotSupported, kNotSupported},  // of SMB 3.1.1
    {54, 12, kSuccess, kSuccess},
    {59, 24, kSuccess, kSuccess},
};

// [MS-FSA] 2.1.5.13; the volume is called "files".
constexpr Queried kFilesystemQueries[] = {
    {1, 24, kBufferOverflow, kSuccess},   {2, 0, kNotSupported, kNotSupported},
    {3, 24, kSuccess, kSuccess},          {4, 8, kSuccess, kSuccess},
    {5, 16, kBufferOverflow, kSuccess},   {6, 48, kSuccess, kSuccess},
    {7, 32, kSuccess, kSuccess},          {8, 64, kSuccess, kSuccess},
    {9, 0, kNotSupported, kNotSupported}, {11, 28, kSuccess, kSuccess},
};

struct Applied {
  uint8_t info_class;
  uint32_t length;        // below: STATUS_INFO_LENGTH_MISMATCH
  NtStatus zeros;         // so many bytes of zero
  NtStatus bare;          // the same, of a handle without any of the rights that are asked for
  NtStatus on_read_only;  // the same as `zeros`, on a share that is read-only
};

// [MS-FSA] 2.1.5.15.
constexpr Applied kFileSets[] = {
    {4, 40, kSuccess, kAccessDenied, kMediaWriteProtected},
    {10, 24, kInvalidParameter, kAccessDenied, kMediaWriteProtected},
    {11, 24, kInvalidParameter, kInvalidParameter, kMediaWriteProtected},
    {13, 1, kSuccess, kAccessDenied, kMediaWriteProtected},
    {14, 8, kSuccess, kSuccess, kSuccess},
    {15, 1, kEaListInconsistent, kAccessDenied, kMediaWriteProtected},
    {16, 4, kSuccess, kSuccess, kSuccess},
    {19, 8, kSuccess, kAccessDenied, kMediaWriteProtected},
    {20, 8, kSuccess, kAccessDenied, kMediaWriteProtected},
    {23, 8, kInvalidInfoClass, kAccessDenied, kMediaWriteProtected},
    {29, 1, kNotSupported, kNotSupported, kNotSupported},
    {32, 1, kNotSupported, kNotSupported, kNotSupported},
    {39, 8, kSuccess, kAccessDenied, kMediaWriteProtected},
    {40, 8, kNotSupported, kAccessDenied, kMediaWriteProtected},
    {44, 1, kNotSupported, kNotSupported, kNotSupported},
    {64, 4, kSuccess, kAccessDenied, kMediaWriteProtected},
    {65, 24, kInvalidParameter, kAccessDenied, kMediaWriteProtected},
};

// [MS-FSA] 2.1.5.16. Who may manage quotas hears that the volume has none.
constexpr Applied kFilesystemSets[] = {
    {2, 1, kAccessDenied, kAccessDenied, kAccessDenied},
    {6, 48, kVolumeNotUpgraded, kAccessDenied, kVolumeNotUpgraded},
    {8, 1, kAccessDenied, kAccessDenied, kAccessDenied},
};

template <class Expected, size_t count>
std::map<uint8_t, Expected> by_class(const Expected (&rows)[count]) {
  std::map<uint8_t, Expected> map;
  for (const Expected& row : rows) map.emplace(row.info_class, row);
  return map;
}

struct InfoRows : testing::Test {
  static constexpr uint32_t kRoom = 4096;

  void SetUp() override {
    share->name = "files";
    share->volume = vfs::make_memory_volume();
    engine.emplace(
        Engine::lenient(), system_clock(), 1,
        std::make_shared<const ShareTable>(std::vector<std::shared_ptr<const Share>>{share}));
    client.emplace(*engine);
    ASSERT_TRUE(client->log_on());
    full = open(*client, "f", Access::kFileAllAccess);
    bare = open(*client, "f", Access::kSynchronize);
    pipes.emplace(*engine);
    ASSERT_TRUE(pipes->log_on(wire::Dialect::kSmb302, "IPC$"));
    pipe = open(*pipes, "srvsvc", Access::kFileReadData | Access::kFileReadAttributes);
    bare_pipe = open(*pipes, "srvsvc", Access::kFileReadData);
  }
  static FileId open(RawClient& client, std::string_view name, uint32_t access) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    body.share_access = wire::ShareAccess::kAll;
    body.create_disposition = wire::CreateDisposition::kOpenIf;
    const FileId id = client.create(body);
    EXPECT_NE(id, FileId{});
    return id;
  }

  NtStatus query(RawClient& who, FileId id, InfoType type, int info_class, uint32_t room,
                 uint32_t parts = 0) {
    wire::QueryInfoRequest body;
    body.info_type = type;
    body.file_info_class = static_cast<uint8_t>(info_class);
    body.output_buffer_length = room;
    body.additional_information = parts;
    body.file_id = id;
    return who.status_of(who.request(Command::kQueryInfo, body));
  }
  NtStatus query(FileId id, InfoType type, int info_class, uint32_t room, uint32_t parts = 0) {
    return query(*client, id, type, info_class, room, parts);
  }
  NtStatus set(RawClient& who, FileId id, InfoType type, int info_class, size_t length,
               uint32_t parts = 0) {
    const Bytes zeros(length);
    wire::SetInfoRequest body;
    body.info_type = type;
    body.file_info_class = static_cast<uint8_t>(info_class);
    body.additional_information = parts;
    body.file_id = id;
    body.buffer = zeros;
    return who.status_of(who.request(Command::kSetInfo, body));
  }
  NtStatus set(FileId id, InfoType type, int info_class, size_t length, uint32_t parts = 0) {
    return set(*client, id, type, info_class, length, parts);
  }

  void expect_queries(InfoType type, const std::map<uint8_t, Queried>& rows) {
    for (int number = 0; number < 256; ++number) {
      SCOPED_TRACE(testing::Message() << "class " << number);
      const auto row = rows.find(static_cast<uint8_t>(number));
      if (row == rows.end()) {
        EXPECT_EQ(query(full, type, number, 0), kInvalidInfoClass);
        EXPECT_EQ(query(full, type, number, kRoom), kInvalidInfoClass);
        EXPECT_EQ(query(bare, type, number, kRoom), kInvalidInfoClass);
        continue;
      }
      const Queried& expected = row->second;
      if (expected.length > 0) {
        EXPECT_EQ(query(full, type, number, expected.length - 1), kInfoLengthMismatch);
        EXPECT_EQ(query(bare, type, number, expected.length - 1), kInfoLengthMismatch);
      }
      EXPECT_EQ(query(full, type, number, expected.length), expected.exact);
      EXPECT_EQ(query(full, type, number, kRoom), expected.roomy);
      EXPECT_EQ(query(bare, type, number, kRoom), expected.bare);
    }
  }
  void expect_sets(InfoType type, const std::map<uint8_t, Applied>& rows) {
    for (int number = 0; number < 256; ++number) {
      SCOPED_TRACE(testing::Message() << "class " << number);
      const auto row = rows.find(static_cast<uint8_t>(number));
      if (row == rows.end()) {
        EXPECT_EQ(set(full, type, number, 64), kInvalidInfoClass);
        EXPECT_EQ(set(bare, type, number, 1), kInvalidInfoClass);
        continue;
      }
      const Applied& expected = row->second;
      if (expected.length > 1) {
        EXPECT_EQ(set(full, type, number, expected.length - 1), kInfoLengthMismatch);
        EXPECT_EQ(set(bare, type, number, expected.length - 1), kInfoLengthMismatch);
      }
      EXPECT_EQ(set(full, type, number, 0), kInvalidParameter);
      EXPECT_EQ(set(full, type, number, expected.length), expected.zeros);
      EXPECT_EQ(set(bare, type, number, expected.length), expected.bare);
    }
    share->read_only = true;
    for (const auto& [number, expected] : rows) {
      SCOPED_TRACE(testing::Message() << "class " << int{number} << ", read-only");
      EXPECT_EQ(set(full, type, number, expected.length), expected.on_read_only);
      // Rights come first.
      if (expected.bare == kAccessDenied) {
        EXPECT_EQ(set(bare, type, number, expected.length), kAccessDenied);
      }
    }
  }

  std::shared_ptr<Share> share = std::make_shared<Share>();
  std::optional<Engine> engine;
  std::optional<RawClient> client, pipes;
  FileId full, bare, pipe, bare_pipe;
};

TEST_F(InfoRows, FileClassesAreQueriedAsTheirRowsSay) {
  expect_queries(InfoType::kFile, by_class(kFileQueries));
}

TEST_F(InfoRows, FilesystemClassesAreQueriedAsTheirRowsSay) {
  expect_queries(InfoType::kFilesystem, by_class(kFilesystemQueries));
}

TEST_F(InfoRows, FileClassesAreSetAsTheirRowsSay) {
  expect_sets(InfoType::kFile, by_class(kFileSets));
}

TEST_F(InfoRows, FilesystemClassesAreSetAsTheirRowsSay) {
  auto rows = by_class(kFilesystemSets);
  if (server_credentials()->uid != 0) rows.at(6).zeros = rows.at(6).on_read_only = kAccessDenied;
  expect_sets(InfoType::kFilesystem, rows);
}

TEST_F(InfoRows, ANormalizedNameIsOfTheLatestDialect) {
  RawClient latest(*engine);
  ASSERT_TRUE(latest.log_on(wire::Dialect::kSmb311, "files", "other"));
  const FileId id = open(latest, "f", Access::kSynchronize);
  EXPECT_EQ(query(latest, id, InfoType::kFile, 48, 7), kInfoLengthMismatch);
  EXPECT_EQ(query(latest, id, InfoType::kFile, 48, 8), kSuccess);
}

// 3.3.5.20.1: ErrorData of 8 bytes, which are a context without data; before 3.1.1 none.
TEST_F(InfoRows, TooLittleRoomIsToldWithAnEmptyErrorContext) {
  RawClient latest(*engine);
  ASSERT_TRUE(latest.log_on(wire::Dialect::kSmb311, "files", "other"));
  const FileId id = open(latest, "f", Access::kReadControl | Access::kFileReadAttributes);
  wire::QueryInfoRequest body;
  body.file_info_class = 4;
  body.output_buffer_length = 39;
  body.file_id = id;
  const auto answer = latest.exchange(latest.request(Command::kQueryInfo, body));
  ASSERT_EQ(answer->status(), kInfoLengthMismatch);
  const auto error = answer->as<wire::ErrorResponse>();
  ASSERT_EQ(error.error_contexts.size(), 1u);
  EXPECT_TRUE(error.error_contexts[0].error_context_data.empty());

  body.file_id = full;
  const auto before = client->exchange(client->request(Command::kQueryInfo, body));
  ASSERT_EQ(before->status(), kInfoLengthMismatch);
  EXPECT_TRUE(before->as<wire::ErrorResponse>().error_contexts.empty());
  EXPECT_TRUE(before->as<wire::ErrorResponse>().error_data.empty());
}

TEST_F(InfoRows, OfAPipeAFewClassesAreKnown) {
  const auto rows = by_class(kFileQueries);
  for (int number = 0; number < 256; ++number) {
    SCOPED_TRACE(testing::Message() << "class " << number);
    const auto row = rows.find(static_cast<uint8_t>(number));
    const bool is_known = row != rows.end();
    const NtStatus expected = is_known ? row->second.on_pipe : kInvalidInfoClass;
    EXPECT_EQ(query(*pipes, pipe, InfoType::kFile, number, kRoom), expected);
    EXPECT_EQ(query(*pipes, bare_pipe, InfoType::kFile, number, kRoom),
              is_known ? row->second.bare_pipe : kInvalidInfoClass);
    if (is_known && row->second.length > 0) {
      EXPECT_EQ(query(*pipes, pipe, InfoType::kFile, number, row->second.length - 1),
                kInfoLengthMismatch);
    }
    for (const auto type : {InfoType::kFilesystem, InfoType::kSecurity, InfoType::kQuota}) {
      EXPECT_EQ(query(*pipes, pipe, type, number, kRoom), kInvalidDeviceRequest);
    }
    for (const auto type :
         {InfoType::kFile, InfoType::kFilesystem, InfoType::kSecurity, InfoType::kQuota}) {
      EXPECT_EQ(set(*pipes, pipe, type, number, 64), kInvalidDeviceRequest);
    }
  }
}

// They have no classes; the rights are those of the parts that are named.
TEST_F(InfoRows, SecurityIsTheSameWhateverTheClass) {
  using Part = wire::SecurityInformation;
  constexpr uint32_t kOwner = Part::kOwner;
  const FileId reader = open(*client, "f", Access::kReadControl);
  for (int number = 0; number < 256; ++number) {
    SCOPED_TRACE(testing::Message() << "class " << number);
    EXPECT_EQ(query(full, InfoType::kSecurity, number, kRoom, kOwner), kSuccess);
    EXPECT_EQ(query(full, InfoType::kSecurity, number, 0, kOwner), kBufferTooSmall);
    EXPECT_EQ(query(bare, InfoType::kSecurity, number, kRoom, kOwner), kAccessDenied);
    EXPECT_EQ(query(bare, InfoType::kSecurity, number, kRoom, 0), kSuccess);
    EXPECT_EQ(set(bare, InfoType::kSecurity, number, 20, kOwner), kAccessDenied);
  }
  EXPECT_EQ(query(reader, InfoType::kSecurity, 0, kRoom, Part::kOwner | Part::kDacl), kSuccess);
  EXPECT_EQ(query(reader, InfoType::kSecurity, 0, kRoom, Part::kOwner | Part::kSacl),
            kAccessDenied);
  EXPECT_EQ(query(reader, InfoType::kSecurity, 0, kRoom, Part::kBackup), kAccessDenied);
  EXPECT_EQ(set(reader, InfoType::kSecurity, 0, 20, kOwner), kAccessDenied);
  EXPECT_EQ(set(reader, InfoType::kSecurity, 0, 20, Part::kDacl), kAccessDenied);
  share->read_only = true;
  EXPECT_EQ(set(full, InfoType::kSecurity, 0, 20, kOwner), kMediaWriteProtected);
  EXPECT_EQ(set(bare, InfoType::kSecurity, 0, 20, kOwner), kAccessDenied);
}

TEST_F(InfoRows, QuotaIsOfTheQuotaFileWhateverTheClass) {
  for (int number = 0; number < 256; ++number) {
    SCOPED_TRACE(testing::Message() << "class " << number);
    EXPECT_EQ(query(full, InfoType::kQuota, number, kRoom), kInvalidDeviceRequest);
    EXPECT_EQ(set(full, InfoType::kQuota, number, 64), kInvalidDeviceRequest);
  }
}

TEST_F(InfoRows, ATypeThatThereIsNotIsAnInvalidParameter) {
  for (const int type : {0, 5, 255}) {
    EXPECT_EQ(query(full, static_cast<InfoType>(type), 4, kRoom), kInvalidParameter);
    EXPECT_EQ(set(full, static_cast<InfoType>(type), 4, 40), kInvalidParameter);
  }
}

}  // namespace
}  // namespace braid::smb2

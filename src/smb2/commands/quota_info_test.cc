// Quotas of a volume in memory that has what the test says.
#include <gtest/gtest.h>

#include "smb2/opens/quota_file.h"
#include "smb2/raw_client_testing.h"
#include "vfs/memory/memory_quotas.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/quota.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/read.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using vfs::QuotaState;
using wire::FileFsControlInformation;
using wire::FileQuotaInformation;
using wire::QueryQuotaInfo;
using wire::Sid;

constexpr std::string_view kQuotaFile = "$Extend\\$Quota:$Q:$INDEX_ALLOCATION";
constexpr uid_t kMember = TokenAuthenticator::kMemberUid;
constexpr uint64_t kNoLimit = FileQuotaInformation::kNoLimit;

class QuotaInfo : public testing::Test {
 protected:
  QuotaInfo()
      : engine_(Engine::lenient(), system_clock(), 1,
                Engine::shares_on(vfs::make_memory_volume(system_clock(), quotas_))) {
    quotas_->put({.uid = 0, .used = 500'000, .exists = true});
    quotas_->put({.uid = kMember,
                  .used = 10'000,
                  .limits = {.soft = 1 << 20, .hard = 2 << 20},
                  .exists = true});
    quotas_->put({.uid = 4000, .used = 7, .limits = {}, .exists = true});
  }

  // A client that has logged on and opened the file.
  struct Client {
    Client(Engine& engine, std::string_view token, std::string_view name = kQuotaFile,
           uint32_t access = QuotaFile::kMaximalAccess)
        : raw(engine) {
      EXPECT_TRUE(raw.log_on(wire::Dialect::kSmb302, "files", token));
      wire::CreateRequest body = RawClient::create_body(name);
      body.desired_access = access;
      file_id = raw.create(body);
    }
    struct Told {
      NtStatus status;
      std::vector<FileQuotaInformation> list;
    };
    Told query(const QueryQuotaInfo& asked, uint32_t room = 4096) {
      Bytes input;
      wire::Writer writer(input);
      asked.encode(writer);
      return query(input, room);
    }
    Told query(ByteView input, uint32_t room = 4096) {
      wire::QueryInfoRequest body;
      body.info_type = wire::InfoType::kQuota;
      body.output_buffer_length = room;
      body.file_id = file_id;
      body.input_buffer = input;
      const auto answer = raw.exchange(raw.request(wire::Command::kQueryInfo, body));
      if (!answer || answer->status() != NtStatus::kSuccess) {
        return {answer ? answer->status() : NtStatus::kConnectionDisconnected, {}};
      }
      const auto response = answer->as<wire::QueryInfoResponse>();
      EXPECT_LE(response.output_buffer.size(), room);
      return {NtStatus::kSuccess, wire::decode_quotas(response.output_buffer).value()};
    }
    Told query_sids(const std::vector<Sid>& sids, bool single = false, uint32_t room = 4096) {
      const Bytes list = wire::encode_quota_sids(sids);
      return query({.return_single = single,
                    .sid_list_length = static_cast<uint32_t>(list.size()),
                    .sid_buffer = list},
                   room);
    }
    NtStatus set(wire::InfoType type, uint8_t info_class, ByteView buffer) {
      wire::SetInfoRequest body;
      body.info_type = type;
      body.file_info_class = info_class;
      body.file_id = file_id;
      body.buffer = buffer;
      return raw.status_of(raw.request(wire::Command::kSetInfo, body));
    }
    NtStatus set(const std::vector<FileQuotaInformation>& list) {
      return set(wire::InfoType::kQuota, 0, wire::encode_quotas(list, SIZE_MAX));
    }
    NtStatus set(const FileFsControlInformation& control) {
      Bytes buffer;
      wire::Writer writer(buffer);
      control.encode(writer);
      return set(wire::InfoType::kFilesystem, static_cast<uint8_t>(wire::FsInfoClass::kControl),
                 buffer);
    }
    template <class Info>
    Info filesystem(wire::FsInfoClass info_class) {
      wire::QueryInfoRequest body;
      body.info_type = wire::InfoType::kFilesystem;
      body.file_info_class = static_cast<uint8_t>(info_class);
      body.output_buffer_length = 256;
      body.file_id = file_id;
      const auto answer = raw.exchange(raw.request(wire::Command::kQueryInfo, body));
      EXPECT_TRUE(answer && answer->status() == NtStatus::kSuccess);
      const auto response = answer->as<wire::QueryInfoResponse>();
      wire::Reader reader(response.output_buffer);
      return Info::decode(reader).value();
    }

    RawClient raw;
    FileId file_id;
  };

  Sid sid_of(uid_t uid) { return engine_.server().files.ids.sid_of_uid(uid); }
  std::vector<Sid> all_sids() { return {sid_of(0), sid_of(kMember), sid_of(4000)}; }
  static std::vector<Sid> sids(const Client::Told& told) {
    std::vector<Sid> sids;
    for (const auto& each : told.list) sids.push_back(each.sid);
    return sids;
  }

  std::shared_ptr<vfs::MemoryQuotas> quotas_ = std::make_shared<vfs::MemoryQuotas>();
  Engine engine_;
};

TEST_F(QuotaInfo, AdministratorSeesEverybodysInOrder) {
  Client admin(engine_, "admin");
  const auto told = admin.query({.restart_scan = true});
  ASSERT_EQ(told.status, NtStatus::kSuccess);
  EXPECT_EQ(sids(told), all_sids());
  EXPECT_EQ(told.list[1].quota_used, 10'000u);
  EXPECT_EQ(told.list[1].quota_threshold, 1u << 20);
  EXPECT_EQ(told.list[1].quota_limit, 2u << 20);
  EXPECT_EQ(told.list[2].quota_limit, kNoLimit);
  EXPECT_EQ(admin.query(QueryQuotaInfo{}).status, NtStatus::kNoMoreEntries);
  EXPECT_EQ(sids(admin.query({.restart_scan = true})), all_sids());
}

TEST_F(QuotaInfo, EnumerationContinuesWhereItStopped) {
  Client admin(engine_, "admin");
  for (const Sid& sid : all_sids()) {
    EXPECT_EQ(sids(admin.query({.return_single = true})), std::vector{sid});
  }
  EXPECT_EQ(admin.query({.return_single = true}).status, NtStatus::kNoMoreEntries);
  // Room for two of 72 bytes.
  EXPECT_EQ(sids(admin.query({.restart_scan = true}, 150)),
            (std::vector{sid_of(0), sid_of(kMember)}));
  EXPECT_EQ(sids(admin.query(QueryQuotaInfo{}, 150)), std::vector{sid_of(4000)});
  // Another handle begins at its own beginning.
  Client second(engine_, "admin");
  EXPECT_EQ(sids(second.query(QueryQuotaInfo{})), all_sids());
}

// There is no uid behind the largest to go on with.
TEST_F(QuotaInfo, EnumerationEndsWithTheLargestUid) {
  quotas_->put({.uid = UINT32_MAX, .used = 1, .limits = {}, .exists = true});
  Client admin(engine_, "admin");
  auto all = all_sids();
  all.push_back(sid_of(UINT32_MAX));
  EXPECT_EQ(sids(admin.query({.restart_scan = true})), all);
  EXPECT_EQ(admin.query(QueryQuotaInfo{}).status, NtStatus::kNoMoreEntries);
}

TEST_F(QuotaInfo, StartSidBeginsWithItsEntry) {
  Client admin(engine_, "admin");
  const auto from = [&](const Sid& sid, uint32_t offset = 4) {
    Bytes buffer(4);
    wire::Writer writer(buffer);
    sid.encode(writer);
    return admin.query({.restart_scan = true,
                        .start_sid_length = static_cast<uint32_t>(sid.encoded_size()),
                        .start_sid_offset = offset,
                        .sid_buffer = buffer});
  };
  EXPECT_EQ(sids(from(sid_of(kMember))), (std::vector{sid_of(kMember), sid_of(4000)}));
  EXPECT_EQ(from(sid_of(3999)).status, NtStatus::kInvalidParameter);
  EXPECT_EQ(from(wire::sids::kEveryone).status, NtStatus::kInvalidParameter);
  EXPECT_EQ(from(sid_of(kMember), 8).status, NtStatus::kInvalidParameter);
  EXPECT_EQ(from(sid_of(kMember), ~0u).status, NtStatus::kInvalidParameter);
}

TEST_F(QuotaInfo, SidListIsAnsweredInItsOrderWithZerosForTheUnknown) {
  Client admin(engine_, "admin");
  const std::vector asked = {sid_of(4000), wire::sids::kEveryone, sid_of(kMember), sid_of(5000)};
  const auto told = admin.query_sids(asked);
  ASSERT_EQ(told.status, NtStatus::kSuccess);
  EXPECT_EQ(sids(told), asked);
  EXPECT_EQ(told.list[0].quota_used, 7u);
  for (const size_t unknown : {1, 3}) {
    EXPECT_EQ(told.list[unknown].quota_threshold, 0u);
    EXPECT_EQ(told.list[unknown].quota_limit, 0u);
  }
  EXPECT_EQ(sids(admin.query_sids(asked, true)), std::vector{sid_of(4000)});
  EXPECT_EQ(sids(admin.query_sids(asked, false, 72)), std::vector{sid_of(4000)});
}

TEST_F(QuotaInfo, OthersSeeAndSetNothingButSeeTheirOwn) {
  Client member(engine_, "member");
  EXPECT_EQ(sids(member.query({.restart_scan = true})), std::vector{sid_of(kMember)});
  EXPECT_EQ(member.query(QueryQuotaInfo{}).status, NtStatus::kNoMoreEntries);
  EXPECT_EQ(sids(member.query_sids({sid_of(kMember)})), std::vector{sid_of(kMember)});
  EXPECT_EQ(member.query_sids({sid_of(kMember), sid_of(4000)}).status, NtStatus::kAccessDenied);
  EXPECT_EQ(member.set({{.quota_limit = kNoLimit, .sid = sid_of(kMember)}}),
            NtStatus::kAccessDenied);
  EXPECT_EQ(member.set(FileFsControlInformation{}), NtStatus::kAccessDenied);
  EXPECT_EQ(quotas_->of(kMember)->limits.hard, 2u << 20);
}

TEST_F(QuotaInfo, MalformedQueriesAreInvalid) {
  Client admin(engine_, "admin");
  Bytes short_input(15);
  EXPECT_EQ(admin.query(short_input).status, NtStatus::kInvalidParameter);
  const Bytes list = wire::encode_quota_sids({sid_of(0)});
  const auto with_length = [&](size_t length) {
    return admin.query({.sid_list_length = static_cast<uint32_t>(length), .sid_buffer = list})
        .status;
  };
  EXPECT_EQ(with_length(list.size()), NtStatus::kSuccess);
  EXPECT_EQ(with_length(list.size() + 4), NtStatus::kInvalidParameter);
  EXPECT_EQ(with_length(list.size() - 4), NtStatus::kInvalidParameter);
  EXPECT_EQ(with_length(list.size() - 1), NtStatus::kInvalidParameter);
  EXPECT_EQ(with_length(4), NtStatus::kInvalidParameter);
  EXPECT_EQ(with_length(~0u), NtStatus::kInvalidParameter);
  EXPECT_EQ(admin.query({.restart_scan = true}, 0).status, NtStatus::kBufferTooSmall);
  EXPECT_EQ(admin.query({.restart_scan = true}, 67).status, NtStatus::kBufferTooSmall);
  EXPECT_EQ(sids(admin.query({.restart_scan = true}, 68)), std::vector{sid_of(0)});
}

TEST_F(QuotaInfo, LimitsAreSetAndRemoved) {
  Client admin(engine_, "admin");
  ASSERT_EQ(admin.set({{.quota_threshold = 4096, .quota_limit = 8192, .sid = sid_of(5000)},
                       {.quota_threshold = kNoLimit, .quota_limit = 0, .sid = sid_of(kMember)}}),
            NtStatus::kSuccess);
  EXPECT_EQ(quotas_->of(5000)->limits, (vfs::QuotaLimits{.soft = 4096, .hard = 8192}));
  EXPECT_EQ(quotas_->of(kMember)->limits, (vfs::QuotaLimits{.soft = {}, .hard = 0}));
  const std::vector<FileQuotaInformation> removal = {
      {.quota_limit = FileQuotaInformation::kDelete, .sid = sid_of(5000)}};
  EXPECT_EQ(admin.set(removal), NtStatus::kSuccess);
  EXPECT_FALSE(quotas_->of(5000)->exists);
  EXPECT_EQ(admin.set(removal), NtStatus::kNoMatch);
}

TEST_F(QuotaInfo, ARefusedEntryLeavesTheOthersAlone) {
  Client admin(engine_, "admin");
  const FileQuotaInformation good{.quota_limit = 8192, .sid = sid_of(5000)};
  const auto refused = [&](const FileQuotaInformation& bad) { return admin.set({good, bad}); };
  EXPECT_EQ(refused({.quota_limit = 8192, .sid = wire::sids::kAdministrators}),
            NtStatus::kAccessDenied);
  EXPECT_EQ(refused({.quota_limit = 8192, .sid = sid_of(0)}), NtStatus::kAccessDenied);
  EXPECT_EQ(refused({.quota_limit = 8192, .sid = wire::sids::kEveryone}), NtStatus::kNoSuchUser);
  EXPECT_EQ(refused({.quota_limit = ~uint64_t{2}, .sid = sid_of(kMember)}),
            NtStatus::kInvalidParameter);
  EXPECT_EQ(admin.set(wire::InfoType::kQuota, 0, {}), NtStatus::kInvalidParameter);
  EXPECT_EQ(admin.set(wire::InfoType::kQuota, 0, Bytes(39)), NtStatus::kInvalidParameter);
  EXPECT_FALSE(quotas_->of(5000)->exists);
  // More than the file system can keep is only known when it was tried.
  const auto before = quotas_->of(kMember)->limits;
  EXPECT_EQ(admin.set({good,
                       {.quota_limit = 8192, .sid = sid_of(kMember)},
                       {.quota_limit = vfs::MemoryQuotas::kLimitMax + 1, .sid = sid_of(5001)}}),
            NtStatus::kInvalidParameter);
  EXPECT_FALSE(quotas_->of(5000)->exists);
  EXPECT_EQ(quotas_->of(kMember)->limits, before);
  // What a client read and writes back.
  EXPECT_EQ(admin.set({{.quota_limit = kNoLimit, .sid = wire::sids::kAdministrators}}),
            NtStatus::kSuccess);
}

TEST_F(QuotaInfo, OnlyTheQuotaFileIsAsked) {
  Client admin(engine_, "admin", "", wire::Access::kFileReadData);
  EXPECT_EQ(admin.query({.restart_scan = true}).status, NtStatus::kInvalidDeviceRequest);
  EXPECT_EQ(admin.set({{.quota_limit = 1, .sid = sid_of(5000)}}), NtStatus::kInvalidDeviceRequest);
}

TEST_F(QuotaInfo, ControlTellsAndTakesDefaultsAndEnforcement) {
  Client admin(engine_, "admin");
  auto control = admin.filesystem<FileFsControlInformation>(wire::FsInfoClass::kControl);
  EXPECT_EQ(control.file_system_control_flags, FileFsControlInformation::kQuotaEnforce);
  EXPECT_EQ(control.default_quota_limit, kNoLimit);
  control.default_quota_threshold = 1 << 20;
  control.default_quota_limit = 1 << 21;
  control.file_system_control_flags =
      FileFsControlInformation::kQuotaTrack | FileFsControlInformation::kQuotaEnforce;
  ASSERT_EQ(admin.set(control), NtStatus::kSuccess);
  EXPECT_EQ(quotas_->state(), QuotaState::kTracked);
  control = admin.filesystem<FileFsControlInformation>(wire::FsInfoClass::kControl);
  EXPECT_EQ(control.default_quota_limit, 1u << 21);
  EXPECT_EQ(control.file_system_control_flags, FileFsControlInformation::kQuotaTrack);
  control.file_system_control_flags = 0;
  EXPECT_EQ(admin.set(control), NtStatus::kNotSupported);
  EXPECT_EQ(quotas_->state(), QuotaState::kTracked);
}

TEST_F(QuotaInfo, SpaceIsThatOfTheUsersQuota) {
  using Full = wire::FileFsFullSizeInformation;
  Client admin(engine_, "admin"), member(engine_, "member");
  const auto whole = admin.filesystem<Full>(wire::FsInfoClass::kFullSize);
  auto seen = member.filesystem<Full>(wire::FsInfoClass::kFullSize);
  EXPECT_EQ(seen.total_allocation_units, (2u << 20) / 4096);
  EXPECT_EQ(seen.caller_available_allocation_units, ((2u << 20) - 10'000) / 4096);
  EXPECT_EQ(seen.actual_available_allocation_units, whole.actual_available_allocation_units);
  EXPECT_EQ(member.filesystem<wire::FileFsSizeInformation>(wire::FsInfoClass::kSize)
                .available_allocation_units,
            seen.caller_available_allocation_units);
  quotas_->put({.uid = kMember,
                .used = 3 << 20,
                .limits = {.soft = 1 << 20, .hard = 2 << 20},
                .exists = true});
  seen = member.filesystem<Full>(wire::FsInfoClass::kFullSize);
  EXPECT_EQ(seen.caller_available_allocation_units, 0u);
  quotas_->become(QuotaState::kTracked);
  seen = member.filesystem<Full>(wire::FsInfoClass::kFullSize);
  EXPECT_EQ(seen.total_allocation_units, whole.total_allocation_units);
}

TEST_F(QuotaInfo, AttributeSaysWhetherThereAreAny) {
  using Info = wire::FileFsAttributeInformation;
  Client admin(engine_, "admin");
  const auto has_them = [&] {
    return (admin.filesystem<Info>(wire::FsInfoClass::kAttribute).file_system_attributes &
            Info::kVolumeQuotas) != 0;
  };
  EXPECT_TRUE(has_them());
  quotas_->become(QuotaState::kOff);
  EXPECT_FALSE(has_them());
}

TEST_F(QuotaInfo, QuotasThatAreOffAreNotSupported) {
  quotas_->become(QuotaState::kOff);
  Client admin(engine_, "admin");
  EXPECT_NE(admin.file_id, FileId{});
  EXPECT_EQ(admin.query({.restart_scan = true}).status, NtStatus::kNotSupported);
  EXPECT_EQ(admin.set({{.quota_limit = 1, .sid = sid_of(5000)}}), NtStatus::kNotSupported);
  const auto control = admin.filesystem<FileFsControlInformation>(wire::FsInfoClass::kControl);
  EXPECT_EQ(control.file_system_control_flags, 0u);
  EXPECT_EQ(admin.set(FileFsControlInformation{.file_system_control_flags = 2}),
            NtStatus::kNotSupported);
}

TEST_F(QuotaInfo, NoFileAndNoControlWhereThereCanBeNone) {
  Client admin(engine_, "admin");
  quotas_->become(QuotaState::kUnsupported);
  EXPECT_EQ(admin.set(FileFsControlInformation{}), NtStatus::kVolumeNotUpgraded);
  wire::CreateRequest body = RawClient::create_body(kQuotaFile);
  body.desired_access = wire::Access::kFileReadData;
  EXPECT_EQ(admin.raw.status_of(admin.raw.request(wire::Command::kCreate, body)),
            NtStatus::kObjectPathNotFound);
}

TEST_F(QuotaInfo, TheFileCannotBeMadeReplacedOrDeleted) {
  Client admin(engine_, "admin");
  const auto open = [&](wire::CreateDisposition disposition, uint32_t access, uint32_t options) {
    wire::CreateRequest body = RawClient::create_body("$EXTEND\\$quota:$q:$Index_Allocation");
    body.create_disposition = disposition;
    body.desired_access = access;
    body.create_options = options;
    return admin.raw.status_of(admin.raw.request(wire::Command::kCreate, body));
  };
  using Disposition = wire::CreateDisposition;
  constexpr uint32_t kRead = wire::Access::kFileReadData;
  EXPECT_EQ(open(Disposition::kOpen, kRead, 0), NtStatus::kSuccess);
  EXPECT_EQ(open(Disposition::kOpenIf, wire::Access::kMaximumAllowed, 0), NtStatus::kSuccess);
  EXPECT_EQ(open(Disposition::kCreate, kRead, 0), NtStatus::kObjectNameCollision);
  EXPECT_EQ(open(Disposition::kOverwriteIf, kRead, 0), NtStatus::kAccessDenied);
  EXPECT_EQ(open(Disposition::kOpen, wire::Access::kDelete, 0), NtStatus::kAccessDenied);
  EXPECT_EQ(
      open(Disposition::kOpen, wire::Access::kDelete | kRead, wire::CreateOptions::kDeleteOnClose),
      NtStatus::kAccessDenied);
  EXPECT_EQ(
      open(Disposition::kOpen, wire::Access::kMaximumAllowed, wire::CreateOptions::kDeleteOnClose),
      NtStatus::kAccessDenied);
  EXPECT_EQ(open(Disposition::kOpen, wire::Access::kMaximumAllowed | wire::Access::kDelete, 0),
            NtStatus::kAccessDenied);
  EXPECT_EQ(open(Disposition::kOpen, kRead, wire::CreateOptions::kDirectoryFile),
            NtStatus::kNotADirectory);
  EXPECT_EQ(admin.raw.close_file(admin.file_id), NtStatus::kSuccess);
}

TEST_F(QuotaInfo, RightsAreThoseAskedForOrAllThereAre) {
  constexpr struct {
    uint32_t asked, granted;
  } kCases[] = {
      {wire::Access::kMaximumAllowed, QuotaFile::kMaximalAccess},
      {wire::Access::kMaximumAllowed | wire::Access::kFileReadData, QuotaFile::kMaximalAccess},
      {wire::Access::kFileReadData, wire::Access::kFileReadData},
      {wire::Access::kGenericRead, wire::Access::kFileGenericRead},
  };
  for (const auto& each : kCases) {
    Client admin(engine_, "admin", kQuotaFile, each.asked);
    wire::QueryInfoRequest body;
    body.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kAccess);
    body.output_buffer_length = 4;
    body.file_id = admin.file_id;
    const auto answer = admin.raw.exchange(admin.raw.request(wire::Command::kQueryInfo, body));
    ASSERT_EQ(answer->status(), NtStatus::kSuccess);
    wire::Reader reader(answer->as<wire::QueryInfoResponse>().output_buffer);
    EXPECT_EQ(reader.u32(), each.granted) << std::hex << each.asked;
    EXPECT_EQ(admin.raw.close_file(admin.file_id), NtStatus::kSuccess);
  }
}

// Commands for files of a disk meet a file that is none.
TEST_F(QuotaInfo, OtherCommandsAreAnswered) {
  Client admin(engine_, "admin");
  const auto query = [&](wire::InfoType type, uint8_t info_class, uint32_t additional = 0) {
    wire::QueryInfoRequest body;
    body.info_type = type;
    body.file_info_class = info_class;
    body.output_buffer_length = 4096;
    body.additional_information = additional;
    body.file_id = admin.file_id;
    return admin.raw.status_of(admin.raw.request(wire::Command::kQueryInfo, body));
  };
  const auto file = [](wire::FileInfoClass info_class) { return static_cast<uint8_t>(info_class); };
  EXPECT_EQ(query(wire::InfoType::kFile, file(wire::FileInfoClass::kAll)), NtStatus::kSuccess);
  EXPECT_EQ(query(wire::InfoType::kFile, file(wire::FileInfoClass::kStream)), NtStatus::kSuccess);
  EXPECT_EQ(query(wire::InfoType::kSecurity, 0, 7), NtStatus::kSuccess);
  const Bytes bytes(40, 1);
  EXPECT_NE(admin.set(wire::InfoType::kFile, file(wire::FileInfoClass::kEndOfFile), bytes),
            NtStatus::kSuccess);
  wire::WriteRequest write;
  write.file_id = admin.file_id;
  write.data = bytes;
  EXPECT_EQ(admin.raw.status_of(admin.raw.request(wire::Command::kWrite, write)),
            NtStatus::kInvalidDeviceRequest);
  wire::ReadRequest read;
  read.file_id = admin.file_id;
  read.length = 10;
  EXPECT_EQ(admin.raw.status_of(admin.raw.request(wire::Command::kRead, read)),
            NtStatus::kInvalidDeviceRequest);
}

}  // namespace
}  // namespace braid::smb2

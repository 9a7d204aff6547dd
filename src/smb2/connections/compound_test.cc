#include "smb2/connections/compound.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/fscc/reparse.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/read.h"
#include "wire/smb2/tree_disconnect.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;

// [MS-SMB2] 3.3.5.2.7 "Handling Compounded Requests".
struct CompoundTest : testing::Test {
  void SetUp() override { ASSERT_TRUE(client.log_on()); }

  Bytes create(std::string_view name,
               wire::CreateDisposition disposition = wire::CreateDisposition::kOpenIf) {
    auto body = RawClient::create_body(name);
    body.create_disposition = disposition;
    return client.request(Command::kCreate, body);
  }
  Bytes flush(FileId id = FileId::all_ones(), const std::function<void(Header&)>& change = {}) {
    return client.request(Command::kFlush, wire::FlushRequest{.file_id = id}, change);
  }
  Bytes close(FileId id = FileId::all_ones()) {
    return client.request(Command::kClose, wire::CloseRequest{.file_id = id});
  }
  // The statuses of `count` answers in the order they come.
  std::vector<NtStatus> statuses(Bytes frame, size_t count) {
    client.send(std::move(frame));
    std::vector<NtStatus> all;
    for (size_t i = 0; i < count; ++i) {
      const auto answer = client.receive();
      all.push_back(answer ? answer->status() : NtStatus::kConnectionDisconnected);
    }
    return all;
  }
  static constexpr NtStatus kOk = NtStatus::kSuccess;

  Engine engine;
  RawClient client{engine};
};

TEST_F(CompoundTest, RelatedRequestsUseTheOpenTheCreateMade) {
  EXPECT_EQ(statuses(RawClient::compound({create("a"), flush(), close()}), 3),
            (std::vector{kOk, kOk, kOk}));
}

TEST_F(CompoundTest, RelatedRequestsUseTheOpenEvenWhenTheyNameAnother) {
  const FileId other = client.create("other");
  EXPECT_EQ(statuses(RawClient::compound({create("a"), close(other)}), 2), (std::vector{kOk, kOk}));
  EXPECT_EQ(client.close_file(other), kOk);
}

TEST_F(CompoundTest, FailedCreateFailsWhatNeedsItsOpenWithItsStatus) {
  const auto missing = NtStatus::kObjectNameNotFound;
  EXPECT_EQ(statuses(RawClient::compound(
                         {create("none", wire::CreateDisposition::kOpen), flush(), close()}),
                     3),
            (std::vector{missing, missing, missing}));
}

// Its answer says where the link leads, and is none of the errors of a handler.
TEST_F(CompoundTest, CreateThatStopsOnASymlinkFailsWhatNeedsItsOpen) {
  const FileId link = client.create("l");
  wire::SymlinkReparse target;
  target.relative = true;
  target.print_name = target.substitute_name = "target";
  const Bytes reparse =
      wire::ReparseData{.tag = vfs::kReparseTagSymlink, .data = std::move(target)}.encode();
  ASSERT_EQ(client.status_of(client.request(
                Command::kIoctl, wire::IoctlRequest{.ctl_code = wire::Fsctl::kSetReparsePoint,
                                                    .file_id = link,
                                                    .input = reparse,
                                                    .flags = wire::IoctlRequest::kFlagIsFsctl})),
            kOk);
  ASSERT_EQ(client.close_file(link), kOk);
  EXPECT_EQ(statuses(RawClient::compound({create("l"), flush()}, true), 2),
            (std::vector{NtStatus::kStoppedOnSymlink, NtStatus::kStoppedOnSymlink}));
}

TEST_F(CompoundTest, FirstRequestThatSaysRelatedIsAnInvalidParameter) {
  const FileId id = client.create("a");
  const auto related = [](Header& header) {
    header.flags |= wire::HeaderFlags::kRelatedOperations;
  };
  EXPECT_EQ(client.status_of(flush(id, related)), NtStatus::kInvalidParameter);
}

TEST_F(CompoundTest, RelatedRequestAfterOneWithoutAFileIsAnInvalidHandle) {
  EXPECT_EQ(statuses(RawClient::compound({client.tree_request(), flush()}), 2),
            (std::vector{kOk, NtStatus::kInvalidHandle}));
}

TEST_F(CompoundTest, RelatedRequestTakesNothingOverFromBeforeAnUnrelatedOne) {
  Bytes frame = RawClient::compound(
      {create("a"), client.request(Command::kEcho, wire::EchoRequest{})}, false);
  // The echo, unrelated, stands between.
  const size_t second = Header::next_command_of(frame);
  frame.resize((frame.size() + 7) / 8 * 8);
  Header::patch_next_command(MutableByteView(frame).subspan(second),
                             static_cast<uint32_t>(frame.size() - second));
  Bytes last = flush();
  Header::patch_flags(last, wire::HeaderFlags::kRelatedOperations);
  frame.insert(frame.end(), last.begin(), last.end());
  const auto all = statuses(std::move(frame), 3);
  EXPECT_EQ(all[0], kOk);
  EXPECT_EQ(all[1], kOk);
  EXPECT_TRUE(is_error(all[2]));
}

TEST_F(CompoundTest, UnrelatedRequestsStandForThemselves) {
  const FileId id = client.create("a");
  EXPECT_EQ(
      statuses(RawClient::compound(
                   {create("none", wire::CreateDisposition::kOpen), flush(id), close(id)}, false),
               3),
      (std::vector{NtStatus::kObjectNameNotFound, kOk, kOk}));
}

TEST_F(CompoundTest, RelatedRequestAfterItsTreeIsGoneFails) {
  EXPECT_EQ(statuses(RawClient::compound(
                         {create("a"),
                          client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{}),
                          close()}),
                     3),
            (std::vector{kOk, kOk, NtStatus::kNetworkNameDeleted}));
}

TEST_F(CompoundTest, AnswersAreAlignedAndChained) {
  client.send(RawClient::compound({create("a"), close()}));
  const auto first = client.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->header.next_command % 8, 0u);
  EXPECT_EQ(first->header.next_command, first->message.size());
  const auto second = client.receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->header.next_command, 0u);
  EXPECT_TRUE(second->header.is_related());
}

// Compounds of READs, whose answers are as large as the client likes.
struct LargeAnswers : CompoundTest {
  void SetUp() override {
    CompoundTest::SetUp();
    file = client.create("large");
    wire::WriteRequest write;
    write.file_id = file;
    write.offset = kMaxTransferSize - 1;
    write.data = as_bytes("x");
    ASSERT_EQ(client.status_of(client.request(Command::kWrite, write)), kOk);
    const auto ask = [](Header& header) { header.credits = 4096; };
    ASSERT_EQ(client.status_of(client.request(Command::kEcho, wire::EchoRequest{}, ask)), kOk);
  }
  Bytes reads(size_t count, uint32_t length) {
    const auto charge = static_cast<uint16_t>((length + kBytesPerCredit - 1) / kBytesPerCredit);
    std::vector<Bytes> all;
    for (size_t i = 0; i < count; ++i) {
      wire::ReadRequest read;
      read.file_id = file;
      read.length = length;
      all.push_back(client.request(Command::kRead, read,
                                   [charge](Header& header) { header.credit_charge = charge; }));
      client.next_message_id += charge - 1;
    }
    return RawClient::compound(std::move(all), false);
  }
  void expect_answers(size_t count, uint32_t length) {
    for (size_t i = 0; i < count; ++i) {
      const auto answer = client.receive();
      ASSERT_TRUE(answer) << i;
      ASSERT_EQ(answer->status(), kOk) << i;
      EXPECT_EQ(answer->as<wire::ReadResponse>().data.size(), length) << i;
    }
    EXPECT_EQ(client.status_of(flush(file)), kOk);
  }
  FileId file;
};

TEST_F(LargeAnswers, AnswersThatDoNotFitOneFrameComeInSeveral) {
  client.send(reads(64, 270'000));
  expect_answers(64, 270'000);
}

TEST_F(LargeAnswers, TwoOfTheLargestReadsAreAnswered) {
  client.send(reads(2, kMaxTransferSize));
  expect_answers(2, kMaxTransferSize);
}

TEST_F(LargeAnswers, EncryptedAnswersComeInSeveralFramesToo) {
  client.send(client.encrypted(reads(3, kMaxTransferSize)));
  for (int i = 0; i < 3; ++i) {
    const auto frame = client.receive();
    ASSERT_TRUE(frame);
    const auto answer = client.decrypted(frame->message);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), kOk);
    EXPECT_EQ(answer->as<wire::ReadResponse>().data.size(), kMaxTransferSize);
  }
}

TEST_F(CompoundTest, MoreElementsThanAnyClientSendsDrops) {
  std::vector<Bytes> many;
  for (size_t i = 0; i <= kCompoundMax; ++i) {
    many.push_back(client.request(Command::kEcho, wire::EchoRequest{}));
  }
  client.send(RawClient::compound(std::move(many), false));
  EXPECT_TRUE(client.is_dropped());
}

}  // namespace
}  // namespace braid::smb2

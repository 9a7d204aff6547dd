#include "smb2/compound.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/tree_disconnect.h"

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

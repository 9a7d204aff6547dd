#include "rpc/pipe_registry.h"

#include <gtest/gtest.h>

#include "rpc/captured_testing.h"
#include "rpc/handle_table.h"
#include "rpc/pdu.h"
#include "rpc/pipe_testing.h"

namespace braid::rpc {
namespace {

TEST(PipeRegistry, OnlyListedNamesOpen) {
  PipeFixture f;
  const PipeRegistry registry(f.directory.directory());
  for (const char* name : {"srvsvc", "SRVSVC", "wkssvc", "lsarpc", "lsass", "samr"}) {
    EXPECT_TRUE(registry.open(name, f.caller)) << name;
    EXPECT_TRUE(PipeRegistry::exists(name));
  }
  for (const char* name : {"", "\\", "spoolss", "../srvsvc", "srvsvc/", "srvsvc\\x", "..\\srvsvc",
                           "/run/x", "srvsvc2", "\\srvsvc", "PIPE\\srvsvc", "\\pipe\\srvsvc"}) {
    EXPECT_EQ(registry.open(name, f.caller).error(), Error(NtStatus::kObjectNameNotFound)) << name;
  }
}

TEST(PipeRegistry, AnonymousCallersLearnNoAccounts) {
  PipeFixture f;
  f.caller.is_anonymous = true;
  const PipeRegistry registry(f.directory.directory());
  EXPECT_TRUE(registry.open("srvsvc", f.caller));
  EXPECT_EQ(registry.open("lsarpc", f.caller).error(), Error(NtStatus::kAccessDenied));
  EXPECT_EQ(registry.open("samr", f.caller).error(), Error(NtStatus::kAccessDenied));
}

TEST(Pipe, ShortReadsLeaveTheRestOfTheMessage) {
  PipeFixture f;
  auto pipe = f.open("srvsvc");
  ASSERT_TRUE(pipe->write(unhex(captured::kSrvsvcBind)));
  const size_t size = pipe->next_message_size();
  EXPECT_EQ(pipe->readable_size(), size);
  const Result<PipeRead> first = pipe->read(10);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->data.size(), 10u);
  EXPECT_TRUE(first->more);
  EXPECT_EQ(pipe->next_message_size(), size - 10);
  const Result<PipeRead> rest = pipe->read(1000);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->data.size(), size - 10);
  EXPECT_FALSE(rest->more);
  EXPECT_EQ(pipe->readable_size(), 0u);
  EXPECT_EQ(pipe->read(1000).error(), Error(NtStatus::kPipeEmpty));
}

TEST(Pipe, AnswersLeftUnreadAreBounded) {
  PipeFixture f;
  f.directory.share_list.resize(2000, f.directory.share_list.back());
  auto pipe = f.bound("srvsvc", captured::kSrvsvcBind);
  const Bytes request = unhex(captured::kShareEnum);
  int taken = 0;
  while (pipe->write(request)) ASSERT_LT(++taken, 1000);
  EXPECT_EQ(pipe->write(request).error(), Error(NtStatus::kInsufficientResources));
  while (pipe->readable_size() > 0) ASSERT_TRUE(pipe->read(65536));
  EXPECT_TRUE(pipe->write(request));
}

TEST(HandleTable, HandlesAreBoundedAndOfOneKind) {
  HandleTable table;
  const wire::NdrContextHandle policy = table.open({HandleKind::kLsaPolicy, {}});
  EXPECT_TRUE(table.find(policy, HandleKind::kLsaPolicy));
  EXPECT_FALSE(table.find(policy, HandleKind::kSamDomain));
  EXPECT_FALSE(table.find({}, HandleKind::kLsaPolicy));
  for (size_t i = 1; i < HandleTable::kHandlesMax; ++i) {
    EXPECT_FALSE(table.open({HandleKind::kSamUser, {}}).is_null());
  }
  EXPECT_TRUE(table.open({HandleKind::kSamUser, {}}).is_null());
  EXPECT_TRUE(table.close(policy));
  EXPECT_FALSE(table.close(policy));
  EXPECT_FALSE(table.open({HandleKind::kSamUser, {}}).is_null());
}

TEST(Lsarpc, HandleOfAnotherPipeIsAContextMismatch) {
  PipeFixture f;
  auto one = f.bound("lsarpc", captured::kLsarpcBind);
  auto other = f.bound("lsarpc", captured::kLsarpcBind);
  const Bytes opened = answer(*one, captured::kOpenPolicy);
  const ByteView handle = ByteView(opened).subspan(24, 20);
  const Bytes fault = answer(*other, with_handle(captured::kQueryPolicy, handle));
  ASSERT_GE(fault.size(), 28u);
  EXPECT_EQ(fault[2], static_cast<uint8_t>(PduType::kFault));
  EXPECT_EQ(Bytes(fault.begin() + 24, fault.begin() + 28), unhex("1a00001c"));
}

}  // namespace
}  // namespace braid::rpc

#include "smb2/opens/channel_sequence.h"

#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/ioctl.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Dialect;
using wire::Header;

constexpr bool kReplay = true, kFirst = false;

TEST(ChannelSequence, NewerNumbersAreTakenOlderOnesNotWithWrap) {
  ChannelSequence sequence;
  for (const bool replay : {kFirst, kReplay}) {
    sequence.start_from(0);
    const auto admitted = [&](uint16_t number) {
      const auto admission = sequence.begin(number, replay);
      if (admission.counted_in) sequence.end(*admission.counted_in);
      return admission.is_admitted;
    };
    EXPECT_TRUE(admitted(0));
    EXPECT_FALSE(admitted(0x8000));
    EXPECT_FALSE(admitted(0xFFFF));
    EXPECT_TRUE(admitted(0x7FFF));
    EXPECT_FALSE(admitted(0x7FFE));
    EXPECT_FALSE(admitted(0));
    EXPECT_TRUE(admitted(0x8000));
    EXPECT_TRUE(admitted(0xFFFF));
    EXPECT_TRUE(admitted(0));
    EXPECT_FALSE(admitted(0xFFFF));
  }
}

TEST(ChannelSequence, WhatWasUnderWayCountsAsBeforeOnceTheNumberMoves) {
  ChannelSequence sequence;
  const auto a = sequence.begin(0, kFirst);
  const auto b = sequence.begin(0, kFirst);
  const auto c = sequence.begin(1, kFirst);
  EXPECT_TRUE(c.is_admitted);
  EXPECT_EQ(sequence.counts().outstanding, 1u);
  EXPECT_EQ(sequence.counts().outstanding_pre, 2u);
  // May repeat a or b: not while they are under way.
  EXPECT_FALSE(sequence.begin(1, kReplay).is_admitted);
  sequence.end(*a.counted_in);
  EXPECT_FALSE(sequence.begin(1, kReplay).is_admitted);
  sequence.end(*b.counted_in);
  EXPECT_TRUE(sequence.begin(1, kReplay).is_admitted);
  sequence.end(*c.counted_in);
  EXPECT_EQ(sequence.counts().outstanding, 1u);
  EXPECT_EQ(sequence.counts().outstanding_pre, 0u);
}

TEST(ChannelSequence, ReplayWithANewNumberMovesItThoughRefused) {
  ChannelSequence sequence;
  const auto a = sequence.begin(0, kFirst);
  const auto refused = sequence.begin(1, kReplay);
  EXPECT_FALSE(refused.is_admitted);
  EXPECT_FALSE(refused.counted_in);
  EXPECT_EQ(sequence.counts().sequence, 1);
  EXPECT_EQ(sequence.counts().outstanding, 0u);
  EXPECT_EQ(sequence.counts().outstanding_pre, 1u);
  sequence.end(*a.counted_in);
  EXPECT_TRUE(sequence.begin(1, kReplay).is_admitted);
}

// A CHANGE_NOTIFY may wait while a client loses its channels 65,536 times.
TEST(ChannelSequence, RequestOlderThanAWrapIsStillCountedAsBefore) {
  ChannelSequence sequence;
  const auto old = sequence.begin(0, kFirst);
  for (uint32_t number = 1; number <= 0x10000; ++number) {
    const auto next = sequence.begin(static_cast<uint16_t>(number), kFirst);
    sequence.end(*next.counted_in);
  }
  ASSERT_EQ(sequence.counts().sequence, 0);
  EXPECT_EQ(sequence.counts().outstanding_pre, 1u);
  sequence.end(*old.counted_in);
  EXPECT_EQ(sequence.counts().outstanding, 0u);
  EXPECT_EQ(sequence.counts().outstanding_pre, 0u);
}

struct ChannelSequenceTest : testing::Test {
  void open(Dialect dialect) {
    ASSERT_TRUE(client.log_on(dialect));
    file = client.create("file");
  }
  static std::function<void(Header&)> with(uint16_t number, bool replay) {
    return [number, replay](Header& header) {
      header.channel_sequence = number;
      if (replay) header.flags |= wire::HeaderFlags::kReplayOperation;
    };
  }
  NtStatus write(uint16_t number, bool replay = false) {
    wire::WriteRequest body;
    body.file_id = file;
    body.data = as_bytes("x");
    return client.status_of(client.request(Command::kWrite, body, with(number, replay)));
  }
  NtStatus read(uint16_t number, bool replay = false) {
    wire::ReadRequest body;
    body.file_id = file;
    body.length = 1;
    return client.status_of(client.request(Command::kRead, body, with(number, replay)));
  }
  NtStatus ioctl(wire::Fsctl code, uint16_t number) {
    wire::IoctlRequest body;
    body.ctl_code = code;
    body.file_id = file;
    body.flags = wire::IoctlRequest::kFlagIsFsctl;
    body.max_output_response = 64;
    return client.status_of(client.request(Command::kIoctl, body, with(number, false)));
  }

  Engine engine;
  RawClient client{engine};
  FileId file;
};

constexpr auto kTooLate = NtStatus::kFileNotAvailable;

TEST_F(ChannelSequenceTest, OldWriteFailsAndOldReadDoesNot) {
  open(Dialect::kSmb302);
  EXPECT_EQ(write(0), NtStatus::kSuccess);
  EXPECT_EQ(read(5), NtStatus::kSuccess);  // reads move it, too
  EXPECT_EQ(write(4), kTooLate);
  EXPECT_EQ(write(4, kReplay), kTooLate);
  EXPECT_EQ(read(4), NtStatus::kSuccess);
  EXPECT_EQ(write(5, kReplay), NtStatus::kSuccess);
}

TEST_F(ChannelSequenceTest, OldFsctlFailsOnlyIfItChangesSomething) {
  open(Dialect::kSmb302);
  EXPECT_EQ(write(5), NtStatus::kSuccess);
  EXPECT_EQ(ioctl(wire::Fsctl::kSetSparse, 4), kTooLate);
  EXPECT_NE(ioctl(wire::Fsctl::kSetSparse, 5), kTooLate);
  EXPECT_EQ(ioctl(wire::Fsctl::kSrvRequestResumeKey, 4), NtStatus::kSuccess);
  // The open changes.
  EXPECT_EQ(ioctl(wire::Fsctl::kLmrRequestResiliency, 4), kTooLate);
  EXPECT_NE(ioctl(wire::Fsctl::kLmrRequestResiliency, 5), kTooLate);
}

TEST_F(ChannelSequenceTest, StartsWithTheNumberOfTheCreate) {
  ASSERT_TRUE(client.log_on(Dialect::kSmb302));
  const auto answer = client.exchange(
      client.request(Command::kCreate, RawClient::create_body("file"), with(0x9000, false)));
  ASSERT_TRUE(answer);
  file = answer->as<wire::CreateResponse>().file_id;
  EXPECT_EQ(write(0x8FFF), kTooLate);
  EXPECT_EQ(write(0x9000), NtStatus::kSuccess);
}

// There the field is part of Status, and reserved.
TEST_F(ChannelSequenceTest, MeansNothingBefore30) {
  open(Dialect::kSmb210);
  EXPECT_EQ(write(5), NtStatus::kSuccess);
  EXPECT_EQ(write(4), NtStatus::kSuccess);
}

TEST_F(ChannelSequenceTest, CountsAreZeroWhenEverythingIsAnswered) {
  open(Dialect::kSmb302);
  EXPECT_EQ(write(1), NtStatus::kSuccess);
  EXPECT_EQ(write(0), kTooLate);
  EXPECT_EQ(read(2, kReplay), NtStatus::kSuccess);
  const auto session = engine.server().logons.session_table.find(client.session_id);
  const auto counts = session->find_open(file)->channel_sequence.counts();
  EXPECT_EQ(counts.sequence, 2);
  EXPECT_EQ(counts.outstanding, 0u);
  EXPECT_EQ(counts.outstanding_pre, 0u);
}

}  // namespace
}  // namespace braid::smb2

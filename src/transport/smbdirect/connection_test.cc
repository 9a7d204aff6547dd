#include "transport/smbdirect/connection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace braid::transport::smbdirect {
namespace {

using namespace std::chrono_literals;
using wire::smbdirect::DataTransfer;
using wire::smbdirect::DataTransferFlags;
using wire::smbdirect::NegotiateRequest;
using wire::smbdirect::NegotiateResponse;

template <class T>
Bytes encoded(const T& message) {
  Bytes out;
  wire::Writer writer(out);
  message.encode(writer);
  return out;
}

template <class T>
T decoded(ByteView packet) {
  wire::Reader reader(packet);
  const auto message = T::decode(reader);
  EXPECT_TRUE(message);
  return message ? *message : T{};
}

const NegotiateRequest kRequest{.credits_requested = 10,
                                .preferred_send_size = 1024,
                                .max_receive_size = 1024,
                                .max_fragmented_size = 128 << 10};
const NegotiateResponse kResponse{.negotiated_version = 0x0100,
                                  .credits_requested = 10,
                                  .credits_granted = 10,
                                  .max_read_write_size = 1 << 20,
                                  .preferred_send_size = 1024,
                                  .max_receive_size = 1024,
                                  .max_fragmented_size = 128 << 10};

// A connection, and a card that takes every receive and sends at once. The test is the peer.
struct SmbDirectConnection : ::testing::Test {
  void begin(Role role, Settings settings = {}) {
    connection.emplace(role, settings, now);
    pump();
  }
  void passive(Settings settings = {}) {
    begin(Role::kPassive, settings);
    receive(encoded(kRequest));
    ASSERT_EQ(connection->role(), Role::kEstablished);
    packets.clear();
  }
  void active(Settings settings = {}) {
    begin(Role::kActive, settings);
    ASSERT_EQ(packets.size(), 1u);
    packets.clear();
    receive(encoded(kResponse));
  }

  void pump() {
    for (;;) {
      connection->posted(std::min(connection->receives_wanted(), card_has_room));
      Bytes packet(connection->send_buffer_size());
      const auto made = connection->next_packet(packet, now);
      if (!made) return;
      packet.resize(made->size);
      packets.push_back(packet);
      tokens.push_back(made->invalidate);
    }
  }
  void receive(ByteView packet, std::optional<uint32_t> invalidated = {}) {
    const auto fragment = connection->received(packet, now);
    if (fragment) {
      auto message = connection->assemble(*fragment, invalidated);
      if (message && *message) messages.push_back(std::move(**message));
    }
    pump();
  }
  void receive(const DataTransfer& transfer) { receive(encoded(transfer)); }
  void send(size_t size, std::optional<uint32_t> invalidate = {}) {
    OutFrame frame;
    frame.head.assign(size, 0x11);
    EXPECT_TRUE(connection->send(std::move(frame), invalidate));
    pump();
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    connection->expire(now);
    pump();
  }
  DataTransfer sent(size_t index) { return decoded<DataTransfer>(packets.at(index)); }

  Connection::Instant now{};
  std::optional<Connection> connection;
  uint32_t card_has_room = 1000;
  std::vector<Bytes> packets;
  std::vector<std::optional<uint32_t>> tokens;
  std::vector<Connection::Message> messages;
};

// [MS-SMBD] 3.1.5.6 "Receiving a Negotiate Request Message".

TEST_F(SmbDirectConnection, PassiveAnswersWithWhatBothCan) {
  begin(Role::kPassive, {.receive_credit_max = 4, .send_credit_target = 20});
  EXPECT_EQ(connection->receives_posted(), 1u);
  EXPECT_GE(connection->receive_size(), kNegotiateReceiveSize);
  receive(encoded(kRequest));
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0], encoded(NegotiateResponse{.negotiated_version = 0x0100,
                                                  .credits_requested = 20,
                                                  .credits_granted = 4,
                                                  .max_read_write_size = 8 << 20,
                                                  .preferred_send_size = 1024,
                                                  .max_receive_size = 1024,
                                                  .max_fragmented_size = 1 << 20}));
  EXPECT_EQ(connection->receives_posted(), 4u);
  EXPECT_EQ(connection->receive_size(), 1024u);
  EXPECT_EQ(connection->max_message_size(), 128u << 10);
}

TEST_F(SmbDirectConnection, PacketsAreNeverSmallerThanTheLeast) {
  begin(Role::kPassive);
  NegotiateRequest request = kRequest;
  request.preferred_send_size = 1;
  receive(encoded(request));
  EXPECT_EQ(connection->max_receive_size(), kPacketSizeMin);
}

TEST_F(SmbDirectConnection, AnotherVersionIsRefusedWithAnAnswer) {
  for (const auto& [min, max] : {std::pair{0x0101, 0x0200}, {0x0000, 0x00FF}, {0x0200, 0x0000}}) {
    packets.clear();
    begin(Role::kPassive);
    NegotiateRequest request = kRequest;
    request.min_version = static_cast<uint16_t>(min);
    request.max_version = static_cast<uint16_t>(max);
    receive(encoded(request));
    ASSERT_EQ(packets.size(), 1u);
    EXPECT_EQ(packets[0], encoded(NegotiateResponse{.status = NtStatus::kNotSupported}));
    EXPECT_EQ(connection->ended(), Error(NtStatus::kNotSupported));
  }
  begin(Role::kPassive);
  NegotiateRequest request = kRequest;
  request.min_version = 0x0001;
  request.max_version = 0x0300;
  receive(encoded(request));
  EXPECT_EQ(connection->role(), Role::kEstablished);
}

TEST_F(SmbDirectConnection, WithoutAReceiveForThePeerItIsRefused) {
  begin(Role::kPassive);
  card_has_room = 0;
  receive(encoded(kRequest));
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0], encoded(NegotiateResponse{.status = NtStatus::kInsufficientResources}));
  EXPECT_EQ(connection->ended(), Error(NtStatus::kInsufficientResources));
}

TEST_F(SmbDirectConnection, ARequestNobodyCanWorkWithEndsIt) {
  const auto end_by = [&](const Bytes& packet) {
    begin(Role::kPassive);
    receive(packet);
    EXPECT_TRUE(packets.empty());
    return connection->ended();
  };
  const auto with = [](auto member, auto value) {
    NegotiateRequest request = kRequest;
    request.*member = value;
    return encoded(request);
  };
  EXPECT_EQ(end_by(Bytes(19)), Error::truncated());
  EXPECT_EQ(end_by({}), Error::truncated());
  EXPECT_EQ(end_by(with(&NegotiateRequest::credits_requested, 0)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateRequest::max_receive_size, 127)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateRequest::max_fragmented_size, 131071)), Error::malformed());
}

// [MS-SMBD] 3.1.5.7 "Receiving a Negotiate Response Message".

TEST_F(SmbDirectConnection, ActiveTakesWhatBothCan) {
  begin(Role::kActive, {.send_credit_target = 20});
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0], encoded(NegotiateRequest{.credits_requested = 20,
                                                 .preferred_send_size = 1364,
                                                 .max_receive_size = 8192,
                                                 .max_fragmented_size = 1 << 20}));
  EXPECT_EQ(connection->max_read_write_size(), 0u);
  receive(encoded(kResponse));
  EXPECT_EQ(connection->role(), Role::kEstablished);
  EXPECT_EQ(connection->max_send_size(), 1024u);
  EXPECT_EQ(connection->max_receive_size(), 1024u);
  EXPECT_EQ(connection->max_read_write_size(), 1u << 20);
  EXPECT_EQ(connection->receives_posted(), 10u);
}

TEST_F(SmbDirectConnection, AResponseNobodyCanWorkWithEndsIt) {
  const auto end_by = [&](const Bytes& packet) {
    begin(Role::kActive);
    receive(packet);
    return connection->ended();
  };
  const auto with = [](auto member, auto value) {
    NegotiateResponse response = kResponse;
    response.*member = value;
    return encoded(response);
  };
  EXPECT_EQ(end_by(encoded(kResponse)), std::nullopt);
  EXPECT_EQ(end_by(Bytes(31)), Error::truncated());
  EXPECT_EQ(end_by(with(&NegotiateResponse::negotiated_version, 0x0200)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateResponse::max_receive_size, 127)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateResponse::max_fragmented_size, 131071)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateResponse::credits_granted, 0)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateResponse::credits_requested, 0)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateResponse::preferred_send_size, 8193)), Error::malformed());
  EXPECT_EQ(end_by(with(&NegotiateResponse::status, NtStatus::kNotSupported)),
            Error(NtStatus::kNotSupported));
}

TEST_F(SmbDirectConnection, NegotiationTakesSoLongAndNoLonger) {
  begin(Role::kPassive);
  pass(4999ms);
  EXPECT_FALSE(connection->ended());
  pass(1ms);
  EXPECT_EQ(connection->ended(), Error(NtStatus::kIoTimeout));
  begin(Role::kActive);
  pass(119'999ms);
  EXPECT_FALSE(connection->ended());
  pass(1ms);
  EXPECT_EQ(connection->ended(), Error(NtStatus::kIoTimeout));
}

// [MS-SMBD] 3.1.5.8 "Receiving a Data Transfer Message".

TEST_F(SmbDirectConnection, ADataTransferThatBreaksARuleEndsIt) {
  const auto end_by = [&](const Bytes& packet) {
    passive();
    receive(packet);
    return connection->ended();
  };
  const Bytes data(10);
  EXPECT_EQ(end_by(Bytes(19)), Error::truncated());
  EXPECT_EQ(end_by(encoded(DataTransfer{.credits_requested = 0, .data = data})),
            Error::malformed());
  const uint32_t most = 1 << 20;
  EXPECT_EQ(end_by(encoded(DataTransfer{
                .credits_requested = 1, .remaining_data_length = most - 9, .data = data})),
            Error::malformed());
  EXPECT_EQ(end_by(encoded(DataTransfer{
                .credits_requested = 1, .remaining_data_length = 0xFFFFFFFF, .data = data})),
            Error::malformed());
  EXPECT_EQ(end_by(encoded(DataTransfer{
                .credits_requested = 1, .remaining_data_length = most - 10, .data = data})),
            std::nullopt);
  Bytes unaligned = encoded(DataTransfer{.credits_requested = 1, .data = data});
  unaligned[12] = 25;
  unaligned.push_back(0);
  EXPECT_EQ(end_by(unaligned), Error::malformed());
  Bytes beyond = encoded(DataTransfer{.credits_requested = 1, .data = data});
  beyond[16] = 11;
  EXPECT_EQ(end_by(beyond), Error::truncated());
}

TEST_F(SmbDirectConnection, FragmentsBecomeOneMessageWithItsToken) {
  passive();
  const Bytes first = {1, 2, 3};
  const Bytes second = {4, 5};
  receive(encoded(DataTransfer{.credits_requested = 1, .remaining_data_length = 2, .data = first}),
          77);
  EXPECT_TRUE(messages.empty());
  // Credits that come between belong to no message.
  receive({.credits_requested = 1, .credits_granted = 1});
  EXPECT_TRUE(messages.empty());
  receive({.credits_requested = 1, .data = second});
  receive({.credits_requested = 1, .data = second});
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_TRUE(std::ranges::equal(messages[0].data.view(), Bytes{1, 2, 3, 4, 5}));
  EXPECT_EQ(messages[0].invalidated, 77u);
  EXPECT_EQ(messages[1].invalidated, std::nullopt);
}

TEST_F(SmbDirectConnection, FragmentsThatDoNotFitTogetherEndIt) {
  const auto end_by = [&](uint32_t remaining, size_t size) {
    passive();
    const Bytes data(size);
    receive({.credits_requested = 1, .remaining_data_length = 20, .data = Bytes(4)});
    receive({.credits_requested = 1, .remaining_data_length = remaining, .data = data});
    EXPECT_TRUE(messages.empty());
    return connection->ended();
  };
  EXPECT_EQ(end_by(10, 10), std::nullopt);
  EXPECT_EQ(end_by(0, 10), Error::malformed());
  EXPECT_EQ(end_by(0, 21), Error::malformed());
  EXPECT_EQ(end_by(11, 10), Error::malformed());
  EXPECT_EQ(end_by(20, 21), Error::malformed());
}

TEST_F(SmbDirectConnection, NoMessageIsLongerThanTheReceiveLimit) {
  passive();
  connection->set_receive_limit(100);
  receive({.credits_requested = 1, .data = Bytes(100)});
  ASSERT_EQ(messages.size(), 1u);
  receive({.credits_requested = 1, .remaining_data_length = 91, .data = Bytes(10)});
  EXPECT_EQ(connection->ended(), Error::malformed());
}

TEST_F(SmbDirectConnection, APacketWithoutACreditEndsIt) {
  passive({.receive_credit_max = 2});
  card_has_room = 0;
  for (int i = 0; i < 2; ++i) receive({.credits_requested = 1, .data = Bytes(1)});
  EXPECT_FALSE(connection->ended());
  receive({.credits_requested = 1, .data = Bytes(1)});
  EXPECT_EQ(connection->ended(), Error::malformed());
  EXPECT_EQ(messages.size(), 2u);
}

// [MS-SMBD] 3.1.5.1 "Sending Upper Layer Messages" and 3.1.5.9.

TEST_F(SmbDirectConnection, AMessageBecomesFragments) {
  passive();
  receive({.credits_requested = 1, .credits_granted = 10});
  packets.clear();
  tokens.clear();
  send(2500, 99);
  ASSERT_EQ(packets.size(), 3u);
  const uint32_t sizes[] = {1000, 1000, 500};
  const uint32_t remaining[] = {1500, 500, 0};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sent(i).data.size(), sizes[i]);
    EXPECT_EQ(sent(i).remaining_data_length, remaining[i]);
    EXPECT_EQ(sent(i).credits_requested, 255);
    EXPECT_EQ(tokens[i].has_value(), i == 2);
  }
  EXPECT_EQ(tokens[2], 99u);
}

TEST_F(SmbDirectConnection, TheLastCreditGoesWithOneForThePeer) {
  passive({.receive_credit_max = 2});
  card_has_room = 0;
  // Three credits, and both receives are with the peer: nothing to grant.
  receive({.credits_requested = 10, .credits_granted = 3});
  packets.clear();
  send(3000);
  EXPECT_EQ(packets.size(), 2u);
  EXPECT_EQ(connection->send_credits(), 1u);
  EXPECT_EQ(connection->receives_wanted(), 1u);
  card_has_room = 1;
  pump();
  ASSERT_EQ(packets.size(), 3u);
  EXPECT_EQ(sent(2).credits_granted, 1);
  EXPECT_EQ(connection->send_credits(), 0u);
}

TEST_F(SmbDirectConnection, CreditsAreReplacedWhenHalfAreGone) {
  passive({.receive_credit_max = 10});
  receive({.credits_requested = 10, .credits_granted = 10});
  for (int i = 0; i < 4; ++i) receive({.credits_requested = 10});
  EXPECT_TRUE(packets.empty());
  receive({.credits_requested = 10});
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(sent(0).credits_granted, 6);
  EXPECT_TRUE(sent(0).data.empty());
}

TEST_F(SmbDirectConnection, GrantsAddUpToNoMoreThanThereCanBe) {
  passive();
  for (int i = 0; i < 20; ++i) receive({.credits_requested = 1, .credits_granted = 0xFFFF});
  EXPECT_LE(connection->send_credits(), kSendCreditsMax);
  EXPECT_FALSE(connection->ended());
}

TEST_F(SmbDirectConnection, WhoeverIsHeldBackGetsNoCredits) {
  passive({.receive_credit_max = 4});
  connection->hold_back(true);
  receive({.credits_requested = 4, .credits_granted = 4, .data = Bytes(1)});
  for (int i = 0; i < 3; ++i) receive({.credits_requested = 4, .data = Bytes(1)});
  EXPECT_TRUE(packets.empty());
  EXPECT_EQ(connection->receives_posted(), 0u);
  // But for what this side cannot do without.
  send(10);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(sent(0).credits_granted, 1);
  connection->hold_back(false);
  pump();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(sent(1).credits_granted, 3);
}

TEST_F(SmbDirectConnection, WhatThePeerDoesNotTakeIsNotQueued) {
  active();
  OutFrame longest;
  longest.head.resize(kFragmentedSizeMin);
  EXPECT_TRUE(connection->send(std::move(longest)));
  OutFrame longer;
  longer.head.resize(kFragmentedSizeMin + 1);
  EXPECT_EQ(connection->send(std::move(longer)).error(), Error(NtStatus::kInvalidBufferSize));
  EXPECT_EQ(connection->send({}).error(), Error(NtStatus::kInvalidParameter));
  EXPECT_FALSE(connection->ended());
  EXPECT_EQ(connection->queued(), kFragmentedSizeMin);
}

TEST_F(SmbDirectConnection, WhatWasSentEarlyAndIsNotTakenEndsIt) {
  begin(Role::kActive);
  send(kFragmentedSizeMin + 1);
  EXPECT_FALSE(connection->ended());
  receive(encoded(kResponse));
  EXPECT_EQ(connection->ended(), Error(NtStatus::kInvalidBufferSize));
}

TEST_F(SmbDirectConnection, WhatIsSentEarlyGoesWithTheFirstCredits) {
  begin(Role::kActive);
  packets.clear();
  send(100);
  EXPECT_TRUE(packets.empty());
  receive(encoded(kResponse));
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(sent(0).credits_granted, 10);
  EXPECT_EQ(sent(0).data.size(), 100u);
}

TEST_F(SmbDirectConnection, APeerThatGrantsNothingIsDropped) {
  passive();
  receive({.credits_requested = 10, .credits_granted = 2});
  send(5000);
  const auto until = now + kTakesNothingMax;
  while (now + 10s < until) {
    pass(10s);
    receive({.credits_requested = 10});
    ASSERT_FALSE(connection->ended());
  }
  pass(10s);
  EXPECT_EQ(connection->ended(), Error(NtStatus::kIoTimeout));
}

// [MS-SMBD] 3.1.6.2 "Idle Connection Timer".

TEST_F(SmbDirectConnection, ASilentPeerIsAskedAndThenDropped) {
  passive();
  receive({.credits_requested = 1, .credits_granted = 2});
  packets.clear();
  pass(119'999ms);
  EXPECT_TRUE(packets.empty());
  pass(1ms);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(sent(0).flags, DataTransferFlags::kResponseRequested);
  pass(4999ms);
  EXPECT_FALSE(connection->ended());
  pass(1ms);
  EXPECT_EQ(connection->ended(), Error(NtStatus::kIoTimeout));
}

TEST_F(SmbDirectConnection, APeerThatAnswersStays) {
  passive();
  receive({.credits_requested = 10, .credits_granted = 2});
  pass(120s);
  packets.clear();
  receive({.credits_requested = 10, .credits_granted = 1});
  pass(119s);
  EXPECT_FALSE(connection->ended());
  EXPECT_TRUE(packets.empty());
  pass(1s);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(sent(0).flags, DataTransferFlags::kResponseRequested);
}

TEST_F(SmbDirectConnection, APeerThatCannotBeAskedIsDropped) {
  passive();
  pass(120s);
  EXPECT_TRUE(packets.empty()) << "it has granted nothing";
  pass(5s);
  EXPECT_EQ(connection->ended(), Error(NtStatus::kIoTimeout));
}

TEST_F(SmbDirectConnection, WhoAsksIsAnsweredOnceAndNotAsked) {
  passive();
  receive({.credits_requested = 10,
           .credits_granted = 5,
           .flags = DataTransferFlags::kResponseRequested});
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(sent(0).flags, 0);
  EXPECT_TRUE(sent(0).data.empty());
}

TEST_F(SmbDirectConnection, AfterItsEndNothingHappens) {
  passive();
  receive(Bytes(3));
  EXPECT_EQ(connection->ended(), Error::truncated());
  EXPECT_EQ(connection->receives_wanted(), 0u);
  EXPECT_EQ(connection->deadline(), std::nullopt);
  OutFrame frame;
  frame.head.resize(1);
  EXPECT_EQ(connection->send(std::move(frame)).error(), Error::truncated());
  EXPECT_EQ(connection->received(Bytes(20), now).error(), Error::truncated());
  EXPECT_TRUE(packets.empty());
}

}  // namespace
}  // namespace braid::transport::smbdirect

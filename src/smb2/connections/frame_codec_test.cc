#include "smb2/connections/frame_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/memory_budget.h"
#include "smb2/common/limits.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::Header;
using wire::TransformHeader;

constexpr SessionId kOne{11};
constexpr SessionId kOther{22};

// A header with a body of so many bytes behind it.
Bytes message_of(Header header, size_t body = 4) {
  Bytes message;
  wire::Writer writer(message);
  header.encode(writer);
  message.resize(Header::kSize + body, 0xAB);
  return message;
}
Header echo(SessionId session = kOne, uint32_t flags = 0) {
  Header header;
  header.command = Command::kEcho;
  header.flags = flags;
  header.session_id = session;
  return header;
}
// Of messages that end on a boundary of 8.
Bytes compound(std::vector<Bytes> messages) {
  Bytes frame;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (i + 1 < messages.size()) {
      Header::patch_next_command(messages[i], static_cast<uint32_t>(messages[i].size()));
    }
    frame.insert(frame.end(), messages[i].begin(), messages[i].end());
  }
  return frame;
}
Bytes flat(const transport::OutFrame& frame) {
  const Buffer whole = flatten(frame);
  return Bytes(whole.view().begin(), whole.view().end());
}
Header header_of(ByteView message) {
  wire::Reader reader(message);
  return Header::decode(reader).value();
}

struct FrameCodecTest : testing::Test {
  FrameCodecTest() {
    add(kOne, 1);
    add(kOther, 2);
  }
  // With one key for both directions, so that what is sent can be received.
  void add(SessionId id, uint8_t secret) {
    auto session = std::make_shared<Session>(id, ClientGuid{});
    const crypto::Secret key(Bytes(16, secret));
    SessionSecurity security;
    security.encryption_key = std::make_unique<crypto::CipherKey>(crypto::Cipher::kAes128Gcm, key);
    security.decryption_key = std::make_unique<crypto::CipherKey>(crypto::Cipher::kAes128Gcm, key);
    session->become_valid(std::move(security), {}, {});
    auto channel = std::make_shared<Channel>();
    channel->session = session;
    channel->signing_key =
        std::make_shared<crypto::SigningKey>(crypto::SigningAlgorithm::kAesGmac, key);
    ASSERT_TRUE(channels.add(std::move(channel)));
  }
  const Session& session(SessionId id) { return *channels.find(id)->session; }
  std::shared_ptr<const crypto::SigningKey> signing_key(SessionId id) {
    return channels.find(id)->signing_key;
  }
  std::optional<ReceivedFrame> receive(ByteView frame) {
    return codec.receive(Buffer::copy_of(frame));
  }
  std::optional<RequestFrame> decode(ByteView frame) {
    auto received = receive(frame);
    if (!received || !received->unseal()) return std::nullopt;
    return std::move(*received).cut();
  }
  Bytes sealed(Bytes message, SessionId by = kOne) {
    std::vector<OutMessage> messages;
    messages.push_back({.message = std::move(message)});
    return flat(FrameCodec::encode(std::move(messages), &session(by)));
  }

  ChannelTable channels;
  FrameCodec codec{channels};
};

TEST_F(FrameCodecTest, OneMessageIsTheWholeFrame) {
  const Bytes frame = message_of(echo(), 5);
  const auto requests = decode(frame);
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->elements.size(), 1u);
  EXPECT_EQ(requests->elements[0].header, echo());
  EXPECT_EQ(requests->elements[0].message.size(), frame.size());
  EXPECT_EQ(requests->elements[0].message.data(), std::as_const(requests->bytes).data());
  EXPECT_EQ(requests->decrypted_for, nullptr);
}

TEST_F(FrameCodecTest, WhatIsNoMessageOfTheseIsRefused) {
  EXPECT_FALSE(receive(Bytes{}));
  EXPECT_FALSE(receive(Bytes{0xFE, 'S', 'M'}));
  for (const uint8_t first : {0xFF, 0xFC, 0xFB}) {  // SMB1, compressed, none
    Bytes frame = message_of(echo());
    frame[0] = first;
    EXPECT_FALSE(receive(frame)) << int{first};
  }
  EXPECT_FALSE(decode(Bytes{0xFE, 'S', 'M', 'B', 64, 0}));
  EXPECT_FALSE(decode(message_of(echo(kOne, wire::HeaderFlags::kServerToRedir))));
}

TEST_F(FrameCodecTest, CompoundIsCutWhereItsHeadersSay) {
  const auto requests =
      decode(compound({message_of(echo(), 8), message_of(echo(), 16), message_of(echo(), 3)}));
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->elements.size(), 3u);
  EXPECT_EQ(requests->elements[0].message.size(), Header::kSize + 8);
  EXPECT_EQ(requests->elements[1].message.size(), Header::kSize + 16);
  EXPECT_EQ(requests->elements[2].message.size(), Header::kSize + 3);
}

TEST_F(FrameCodecTest, NextCommandThatLeadsNowhereIsRefused) {
  const auto with = [](uint32_t next_command) {
    Bytes frame = compound({message_of(echo(), 8), message_of(echo(), 8)});
    Header::patch_next_command(frame, next_command);
    return frame;
  };
  ASSERT_TRUE(decode(with(Header::kSize + 8)));
  for (const uint32_t next : {1u, 8u, 56u, 71u, 73u, 80u, 0x7FFFFFF8u, 0xFFFFFFF8u, 0xFFFFFFFFu}) {
    EXPECT_FALSE(decode(with(next))) << next;
  }
  // At its last byte, and behind it.
  Bytes alone = message_of(echo(), 8);
  Header::patch_next_command(alone, Header::kSize);
  EXPECT_FALSE(decode(alone));
  Header::patch_next_command(alone, Header::kSize + 8);
  EXPECT_FALSE(decode(alone));
}

TEST_F(FrameCodecTest, CompoundHasALimit) {
  EXPECT_TRUE(decode(compound(std::vector<Bytes>(kCompoundMax, message_of(echo(), 8)))));
  EXPECT_FALSE(decode(compound(std::vector<Bytes>(kCompoundMax + 1, message_of(echo(), 8)))));
}

TEST_F(FrameCodecTest, EncryptedFrameIsOpenedForItsSession) {
  const Bytes message = message_of(echo());
  auto received = receive(sealed(message));
  ASSERT_TRUE(received);
  EXPECT_EQ(received->sealed_for().get(), &session(kOne));
  ASSERT_TRUE(received->unseal());
  const auto requests = std::move(*received).cut();
  ASSERT_TRUE(requests);
  EXPECT_EQ(requests->decrypted_for.get(), &session(kOne));
  ASSERT_EQ(requests->elements.size(), 1u);
  EXPECT_TRUE(std::ranges::equal(requests->elements[0].message, message));
}

TEST_F(FrameCodecTest, EncryptedFrameThatDoesNotFitIsRefused) {
  const Bytes good = sealed(message_of(echo()));
  const auto with = [&](size_t at) {
    Bytes frame = good;
    frame[at] ^= 1;
    return frame;
  };
  EXPECT_FALSE(receive(with(36))) << "OriginalMessageSize";
  EXPECT_FALSE(receive(with(42))) << "Flags";
  EXPECT_FALSE(receive(with(44))) << "SessionId";
  EXPECT_FALSE(receive(ByteView(good).first(TransformHeader::kSize - 1)));
  for (const size_t at : {TransformHeader::kSignatureOffset, size_t{20}, good.size() - 1}) {
    auto received = receive(with(at));
    ASSERT_TRUE(received) << at;
    EXPECT_FALSE(received->unseal()) << at;
  }
  // As if another session had sent it.
  Bytes swapped = good;
  swapped[44] = static_cast<uint8_t>(kOther.value);
  auto received = receive(swapped);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->sealed_for().get(), &session(kOther));
  EXPECT_FALSE(received->unseal());
}

TEST_F(FrameCodecTest, SessionWithoutACipherCannotHaveEncrypted) {
  const Bytes frame = sealed(message_of(echo()));
  channels.remove(*channels.find(kOne));
  EXPECT_FALSE(receive(frame));
  auto channel = std::make_shared<Channel>();
  channel->session = std::make_shared<Session>(kOne, ClientGuid{});
  ASSERT_TRUE(channels.add(channel));
  EXPECT_FALSE(receive(frame)) << "not valid yet";
  channel->session->become_valid({}, {}, {});
  EXPECT_FALSE(receive(frame));
}

// [MS-SMB2] 3.3.5.2.1.1.
TEST_F(FrameCodecTest, EncryptedMessagesAreOfTheSessionThatEncrypted) {
  constexpr uint32_t kRelated = wire::HeaderFlags::kRelatedOperations;
  const Bytes first = message_of(echo(), 8);
  EXPECT_FALSE(decode(sealed(message_of(echo(kOther)))));
  EXPECT_FALSE(decode(sealed(message_of(echo(kOther, kRelated))))) << "related to nothing";
  EXPECT_FALSE(decode(sealed(compound({first, message_of(echo(kOther))}))));
  EXPECT_TRUE(decode(sealed(compound({first, message_of(echo(kOther, kRelated))}))));
  Header setup = echo(kOther, kRelated);
  setup.command = Command::kSessionSetup;
  EXPECT_FALSE(decode(sealed(compound({first, message_of(setup)}))));
  EXPECT_FALSE(decode(sealed(sealed(first)))) << "encrypted twice";
  // In the clear each is judged by the gates.
  EXPECT_TRUE(decode(compound({first, message_of(echo(kOther))})));
}

TEST_F(FrameCodecTest, SignaturesAreVerifiedWithTheKeyOfTheirSession) {
  constexpr uint32_t kSigned = wire::HeaderFlags::kSigned;
  constexpr uint32_t kRelated = wire::HeaderFlags::kRelatedOperations;
  std::vector<Bytes> messages = {
      message_of(echo(kOne, kSigned), 8),
      message_of(echo(kOther, kSigned), 8),
      message_of(echo(kOne, kSigned | kRelated), 8),  // of the one before, whatever it says
      message_of(echo(SessionId{33}, kSigned), 8),    // not here
      message_of(echo(), 8),
  };
  for (size_t i = 0; i + 1 < messages.size(); ++i) {
    Header::patch_next_command(messages[i], static_cast<uint32_t>(messages[i].size()));
  }
  for (const size_t i : {0, 1, 2}) {
    signing_key(i == 0 ? kOne : kOther)
        ->sign_in_place(messages[i], {}, Header::kSignatureOffset,
                        nonce_of(header_of(messages[i])));
  }
  messages[1].back() ^= 1;
  auto requests = decode(compound(messages));
  ASSERT_TRUE(requests);
  ASSERT_TRUE(requests->find_keys(channels));
  requests->verify();
  const auto& elements = requests->elements;
  EXPECT_EQ(elements[0].verified.key, signing_key(kOne));
  EXPECT_TRUE(elements[0].verified.is_valid);
  EXPECT_EQ(elements[1].verified.key, signing_key(kOther));
  EXPECT_FALSE(elements[1].verified.is_valid);
  EXPECT_EQ(elements[2].verified.key, signing_key(kOther));
  EXPECT_TRUE(elements[2].verified.is_valid);
  for (const size_t i : {3, 4}) {
    EXPECT_EQ(elements[i].verified.key, nullptr) << i;
    EXPECT_FALSE(elements[i].verified.is_valid) << i;
  }
}

TEST_F(FrameCodecTest, NothingIsToBeVerifiedOfWhatIsUnsignedOrEncrypted) {
  auto plain = decode(message_of(echo()));
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->find_keys(channels));
  auto encrypted = decode(sealed(message_of(echo(kOne, wire::HeaderFlags::kSigned))));
  ASSERT_TRUE(encrypted);
  EXPECT_FALSE(encrypted->find_keys(channels));
}

TEST_F(FrameCodecTest, OneAnswerGoesOutAsItIsWithItsDataUncopied) {
  const Bytes message = message_of(echo(), 3);
  Buffer data(5);
  std::memset(data.data(), 7, data.size());
  const uint8_t* const where = data.data();
  std::vector<OutMessage> messages;
  messages.push_back({.message = message, .payload = std::move(data)});
  const auto frame = FrameCodec::encode(std::move(messages), nullptr);
  EXPECT_EQ(frame.head, message);
  ASSERT_EQ(frame.parts.size(), 1u);
  EXPECT_EQ(transport::view_of(frame.parts[0]).data(), where);
  EXPECT_EQ(frame.size(), message.size() + 5) << "no padding";
}

TEST_F(FrameCodecTest, AnswersOfACompoundArePaddedLinkedAndSigned) {
  std::vector<OutMessage> messages;
  std::vector<Bytes> seen;
  const auto add = [&](size_t body, size_t payload) {
    OutMessage out{
        .message = message_of(echo(kOne, wire::HeaderFlags::kServerToRedir), body),
        .payload = Buffer(payload),
        .signing_key = signing_key(kOne),
        .on_bytes = [&](ByteView bytes) { seen.emplace_back(bytes.begin(), bytes.end()); }};
    if (payload > 0) std::memset(out.payload.data(), 7, payload);
    messages.push_back(std::move(out));
  };
  add(4, 0);
  add(4, 3);
  add(1, 0);
  const Bytes frame = flat(FrameCodec::encode(std::move(messages), nullptr));
  ASSERT_EQ(frame.size(), (64 + 8) + (64 + 8) + (64 + 8));
  EXPECT_EQ(seen.size(), 3u);
  for (size_t at = 0; at < frame.size(); at += 72) {
    const ByteView message = ByteView(frame).subspan(at, 72);
    const Header header = header_of(message);
    EXPECT_EQ(header.next_command, at + 72 < frame.size() ? 72u : 0u);
    EXPECT_TRUE(header.is_signed());
    EXPECT_TRUE(
        signing_key(kOne)->verify(message, Header::kSignatureOffset,
                                  {.message_id = header.message_id.value, .from_server = true}));
    const Bytes& told = seen.at(at / 72);
    EXPECT_TRUE(std::ranges::equal(told, message.first(told.size()))) << "signed and linked";
  }
}

TEST_F(FrameCodecTest, EncryptedAnswersAreNotSigned) {
  std::vector<OutMessage> messages;
  for (int i = 0; i < 2; ++i) {
    messages.push_back({.message = message_of(echo(), 8), .signing_key = signing_key(kOne)});
  }
  const Bytes frame = flat(FrameCodec::encode(std::move(messages), &session(kOne)));
  ASSERT_EQ(frame.size(), TransformHeader::kSize + 2 * 72);
  const auto requests = decode(frame);
  ASSERT_TRUE(requests);
  ASSERT_EQ(requests->elements.size(), 2u);
  for (const CompoundElement& each : requests->elements) EXPECT_FALSE(each.header.is_signed());
}

TEST_F(FrameCodecTest, FrameCarriesTheChargesOfItsMessages) {
  const auto budget = MemoryBudget::make(uint64_t{64} << 20);
  const auto account = budget->open_account("peer");
  ASSERT_TRUE(account);
  std::vector<OutMessage> messages;
  for (int i = 0; i < 2; ++i) {
    messages.push_back({.message = message_of(echo()), .memory = account->take(1000)});
  }
  EXPECT_EQ(FrameCodec::encode(std::move(messages), nullptr).charge.size(), 2000u);
}

}  // namespace
}  // namespace braid::smb2

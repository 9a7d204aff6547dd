// Compressed messages from a client that says what a real one would not.
#include <gtest/gtest.h>

#include "codec/codec.h"
#include "smb2/raw_client_testing.h"
#include "wire/smb2/compression_transform_header.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using wire::Command;
using wire::CompressionAlgorithm;
using wire::CompressionCapabilities;

using List = std::vector<CompressionAlgorithm>;

const List kEverything = {CompressionAlgorithm::kLz4, CompressionAlgorithm::kLz77,
                          CompressionAlgorithm::kLz77Huffman, CompressionAlgorithm::kLznt1,
                          CompressionAlgorithm::kPatternV1};

struct CompressionTest : testing::Test {
  explicit CompressionTest(config::Server settings = Engine::lenient())
      : engine(std::move(settings)) {}

  // What the server answers to an offer, of which `spoil` may change the bytes.
  std::optional<Answer> negotiate(RawClient& client, const CompressionCapabilities& offer,
                                  const std::function<void(Bytes&)>& spoil = {}) {
    wire::NegotiateRequest body;
    body.client_guid = ClientGuid{{7}};
    body.dialects = {wire::Dialect::kSmb311};
    body.security_mode = 1;
    body.contexts.emplace();
    body.contexts->preauth_integrity_capabilities = {{wire::HashAlgorithm::kSha512},
                                                     as_bytes("salt")};
    body.contexts->compression_capabilities = offer;
    Bytes message = client.request(Command::kNegotiate, body);
    if (spoil) spoil(message);
    return client.exchange(std::move(message));
  }
  static std::optional<CompressionCapabilities> chosen(const Answer& answer) {
    const auto response = answer.as<wire::NegotiateResponse>();
    return response.contexts ? response.contexts->compression_capabilities : std::nullopt;
  }
  // A session without keys of its own: "anonymous" needs no signature.
  void log_on(RawClient& client, uint32_t flags = CompressionCapabilities::kFlagChained) {
    client.compression = CompressionCapabilities{flags, kEverything};
    ASSERT_TRUE(client.log_on(wire::Dialect::kSmb311));
  }

  static Bytes unchained(ByteView message, codec::Algorithm algorithm, uint32_t offset = 0) {
    const ByteView rest = message.subspan(offset);
    Bytes packed(rest.size() * 2 + 600);
    const auto size = codec::compress(algorithm, rest, packed);
    EXPECT_TRUE(size);
    Bytes out;
    wire::Writer writer(out);
    wire::CompressionTransformHeaderUnchained{
        .original_compressed_segment_size = static_cast<uint32_t>(rest.size()),
        .compression_algorithm = id_of(algorithm),
        .offset = offset}
        .encode(writer);
    writer.bytes(message.first(offset));
    writer.bytes(ByteView(packed).first(size.value_or(0)));
    return out;
  }
  // `message` as one payload that stays as it is, and so many bytes of one value behind it.
  static Bytes with_run(ByteView message, uint8_t byte, uint32_t count, uint32_t size) {
    Bytes pattern;
    wire::Writer within(pattern);
    wire::CompressionPatternPayloadV1{.pattern = byte, .repetitions = count}.encode(within);
    Bytes out;
    wire::Writer writer(out);
    wire::CompressionTransformHeaderChained header;
    header.original_compressed_segment_size = size;
    header.encode(writer);
    wire::CompressionChainedPayload{.flags = wire::CompressionFlags::kChained, .payload = message}
        .encode(writer);
    wire::CompressionChainedPayload{.compression_algorithm = CompressionAlgorithm::kPatternV1,
                                    .payload = pattern}
        .encode(writer);
    return out;
  }
  static Bytes echo(RawClient& client) {
    return client.signed_request(Command::kEcho, wire::EchoRequest{});
  }

  Engine engine;
};

struct WithoutCompression : CompressionTest {
  static config::Server without() {
    config::Server settings = Engine::lenient();
    settings.compression.clear();
    return settings;
  }
  WithoutCompression() : CompressionTest(without()) {}
};

// Where the context's data begins: behind the others, which are of known size.
void cut_list(Bytes& message, uint16_t count) {
  const size_t at = message.size() - 8 - 2 * kEverything.size();
  message[at] = static_cast<uint8_t>(count);
  message[at + 1] = static_cast<uint8_t>(count >> 8);
}

TEST_F(CompressionTest, WhatBothHaveIsAgreedOnInTheOrderReceived) {
  RawClient client(engine);
  const List offered = {CompressionAlgorithm::kPatternV1, static_cast<CompressionAlgorithm>(77),
                        CompressionAlgorithm::kLz77, CompressionAlgorithm::kLz77,
                        CompressionAlgorithm::kLznt1};
  const auto answer =
      negotiate(client, CompressionCapabilities{CompressionCapabilities::kFlagChained, offered});
  ASSERT_TRUE(answer && answer->status() == NtStatus::kSuccess);
  const auto agreed = chosen(*answer);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->flags, CompressionCapabilities::kFlagChained);
  EXPECT_EQ(agreed->compression_algorithms,
            List({CompressionAlgorithm::kPatternV1, CompressionAlgorithm::kLz77,
                  CompressionAlgorithm::kLznt1}));
}

TEST_F(CompressionTest, WithoutChainsItIsTheFirstThatCompressesAlone) {
  RawClient client(engine);
  const List offered = {CompressionAlgorithm::kPatternV1, static_cast<CompressionAlgorithm>(77),
                        CompressionAlgorithm::kLz77, CompressionAlgorithm::kLz77Huffman,
                        CompressionAlgorithm::kLznt1};
  const auto answer = negotiate(client, CompressionCapabilities{0, offered});
  ASSERT_TRUE(answer && answer->status() == NtStatus::kSuccess);
  const auto agreed = chosen(*answer);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->flags, 0u);
  EXPECT_EQ(agreed->compression_algorithms, List({CompressionAlgorithm::kLz77}));
}

TEST_F(CompressionTest, WithNothingInCommonItIsNone) {
  RawClient client(engine);
  const auto answer =
      negotiate(client, CompressionCapabilities{0, {static_cast<CompressionAlgorithm>(31)}});
  ASSERT_TRUE(answer && answer->status() == NtStatus::kSuccess);
  const auto agreed = chosen(*answer);
  ASSERT_TRUE(agreed);
  EXPECT_EQ(agreed->flags, 0u);
  EXPECT_EQ(agreed->compression_algorithms, List({CompressionAlgorithm::kNone}));
}

TEST_F(CompressionTest, ListsOfNoneOrOfMoreThanThereAreAreInvalid) {
  for (const uint16_t count : {0, 6, 0xFFFF}) {
    RawClient client(engine);
    const auto answer = negotiate(client, CompressionCapabilities{1, kEverything},
                                  [count](Bytes& message) { cut_list(message, count); });
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kInvalidParameter) << count;
  }
}

TEST_F(WithoutCompression, WhateverIsInTheContextMeansNothing) {
  for (const uint16_t count : {0, 5, 6, 0xFFFF}) {
    RawClient client(engine);
    const auto answer = negotiate(client, CompressionCapabilities{1, kEverything},
                                  [count](Bytes& message) { cut_list(message, count); });
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status(), NtStatus::kSuccess) << count;
    EXPECT_FALSE(chosen(*answer)) << count;
  }
}

TEST_F(WithoutCompression, CompressedMessagesEndTheConnection) {
  RawClient client(engine);
  log_on(client);
  client.send(unchained(echo(client), codec::Algorithm::kLz77));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(CompressionTest, RequestsMayComeCompressed) {
  for (const auto algorithm : codec::kAlgorithms) {
    for (const uint32_t offset : {0u, uint32_t{wire::Header::kSize}}) {
      RawClient client(engine);
      log_on(client);
      const uint64_t id = client.next_message_id;
      client.send(unchained(echo(client), algorithm, offset));
      const auto answer = client.answer_to(id);
      ASSERT_TRUE(answer) << static_cast<int>(algorithm) << " " << offset;
      EXPECT_EQ(answer->status(), NtStatus::kSuccess);
      EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
    }
  }
}

TEST_F(CompressionTest, CompressedAndThenEncrypted) {
  RawClient client(engine);
  log_on(client);
  const uint64_t id = client.next_message_id;
  const Bytes plain = client.request(Command::kEcho, wire::EchoRequest{});
  client.send(client.encrypted(unchained(plain, codec::Algorithm::kLz4)));
  (void)id;
  const auto frame = client.receive();
  ASSERT_TRUE(frame);
  const auto answer = client.decrypted(frame->message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
}

TEST_F(CompressionTest, EncryptedAndThenCompressedEndsTheConnection) {
  RawClient client(engine);
  log_on(client);
  client.send(unchained(client.encrypted(client.request(Command::kEcho, wire::EchoRequest{})),
                        codec::Algorithm::kLz4));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(CompressionTest, CompressedInsideCompressedEndsTheConnection) {
  for (const bool encrypted : {false, true}) {
    RawClient client(engine);
    log_on(client);
    Bytes message =
        unchained(unchained(echo(client), codec::Algorithm::kLz77), codec::Algorithm::kLz77);
    if (encrypted) message = client.encrypted(std::move(message));
    client.send(std::move(message));
    EXPECT_TRUE(client.is_dropped());
  }
}

TEST_F(CompressionTest, BeforeLogonItEndsTheConnection) {
  RawClient client(engine);
  client.compression = CompressionCapabilities{1, kEverything};
  ASSERT_EQ(client.negotiate(wire::Dialect::kSmb311), NtStatus::kSuccess);
  client.send(unchained(client.setup_request("user"), codec::Algorithm::kLz77));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(CompressionTest, AWrongSignatureInsideIsNoticed) {
  RawClient client(engine);
  log_on(client);
  Bytes message = echo(client);
  message[wire::Header::kSignatureOffset] ^= 1;
  const uint64_t id = client.next_message_id - 1;
  client.send(unchained(message, codec::Algorithm::kLz77));
  const auto answer = client.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kAccessDenied);
}

TEST_F(CompressionTest, ChainsAreForWhomAgreedOnThem) {
  RawClient client(engine);
  log_on(client, CompressionCapabilities::kFlagNone);
  const Bytes message = echo(client);
  client.send(with_run(message, 0, 0, static_cast<uint32_t>(message.size())));
  EXPECT_TRUE(client.is_dropped());
}

TEST_F(CompressionTest, AWriteMayHaveItsDataAsARun) {
  RawClient client(engine);
  log_on(client);
  const FileId file = client.create("zeros");
  constexpr uint32_t kSize = 1u << 20;
  wire::WriteRequest body;
  body.file_id = file;
  Bytes data(kSize, 0x5A);
  body.data = data;
  const auto charge = [](wire::Header& header) { header.credit_charge = 16; };
  Bytes whole = client.signed_request(Command::kWrite, body, charge);
  client.next_message_id += 15;
  const ByteView head = ByteView(whole).first(whole.size() - kSize);
  const uint64_t id = client.next_message_id - 16;
  const Bytes sent = with_run(head, 0x5A, kSize, static_cast<uint32_t>(whole.size()));
  EXPECT_LT(sent.size(), 200u);
  client.send(sent);
  const auto answer = client.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(answer->as<wire::WriteResponse>().count, kSize);

  // As the request came compressed, so may the answer.
  const auto connections = engine.server().connections();
  ASSERT_EQ(connections.size(), 1u);
  EXPECT_EQ(connections.front()->compression_counters.in.messages, 1u);
  EXPECT_EQ(connections.front()->compression_counters.in.plain_bytes, whole.size());
  EXPECT_EQ(connections.front()->compression_counters.in.wire_bytes, sent.size());
}

TEST_F(CompressionTest, BombsEndTheConnectionAndCostNothing) {
  const auto drops = [this](const std::function<Bytes(RawClient&)>& make) {
    RawClient client(engine);
    log_on(client);
    const uint64_t before = engine.server().memory->used();
    client.send(make(client));
    const bool is_dropped = client.is_dropped();
    EXPECT_LE(engine.server().memory->used(), before + (64u << 10));
    return is_dropped;
  };
  EXPECT_TRUE(drops([](RawClient& c) { return with_run(echo(c), 0, 0xFFFFFFFF, 0xFFFFFFFF); }));
  EXPECT_TRUE(drops([](RawClient& c) { return with_run(echo(c), 0, 0xFFFFFFFF, 1000); }));
  EXPECT_TRUE(drops([](RawClient& c) { return with_run(echo(c), 0, 9u << 20, 9u << 20); }));
  EXPECT_TRUE(drops([](RawClient& c) {
    Bytes message = unchained(echo(c), codec::Algorithm::kLz77);
    message[7] = 0xFF;  // OriginalCompressedSegmentSize
    return message;
  }));
  EXPECT_TRUE(drops([](RawClient& c) {
    Bytes message = unchained(echo(c), codec::Algorithm::kLz77);
    message[15] = 0x7F;  // Offset
    return message;
  }));
  EXPECT_TRUE(drops([](RawClient&) { return Bytes{0xFC, 'S', 'M', 'B'}; }));
  RawClient alive(engine);
  EXPECT_TRUE(alive.log_on());
}

}  // namespace
}  // namespace braid::smb2

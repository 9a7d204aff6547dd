// NEGOTIATE: dialects, contexts, and what ends a connection.
#include "e2e.h"

namespace braid::e2e {
namespace {

using wire::Capabilities;
using wire::Dialect;

constexpr Dialect kDialects[] = {Dialect::kSmb202, Dialect::kSmb210, Dialect::kSmb300,
                                 Dialect::kSmb302, Dialect::kSmb311};

BRAID_E2E(Connect, EveryDialectAloneIsChosen) {
  for (const Dialect dialect : kDialects) {
    client::ConnectionOptions options;
    options.dialects = {dialect};
    E2E_TRY(const auto connection, co_await env.connect(options));
    EXPECT_EQ(connection->dialect(), dialect);
    E2E_OK(co_await connection->echo());
    const bool large = dialect != Dialect::kSmb202;
    EXPECT_EQ(connection->supports_large_mtu(), large);
    EXPECT_GE(connection->max_read_size(), large ? 1u << 20 : 65'536u);
    EXPECT_EQ(connection->bad_messages(), 0u);
  }
}

BRAID_E2E(Connect, HighestCommonDialectIsChosen) {
  client::ConnectionOptions options;
  options.dialects = {Dialect::kSmb302, Dialect::kSmb202, Dialect::kSmb210};
  E2E_TRY(const auto connection, co_await env.connect(options));
  EXPECT_EQ(connection->dialect(), Dialect::kSmb302);
}

BRAID_E2E(Connect, UnknownDialectIsNotSupported) {
  client::ConnectionOptions options;
  options.dialects = {static_cast<Dialect>(0x0399)};
  E2E_TRY(const auto connection, co_await env.open(options));
  E2E_FAILS(NtStatus::kNotSupported, co_await connection->negotiate());
}

BRAID_E2E(Connect, EveryCipherAloneIsChosen) {
  for (const auto cipher : {wire::Cipher::kAes128Ccm, wire::Cipher::kAes128Gcm,
                            wire::Cipher::kAes256Ccm, wire::Cipher::kAes256Gcm}) {
    client::ConnectionOptions options;
    options.ciphers = {cipher};
    E2E_TRY(const auto connection, co_await env.connect(options));
    EXPECT_EQ(static_cast<uint16_t>(connection->cipher()), static_cast<uint16_t>(cipher));
  }
}

BRAID_E2E(Connect, UnknownCipherLeavesNone) {
  client::ConnectionOptions options;
  options.ciphers = {static_cast<wire::Cipher>(0x7777)};
  E2E_TRY(const auto connection, co_await env.connect(options));
  EXPECT_EQ(connection->cipher(), crypto::Cipher::kNone);
}

BRAID_E2E(Connect, EverySigningAlgorithmAloneIsChosen) {
  for (const auto algorithm : {wire::SigningAlgorithm::kAesGmac, wire::SigningAlgorithm::kAesCmac,
                               wire::SigningAlgorithm::kHmacSha256}) {
    client::ConnectionOptions options;
    options.signing_algorithms = {algorithm};
    E2E_TRY(const auto connection, co_await env.connect(options));
    EXPECT_EQ(static_cast<uint16_t>(connection->signing_algorithm()),
              static_cast<uint16_t>(algorithm));
  }
}

BRAID_E2E(Connect, CapabilitiesAreThoseOfTheDialect) {
  client::ConnectionOptions options;
  options.dialects = {Dialect::kSmb202};
  E2E_TRY(const auto oldest, co_await env.connect(options));
  EXPECT_EQ(oldest->capabilities() & ~Capabilities::kDfs, 0u);
  options.dialects = {Dialect::kSmb300};
  E2E_TRY(const auto middle, co_await env.connect(options));
  EXPECT_TRUE(middle->capabilities() & Capabilities::kEncryption);
  // [MS-SMB2] 3.3.5.4: in 3.1.1 the contexts say it.
  E2E_TRY(const auto newest, co_await env.connect());
  if (server().is_braid) EXPECT_FALSE(newest->capabilities() & Capabilities::kEncryption);
}

BRAID_E2E(Connect, SecondNegotiateEndsTheConnection) {
  E2E_TRY(const auto connection, co_await env.connect());
  EXPECT_FALSE(co_await connection->negotiate());
  EXPECT_NE((co_await connection->ended()).message(), "");
}

// [MS-SMB2] 3.3.5.3.1 "SMB 2.1 or SMB 3.x Support" of the SMB1 NEGOTIATE.
BRAID_E2E(Connect, MultiProtocolNegotiateIsAnswered) {
  const auto smb1 = [](std::initializer_list<std::string_view> dialects) {
    Bytes message = {0xFF, 'S', 'M', 'B', 0x72};
    message.resize(32);
    message[13] = 0x18;
    Bytes names;
    for (const auto dialect : dialects) {
      names.push_back(2);
      names.insert(names.end(), dialect.begin(), dialect.end());
      names.push_back(0);
    }
    message.push_back(0);
    message.push_back(static_cast<uint8_t>(names.size()));
    message.push_back(0);
    message.insert(message.end(), names.begin(), names.end());
    return message;
  };
  E2E_TRY(const auto connection, co_await env.open());
  const auto first = connection->expect(MessageId{0}, wire::Command::kNegotiate);
  connection->send_message(smb1({"NT LM 0.12", "SMB 2.002", "SMB 2.???"}));
  E2E_TRY(const auto wildcard, co_await first->reply<wire::NegotiateResponse>());
  EXPECT_EQ(wildcard->dialect_revision, Dialect::kWildcard);
  connection->set_next_message_id(MessageId{1});
  E2E_OK(co_await connection->negotiate());
  EXPECT_EQ(connection->dialect(), Dialect::kSmb311);

  E2E_TRY(const auto oldest, co_await env.open());
  const auto only = oldest->expect(MessageId{0}, wire::Command::kNegotiate);
  oldest->send_message(smb1({"NT LM 0.12", "SMB 2.002"}));
  E2E_TRY(const auto plain, co_await only->reply<wire::NegotiateResponse>());
  EXPECT_EQ(plain->dialect_revision, Dialect::kSmb202);
}

Task<void> expect_end_after(Env& env, std::string_view bytes) {
  E2E_TRY(const auto connection, co_await env.open());
  connection->send_raw(to_bytes(bytes));
  EXPECT_NE((co_await connection->ended()).message(), "");
}

BRAID_E2E(Connect, GarbageEndsTheConnection) {
  co_await expect_end_after(env, std::string_view("\0\0\0\4abcd", 8));
  co_await expect_end_after(env, std::string_view("\0\0\0\4\xFESMB", 8));
  // Samba takes the first letters for a length and waits for 4 MiB.
  if (server().is_braid) co_await expect_end_after(env, "GET / HTTP/1.1\r\n\r\n");
}

BRAID_E2E(Connect, RequestBeforeNegotiateEndsTheConnection) {
  E2E_TRY(const auto connection, co_await env.open());
  EXPECT_FALSE(co_await connection->echo());
  EXPECT_NE((co_await connection->ended()).message(), "");
}

}  // namespace
}  // namespace braid::e2e

// What NEGOTIATE chooses and answers: [MS-SMB2] 3.3.5.3 and 3.3.5.4.
#include "wire/smb2/negotiate.h"

#include <gtest/gtest.h>

#include <set>

#include "smb2/common/limits.h"
#include "smb2/raw_client_testing.h"
#include "wire/smb2/smb1_negotiate.h"

namespace braid::smb2 {
namespace {

using wire::Capabilities;
using wire::Cipher;
using wire::Command;
using wire::Dialect;
using wire::SigningAlgorithm;
using enum NtStatus;

struct Negotiates : testing::Test {
  struct Told {
    NtStatus status;
    Answer answer;
    wire::NegotiateResponse response() const { return answer.as<wire::NegotiateResponse>(); }
  };
  static wire::NegotiateRequest body_of(std::vector<Dialect> dialects, uint32_t capabilities = 0) {
    wire::NegotiateRequest body;
    body.security_mode = wire::SecurityMode::kSigningEnabled;
    body.capabilities = capabilities;
    body.client_guid = ClientGuid{{7}};
    body.dialects = std::move(dialects);
    if (body.offers(Dialect::kSmb311)) {
      body.contexts.emplace();
      body.contexts->preauth_integrity_capabilities = {{wire::HashAlgorithm::kSha512},
                                                       as_bytes("salt")};
    }
    return body;
  }
  static Told negotiate(Engine& with, const wire::NegotiateRequest& body) {
    RawClient client(with);
    const auto answer = client.exchange(client.request(Command::kNegotiate, body));
    if (!answer) return {kConnectionDisconnected, {}};
    return {answer->status(), *answer};
  }
  Told negotiate(const wire::NegotiateRequest& body) { return negotiate(engine, body); }
  // Of 3.1.1.
  Told with_contexts(const std::function<void(wire::NegotiateContexts&)>& change) {
    auto body = body_of({Dialect::kSmb311});
    change(*body.contexts);
    return negotiate(body);
  }

  static constexpr uint32_t kBoth = Capabilities::kLargeMtu | Capabilities::kLeasing;
  VirtualClock clock;
  Engine engine{Engine::lenient(), clock};
};

TEST_F(Negotiates, NewestDialectThatBothHaveIsChosen) {
  using enum Dialect;
  struct {
    std::vector<Dialect> offered;
    Dialect chosen;
  } const cases[] = {
      {{kSmb202}, kSmb202},
      {{kSmb202, kSmb210}, kSmb210},
      {{kSmb300, kSmb202, kSmb210}, kSmb300},
      {{kSmb302, kSmb300}, kSmb302},
      {{kSmb311, kSmb302}, kSmb311},
      {{static_cast<Dialect>(0x0399), kSmb210}, kSmb210},
  };
  for (const auto& each : cases) {
    const Told told = negotiate(body_of(each.offered));
    ASSERT_EQ(told.status, kSuccess);
    EXPECT_EQ(told.response().dialect_revision, each.chosen);
    EXPECT_EQ(told.response().contexts.has_value(), each.chosen == kSmb311);
  }
  EXPECT_EQ(negotiate(body_of({static_cast<Dialect>(0x0399)})).status, kNotSupported);
  EXPECT_EQ(negotiate(body_of({kWildcard})).status, kNotSupported);
  EXPECT_EQ(negotiate(body_of({})).status, kInvalidParameter);
}

TEST_F(Negotiates, DialectsAreThoseOfTheConfiguration) {
  auto settings = Engine::lenient();
  settings.min_dialect = config::Dialect::k2_1;
  settings.max_dialect = config::Dialect::k3_0;
  Engine narrow(settings);
  using enum Dialect;
  EXPECT_EQ(negotiate(narrow, body_of({kSmb202})).status, kNotSupported);
  EXPECT_EQ(negotiate(narrow, body_of({kSmb302, kSmb311})).status, kNotSupported);
  EXPECT_EQ(negotiate(narrow, body_of({kSmb202, kSmb210})).response().dialect_revision, kSmb210);
  EXPECT_EQ(negotiate(narrow, body_of({kSmb210, kSmb300, kSmb302})).response().dialect_revision,
            kSmb300);
}

TEST_F(Negotiates, AnswerSaysWhatTheServerIs) {
  for (const Dialect dialect : {Dialect::kSmb202, Dialect::kSmb210, Dialect::kSmb302}) {
    const Told told = negotiate(body_of({dialect}));
    const auto response = told.response();
    const uint32_t size =
        dialect == Dialect::kSmb202 ? kMaxTransferSizeSingleCredit : kMaxTransferSize;
    EXPECT_EQ(response.max_transact_size, size);
    EXPECT_EQ(response.max_read_size, size);
    EXPECT_EQ(response.max_write_size, size);
    EXPECT_EQ(response.security_mode, wire::SecurityMode::kSigningEnabled);
    EXPECT_EQ(response.server_guid, Guid{{1}});
    EXPECT_EQ(response.system_time, clock.now());
    EXPECT_EQ(as_text(response.security_buffer), "hint");
  }
  auto settings = Engine::lenient();
  settings.signing = config::Signing::kRequired;
  Engine strict(settings);
  EXPECT_EQ(negotiate(strict, body_of({Dialect::kSmb302})).response().security_mode,
            wire::SecurityMode::kSigningEnabled | wire::SecurityMode::kSigningRequired);
}

// Each by itself, in every dialect.
TEST_F(Negotiates, CapabilitiesAreThoseThatBothHave) {
  using enum Dialect;
  constexpr uint32_t kOf3 = Capabilities::kDirectoryLeasing | Capabilities::kMultiChannel;
  struct {
    Dialect dialect;
    uint32_t always;
    uint32_t if_asked;
  } constexpr kCases[] = {
      {kSmb202, 0, 0},
      {kSmb210, kBoth, 0},
      {kSmb300, kBoth, kOf3 | Capabilities::kEncryption},
      {kSmb302, kBoth, kOf3 | Capabilities::kEncryption},
      {kSmb311, kBoth, kOf3 | Capabilities::kNotifications},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(negotiate(body_of({each.dialect})).response().capabilities, each.always);
    for (int bit = 0; bit < 32; ++bit) {
      const uint32_t asked = uint32_t{1} << bit;
      EXPECT_EQ(negotiate(body_of({each.dialect}, asked)).response().capabilities,
                each.always | (asked & each.if_asked))
          << wire::name_of(each.dialect) << " " << bit;
    }
  }
}

TEST_F(Negotiates, LatestDialectTakesAHash) {
  auto body = body_of({Dialect::kSmb311});
  const auto chosen = negotiate(body).response().contexts.value();
  const auto& preauth = chosen.preauth_integrity_capabilities.value();
  EXPECT_EQ(preauth.hash_algorithms, std::vector{wire::HashAlgorithm::kSha512});
  EXPECT_EQ(preauth.salt.size(), 32u);
  EXPECT_FALSE(chosen.encryption_capabilities);
  EXPECT_FALSE(chosen.signing_capabilities);
  EXPECT_FALSE(chosen.compression_capabilities);
  std::set<Bytes> salts;
  for (int i = 0; i < 4; ++i) {
    const Told told = negotiate(body);
    const auto contexts = told.response().contexts.value();
    const ByteView salt = contexts.preauth_integrity_capabilities->salt;
    salts.insert(Bytes(salt.begin(), salt.end()));
  }
  EXPECT_EQ(salts.size(), 4u);
  body.contexts->preauth_integrity_capabilities->hash_algorithms = {
      static_cast<wire::HashAlgorithm>(2)};
  EXPECT_EQ(negotiate(body).status, kSmbNoPreauthIntegrityHashOverlap);
  body.contexts->preauth_integrity_capabilities->hash_algorithms = {
      static_cast<wire::HashAlgorithm>(2), wire::HashAlgorithm::kSha512};
  EXPECT_EQ(negotiate(body).status, kSuccess);
  body.contexts->preauth_integrity_capabilities.reset();
  body.contexts->encryption_capabilities = {Cipher::kAes128Ccm};
  EXPECT_EQ(negotiate(body).status, kInvalidParameter);
}

// The server's choice of what the client has: the fast and safe ones first.
TEST_F(Negotiates, CipherAndSignatureAreTheBestThatBothHave) {
  using enum Cipher;
  struct {
    std::vector<Cipher> offered;
    Cipher chosen;
  } const ciphers[] = {
      {{kAes256Ccm}, kAes256Ccm},
      {{kAes256Ccm, kAes128Ccm}, kAes128Ccm},
      {{kAes128Ccm, kAes256Ccm, kAes256Gcm}, kAes256Gcm},
      {{kAes256Gcm, kAes128Gcm, kAes128Ccm}, kAes128Gcm},
      {{static_cast<Cipher>(9)}, kNone},
  };
  for (const auto& each : ciphers) {
    const Told told =
        with_contexts([&](auto& contexts) { contexts.encryption_capabilities = each.offered; });
    ASSERT_EQ(told.status, kSuccess);
    EXPECT_EQ(told.response().contexts->encryption_capabilities, std::vector{each.chosen});
  }
  using enum SigningAlgorithm;
  struct {
    std::vector<SigningAlgorithm> offered;
    SigningAlgorithm chosen;
  } const algorithms[] = {
      {{kHmacSha256}, kHmacSha256},
      {{kHmacSha256, kAesCmac}, kAesCmac},
      {{kHmacSha256, kAesCmac, kAesGmac}, kAesGmac},
      {{static_cast<SigningAlgorithm>(9)}, kAesCmac},
  };
  for (const auto& each : algorithms) {
    const Told told =
        with_contexts([&](auto& contexts) { contexts.signing_capabilities = each.offered; });
    ASSERT_EQ(told.status, kSuccess);
    EXPECT_EQ(told.response().contexts->signing_capabilities, std::vector{each.chosen});
  }
}

struct RdmaTransformsNegotiated : Negotiates {
  using Ids = std::vector<wire::RdmaTransformId>;
  static constexpr auto kNone = wire::RdmaTransformId::kNone;
  static constexpr auto kEncryption = wire::RdmaTransformId::kEncryption;
  static constexpr auto kSigning = wire::RdmaTransformId::kSigning;
  static constexpr auto kUnknown = static_cast<wire::RdmaTransformId>(9);

  // No answer to the context: {}.
  Ids chosen(Ids offered, Cipher cipher = Cipher::kAes128Gcm,
             SigningAlgorithm signing = SigningAlgorithm::kAesGmac) {
    const Told told = with_contexts([&](auto& contexts) {
      contexts.encryption_capabilities = {cipher};
      contexts.signing_capabilities = {signing};
      contexts.rdma_transform_capabilities.emplace().rdma_transform_ids = std::move(offered);
    });
    EXPECT_EQ(told.status, kSuccess);
    const auto answered = told.response().contexts->rdma_transform_capabilities;
    return answered ? answered->rdma_transform_ids : Ids();
  }
};

TEST_F(RdmaTransformsNegotiated, AreWhatBothHaveWhereThereAreNetworkCards) {
  EXPECT_EQ(chosen({kEncryption, kSigning}), Ids());
  engine.server().rdma.add(*IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(chosen({kEncryption, kSigning}), (Ids{kEncryption, kSigning}));
  EXPECT_EQ(chosen({kSigning, kUnknown, kNone, kSigning}), Ids{kSigning});
  EXPECT_EQ(chosen({kEncryption}), Ids{kEncryption});
  EXPECT_EQ(chosen({kUnknown}), Ids{kNone});
  EXPECT_FALSE(
      negotiate(body_of({Dialect::kSmb311})).response().contexts->rdma_transform_capabilities);
}

TEST_F(RdmaTransformsNegotiated, TakeACipherAndASignatureThatNoMessageHas) {
  engine.server().rdma.add(*IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(chosen({kEncryption, kSigning}, static_cast<Cipher>(9)), Ids{kSigning});
  for (const auto other : {SigningAlgorithm::kAesCmac, SigningAlgorithm::kHmacSha256}) {
    EXPECT_EQ(chosen({kEncryption, kSigning}, Cipher::kAes256Ccm, other), Ids{kEncryption});
    EXPECT_EQ(chosen({kSigning}, Cipher::kAes256Ccm, other), Ids{kNone});
  }
}

// [MS-SMB2] 3.3.5.4 "Receiving an SMB2 NEGOTIATE Request": ignored where there is no such thing.
TEST_F(RdmaTransformsNegotiated, NoneAtAllAreAnErrorWhereTheyMeanSomething) {
  const auto offer_none = [&] {
    return with_contexts([](auto& contexts) { contexts.rdma_transform_capabilities.emplace(); })
        .status;
  };
  EXPECT_EQ(offer_none(), kSuccess);
  engine.server().rdma.add(*IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(offer_none(), kInvalidParameter);
}

// An SMB1 message that asks for SMB2: [MS-SMB2] 3.3.5.3.
struct Smb1Negotiates : Negotiates {
  static Bytes smb1(std::vector<std::string> dialects) {
    Bytes message;
    wire::Writer writer(message);
    wire::Smb1NegotiateRequest{.dialects = std::move(dialects)}.encode(writer);
    return message;
  }
  static constexpr auto kOld = wire::Smb1NegotiateRequest::kSmb2002;
  static constexpr auto kAny = wire::Smb1NegotiateRequest::kSmb2Wildcard;
  // The dialect that is answered; none: the connection ends.
  static Dialect told(Engine& with, std::vector<std::string> dialects) {
    RawClient client(with);
    client.send(smb1(std::move(dialects)));
    const auto answer = client.receive();
    if (!answer) {
      EXPECT_TRUE(client.is_dropped());
      return Dialect::kNone;
    }
    EXPECT_EQ(answer->status(), kSuccess);
    EXPECT_EQ(answer->header.command, Command::kNegotiate);
    EXPECT_EQ(answer->header.message_id.value, 0u);
    EXPECT_EQ(answer->header.credits, 1u);
    EXPECT_EQ(answer->header.flags, wire::HeaderFlags::kServerToRedir);
    const auto response = answer->as<wire::NegotiateResponse>();
    EXPECT_EQ(response.capabilities, 0u);
    EXPECT_EQ(response.max_read_size, kMaxTransferSizeSingleCredit);
    return response.dialect_revision;
  }
};

TEST_F(Smb1Negotiates, AreAnsweredWithTheWildcardOrTheOldestDialect) {
  const std::string old(kOld), any(kAny);
  EXPECT_EQ(told(engine, {"NT LM 0.12", old, any}), Dialect::kWildcard);
  EXPECT_EQ(told(engine, {any}), Dialect::kWildcard);
  EXPECT_EQ(told(engine, {"NT LM 0.12", old}), Dialect::kSmb202);
  EXPECT_EQ(told(engine, {"NT LM 0.12"}), Dialect::kNone);
  auto settings = Engine::lenient();
  settings.max_dialect = config::Dialect::k2_0_2;
  Engine oldest(settings);
  EXPECT_EQ(told(oldest, {old, any}), Dialect::kSmb202);
  EXPECT_EQ(told(oldest, {any}), Dialect::kNone);
  settings.max_dialect = config::Dialect::k3_0;
  settings.min_dialect = config::Dialect::k2_1;
  Engine newer(settings);
  EXPECT_EQ(told(newer, {old, any}), Dialect::kWildcard);
  EXPECT_EQ(told(newer, {old}), Dialect::kNone);
}

// It stands for MessageId 0; an SMB2 NEGOTIATE follows the wildcard, and a logon the dialect.
TEST_F(Smb1Negotiates, GoOnWithTheNextMessage) {
  RawClient client(engine);
  client.send(smb1({std::string(kAny)}));
  ASSERT_TRUE(client.receive());
  client.next_message_id = 1;
  EXPECT_EQ(client.negotiate(Dialect::kSmb302), kSuccess);
  EXPECT_EQ(client.session_setup(), kSuccess);

  RawClient old(engine, ClientGuid{{8}});
  old.send(smb1({std::string(kOld)}));
  ASSERT_TRUE(old.receive());
  old.next_message_id = 1;
  EXPECT_EQ(old.status_of(old.setup_request("user")), kSuccess);

  RawClient twice(engine, ClientGuid{{9}});
  twice.send(smb1({std::string(kAny)}));
  ASSERT_TRUE(twice.receive());
  twice.send(smb1({std::string(kAny)}));
  EXPECT_TRUE(twice.is_dropped());
}

}  // namespace
}  // namespace braid::smb2

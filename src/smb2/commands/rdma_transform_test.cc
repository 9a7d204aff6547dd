// Data that a network card moves and that is encrypted or signed for itself: [MS-SMB2] 3.3.5.12
// "Receiving an SMB2 READ Request", 3.3.5.13 "Receiving an SMB2 WRITE Request".
#include "smb2/commands/rdma_transform.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <set>

#include "base/hex_testing.h"
#include "rpc/captured_testing.h"
#include "smb2/rdma_client_testing.h"
#include "transport/remote_memory.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using transport::BufferDescriptors;
using wire::Command;
using wire::Dialect;
using wire::Header;
using wire::RdmaTransform;
using wire::RdmaTransformId;
using Type = wire::RdmaTransformType;
using Via = wire::Channel;
using PeerMay = RdmaClient::PeerMay;
using Descriptor = RdmaClient::Descriptor;

constexpr size_t kMiB = 1u << 20;

Bytes some_bytes(size_t size, uint8_t first = 1) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(first + i * 7 + i / 256);
  return bytes;
}

// How a message travels.
enum class As : uint8_t { kPlain, kSigned, kSealed };

struct RdmaTransformTest : testing::Test {
  // What goes with a WRITE, and what may be wrong with it.
  struct Given {
    RdmaTransform transform;
    Bytes signature;
    Bytes nonce;
    Bytes descriptors;
  };
  using Spoil = std::function<void(Given&)>;

  void log_on(std::vector<RdmaTransformId> transforms = {RdmaTransformId::kEncryption,
                                                         RdmaTransformId::kSigning},
              crypto::Cipher cipher = crypto::Cipher::kAes128Gcm,
              std::string_view share = "files") {
    client.cipher = cipher;
    client.signing_algorithm = crypto::SigningAlgorithm::kAesGmac;
    if (!transforms.empty()) {
      client.rdma_transforms.emplace().rdma_transform_ids = std::move(transforms);
    }
    ASSERT_TRUE(client.log_on(Dialect::kSmb311, share));
    file = client.create(share == "files" ? "file" : "srvsvc");
    const auto ask = [](Header& header) { header.credits = 1000; };
    ASSERT_EQ(client.status_of(client.request(Command::kEcho, wire::EchoRequest{}, ask)),
              NtStatus::kSuccess);
  }

  std::optional<Answer> exchange(Bytes message, As as) {
    uint64_t id = 0;
    std::memcpy(&id, message.data() + Header::kMessageIdOffset, sizeof id);
    if (as == As::kSigned) client.sign(message, *client.signing_key);
    client.send(as == As::kSealed ? client.encrypted(std::move(message)) : std::move(message));
    while (auto answer = client.receive()) {
      if (as == As::kSealed) answer = client.decrypted(std::move(answer->message));
      if (!answer) break;
      if (answer->header.message_id.value != id || answer->status() == NtStatus::kPending) continue;
      if (as == As::kSigned) {
        EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
      }
      return answer;
    }
    return std::nullopt;
  }
  NtStatus status_of(Bytes message, As as) {
    const auto answer = exchange(std::move(message), as);
    return answer ? answer->status() : NtStatus::kConnectionDisconnected;
  }
  // Refused, and the connection lives on.
  void expect_refused(Bytes message, As as, NtStatus status = NtStatus::kInvalidParameter) {
    EXPECT_EQ(status_of(std::move(message), as), status);
    EXPECT_EQ(status_of(client.request(Command::kEcho, wire::EchoRequest{}), as),
              NtStatus::kSuccess);
  }

  Bytes read(uint32_t length, const BufferDescriptors& into, Via channel = Via::kRdmaV1,
             uint64_t offset = 0) {
    const Bytes info = wire::smbdirect::encode_channel_info(into);
    const auto charge = static_cast<uint16_t>(std::max(1u, (length + 65535) / 65536));
    Bytes message = client.request(Command::kRead,
                                   wire::ReadRequest{.length = length,
                                                     .offset = offset,
                                                     .file_id = file,
                                                     .channel = channel,
                                                     .read_channel_info = info},
                                   [&](Header& header) { header.credit_charge = charge; });
    client.next_message_id += charge - 1u;
    return message;
  }
  Bytes write_of(uint32_t length, ByteView info, Via channel = Via::kRdmaTransform,
                 uint64_t offset = 0) {
    return client.request(Command::kWrite, wire::WriteRequest{.offset = offset,
                                                              .file_id = file,
                                                              .channel = channel,
                                                              .remaining_bytes = length,
                                                              .write_channel_info = info});
  }
  // Protects `data` where it is, and describes that.
  Bytes protect(Type type, MutableByteView data, BufferDescriptors from, const Spoil& spoil = {}) {
    Given given;
    given.transform.channel = Via::kRdmaV1;
    given.transform.crypto_transform.transform_type = type;
    if (type == Type::kEncryption) {
      const crypto::Nonce nonce = client.encryption_key->next_nonce();
      const auto tag = client.encryption_key->seal(nonce, {}, {&data, 1});
      given.signature.assign(tag.begin(), tag.end());
      given.nonce.assign(nonce.begin(),
                         nonce.begin() + static_cast<ptrdiff_t>(crypto::nonce_size(client.cipher)));
    } else {
      const auto nonce = crypto::gmac_nonce({.message_id = ++signed_, .is_data = true});
      const auto signature = client.signing_key->sign_data(data, nonce);
      given.signature.assign(signature.begin(), signature.end());
      given.nonce.assign(nonce.begin(), nonce.end());
    }
    given.descriptors = wire::smbdirect::encode_channel_info(from);
    if (spoil) spoil(given);
    given.transform.crypto_transform.signature = given.signature;
    given.transform.crypto_transform.nonce = given.nonce;
    given.transform.rdma_descriptors = given.descriptors;
    Bytes info;
    wire::Writer writer(info);
    given.transform.encode(writer);
    return info;
  }
  // A WRITE of `data` protected as its message is.
  Bytes write(As as, MutableByteView data, BufferDescriptors from, const Spoil& spoil = {},
              uint64_t offset = 0) {
    const Type type = as == As::kSealed ? Type::kEncryption : Type::kSigning;
    const Bytes info = protect(type, data, std::move(from), spoil);
    return write_of(static_cast<uint32_t>(data.size()), info, Via::kRdmaTransform, offset);
  }
  Bytes write_here(As as, Bytes& data, const Spoil& spoil = {}) {
    return write(as, data, {client.lend(data, PeerMay::kRead)}, spoil);
  }
  // What an answer to READ says of `data`, which then is as it was protected. False: it is not.
  bool opens(const Answer& answer, Type type, MutableByteView data) {
    const auto response = answer.as<wire::ReadResponse>();
    EXPECT_EQ(response.data_remaining, data.size());
    EXPECT_EQ(response.flags, wire::ReadResponseFlags::kRdmaTransform);
    wire::Reader reader(response.data);
    const auto transform = RdmaTransform::decode(reader);
    if (!transform || transform->channel != Via::kNone) return false;
    const auto& [is, signature, nonce] = transform->crypto_transform;
    if (is != type || signature.size() != 16) return false;
    EXPECT_TRUE(nonces.emplace(is, Bytes(nonce.begin(), nonce.end())).second);
    if (type == Type::kEncryption) {
      crypto::Nonce whole{};
      if (nonce.size() != crypto::nonce_size(client.cipher)) return false;
      std::ranges::copy(nonce, whole.begin());
      return client.decryption_key->open(whole, {}, data, signature).has_value();
    }
    crypto::GmacNonce whole{};
    if (nonce.size() != whole.size()) return false;
    std::ranges::copy(nonce, whole.begin());
    EXPECT_EQ(whole, crypto::gmac_nonce({.message_id = answer.header.message_id.value,
                                         .from_server = true,
                                         .is_data = true}));
    return std::ranges::equal(client.signing_key->sign_data(data, whole), signature);
  }
  // In the message.
  void fill(ByteView data) {
    ASSERT_EQ(client.status_of(client.request(Command::kWrite,
                                              wire::WriteRequest{.file_id = file, .data = data})),
              NtStatus::kSuccess);
  }
  Bytes content(uint32_t size) {
    const auto answer = client.exchange(read(size, {}, Via::kNone));
    if (!answer || answer->status() != NtStatus::kSuccess) return {};
    const ByteView data = answer->as<wire::ReadResponse>().data;
    return Bytes(data.begin(), data.end());
  }

  Engine engine;
  RdmaClient client{engine};
  FileId file;
  uint64_t signed_ = 0;
  std::set<std::pair<Type, Bytes>> nonces;  // of the server's
};

struct EveryCipher : RdmaTransformTest, testing::WithParamInterface<crypto::Cipher> {};

TEST_P(EveryCipher, ReadsAndWritesWhatIsSealedInTheClientsMemory) {
  log_on({RdmaTransformId::kEncryption}, GetParam());
  for (const size_t size : {size_t{1}, size_t{4096}, size_t{70'000}, kMiB + 1}) {
    const Bytes plain = some_bytes(size);
    Bytes memory = plain;
    // In two pieces, of which the first is short.
    const Descriptor whole = client.lend(memory, PeerMay::kRead | PeerMay::kWrite);
    BufferDescriptors pieces = {whole};
    if (size > 10) {
      pieces = {{whole.offset, whole.token, 10},
                {whole.offset + 10, whole.token, whole.length - 10}};
    }
    EXPECT_EQ(status_of(write(As::kSealed, memory, pieces), As::kSealed), NtStatus::kSuccess);
    if (size > 10) {
      EXPECT_NE(memory, plain);
    }
    if (size <= 70'000) {
      EXPECT_EQ(content(static_cast<uint32_t>(size)), plain);
    }
    std::ranges::fill(memory, 0);
    const auto answer = exchange(read(static_cast<uint32_t>(size), pieces), As::kSealed);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status(), NtStatus::kSuccess);
    if (size > 10) {
      EXPECT_NE(memory, plain);
    }
    EXPECT_TRUE(opens(*answer, Type::kEncryption, memory));
    EXPECT_EQ(memory, plain);
  }
}

INSTANTIATE_TEST_SUITE_P(RdmaTransformTest, EveryCipher,
                         testing::Values(crypto::Cipher::kAes128Ccm, crypto::Cipher::kAes128Gcm,
                                         crypto::Cipher::kAes256Ccm, crypto::Cipher::kAes256Gcm));

TEST_F(RdmaTransformTest, SignsWhatIsReadAndVerifiesWhatIsWritten) {
  log_on();
  for (const size_t size : {size_t{1}, size_t{70'000}, 8 * kMiB}) {
    const Bytes plain = some_bytes(size);
    Bytes memory = plain;
    EXPECT_EQ(status_of(write_here(As::kSigned, memory), As::kSigned), NtStatus::kSuccess);
    EXPECT_TRUE(memory == plain);
    std::ranges::fill(memory, 0);
    const auto answer = exchange(
        read(static_cast<uint32_t>(size), {client.lend(memory, PeerMay::kWrite)}), As::kSigned);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status(), NtStatus::kSuccess);
    EXPECT_TRUE(memory == plain);
    EXPECT_TRUE(opens(*answer, Type::kSigning, memory));
    memory.back() ^= 1;
    nonces.clear();
    EXPECT_FALSE(opens(*answer, Type::kSigning, memory));
  }
}

TEST_F(RdmaTransformTest, CopiesWhatItProtects) {
  log_on();
  Bytes memory = some_bytes(5000);
  EXPECT_EQ(status_of(write_here(As::kSealed, memory), As::kSealed), NtStatus::kSuccess);
  EXPECT_EQ(status_of(read(5000, {client.lend(memory, PeerMay::kWrite)}), As::kSigned),
            NtStatus::kSuccess);
  const auto& counters = engine.server().connections().front()->counters;
  EXPECT_EQ(counters.bytes_placed, 10'000u);
  EXPECT_EQ(counters.bytes_copied, 10'000u);
}

// As short as the file is: what is behind it in the client's memory is nobody's.
TEST_F(RdmaTransformTest, WhatIsReadIsProtectedAsFarAsItGoes) {
  log_on();
  fill(some_bytes(100));
  for (const auto& [as, type] :
       {std::pair(As::kSealed, Type::kEncryption), std::pair(As::kSigned, Type::kSigning)}) {
    Bytes memory(5000);
    const auto answer = exchange(read(5000, {client.lend(memory, PeerMay::kWrite)}), as);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(opens(*answer, type, MutableByteView(memory).first(100)));
    EXPECT_TRUE(std::ranges::equal(ByteView(memory).first(100), some_bytes(100)));
    EXPECT_EQ(ByteView(memory)[100], 0);
    expect_refused(read(100, {client.lend(memory, PeerMay::kWrite)}, Via::kRdmaV1, 100), as,
                   NtStatus::kEndOfFile);
  }
}

TEST_F(RdmaTransformTest, WhatIsNotProtectedStaysSo) {
  log_on();
  const Bytes plain = some_bytes(5000);
  Bytes memory = plain;
  const Descriptor lent = client.lend(memory, PeerMay::kRead | PeerMay::kWrite);
  const Bytes info = wire::smbdirect::encode_channel_info(std::array{lent});
  EXPECT_EQ(status_of(write_of(5000, info, Via::kRdmaV1), As::kPlain), NtStatus::kSuccess);
  std::ranges::fill(memory, 0);
  const auto answer = exchange(read(5000, {lent}), As::kPlain);
  ASSERT_TRUE(answer);
  const auto response = answer->as<wire::ReadResponse>();
  EXPECT_EQ(response.flags, wire::ReadResponseFlags::kNone);
  EXPECT_TRUE(response.data.empty());
  EXPECT_EQ(memory, plain);
}

TEST_F(RdmaTransformTest, TheFirstKeyIsInvalidatedWhereItsDescriptorsSaySo) {
  log_on();
  const Spoil invalidating = [](Given& given) { given.transform.channel = Via::kRdmaV1Invalidate; };
  for (const As as : {As::kSealed, As::kSigned}) {
    Bytes memory = some_bytes(100);
    EXPECT_EQ(status_of(write_here(as, memory, invalidating), as), NtStatus::kSuccess);
    EXPECT_EQ(client.lent(), 0u);
    const auto answer =
        exchange(read(100, {client.lend(memory, PeerMay::kWrite)}, Via::kRdmaV1Invalidate), as);
    ASSERT_TRUE(answer);
    EXPECT_EQ(client.lent(), 0u);
    // Of one that is refused as well, as far as it can be read.
    const Spoil wrong = [&](Given& given) {
      invalidating(given);
      given.signature[3] ^= 1;
    };
    EXPECT_NE(status_of(write_here(as, memory, wrong), as), NtStatus::kSuccess);
    EXPECT_EQ(client.lent(), 0u);
  }
}

// The nonces of all that a session's keys encrypt, messages among them, are of one count; those
// that sign are of the requests, and no message's.
TEST_F(RdmaTransformTest, NoNonceComesTwice) {
  log_on();
  fill(some_bytes(64));
  Bytes memory(64);
  for (int i = 0; i < 20; ++i) {
    const auto into = [&] { return BufferDescriptors{client.lend(memory, PeerMay::kWrite)}; };
    auto answer = exchange(read(64, into(), Via::kRdmaV1Invalidate), As::kSigned);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(opens(*answer, Type::kSigning, memory));
    client.send(client.encrypted(read(64, into(), Via::kRdmaV1Invalidate)));
    const auto sealed = client.receive();
    ASSERT_TRUE(sealed);
    wire::Reader reader(sealed->message);
    const auto header = wire::TransformHeader::decode(reader);
    ASSERT_TRUE(header);
    EXPECT_TRUE(
        nonces.emplace(Type::kEncryption, Bytes(header->nonce.begin(), header->nonce.begin() + 12))
            .second);
    answer = client.decrypted(sealed->message);
    ASSERT_TRUE(answer);
    EXPECT_TRUE(opens(*answer, Type::kEncryption, memory));
  }
  EXPECT_EQ(nonces.size(), 60u);
}

TEST_F(RdmaTransformTest, MemoryThatWasTamperedWithIsFound) {
  log_on();
  fill(some_bytes(3 * kMiB / 1024));
  const Bytes before = content(3072);
  struct {
    As as;
    NtStatus status;
  } const both[] = {{As::kSealed, NtStatus::kAuthTagMismatch},
                    {As::kSigned, NtStatus::kInvalidSignature}};
  for (const auto& [as, status] : both) {
    for (const size_t size : {size_t{16}, 300'000 + size_t{1}}) {
      for (const size_t at : {size_t{0}, size / 2, size - 1}) {
        Bytes memory = some_bytes(size, 9);
        Bytes message = write_here(as, memory);
        memory[at] ^= 0x10;
        expect_refused(std::move(message), as, status);
      }
    }
    // The same bytes, protected once and used for another place and number of them.
    Bytes memory = some_bytes(64, 9);
    const Type type = as == As::kSealed ? Type::kEncryption : Type::kSigning;
    const Bytes info = protect(type, memory, {client.lend(memory, PeerMay::kRead)});
    expect_refused(write_of(63, info), as, status);
    EXPECT_EQ(status_of(write_of(64, info, Via::kRdmaTransform, 5000), as), NtStatus::kSuccess);
  }
  EXPECT_EQ(content(3072), before);
}

TEST_F(RdmaTransformTest, TagsAndNoncesThatDoNotFitAreRefused) {
  log_on();
  struct {
    As as;
    NtStatus status;
  } const both[] = {{As::kSealed, NtStatus::kAuthTagMismatch},
                    {As::kSigned, NtStatus::kInvalidSignature}};
  for (const auto& [as, status] : both) {
    const std::vector<Spoil> wrong = {
        [](Given& given) { given.signature[0] ^= 1; },
        [](Given& given) { given.signature[15] ^= 0x80; },
        [](Given& given) { given.nonce[0] ^= 1; },
        [](Given& given) { given.nonce[11] ^= 1; },
        [](Given& given) { given.signature.resize(17); },
        [](Given& given) { given.signature.resize(15); },
        [](Given& given) { given.signature.clear(); },
        [](Given& given) { given.signature.resize(1000); },
        [](Given& given) { given.nonce.resize(11); },
        [](Given& given) { given.nonce.resize(13); },
        [](Given& given) { given.nonce.resize(16); },
        [](Given& given) { given.nonce.resize(500); },
        [](Given& given) { given.nonce.clear(); },
    };
    for (const Spoil& each : wrong) {
      Bytes memory = some_bytes(100);
      expect_refused(write_here(as, memory, each), as, status);
    }
  }
  EXPECT_EQ(content(100), Bytes());
}

TEST_F(RdmaTransformTest, TransformsThatDoNotFitTheMessageAreRefused) {
  log_on();
  Bytes memory = some_bytes(100);
  expect_refused(write_here(As::kSealed, memory), As::kPlain);
  expect_refused(write_here(As::kSealed, memory), As::kSigned);
  expect_refused(write_here(As::kSigned, memory), As::kPlain);
  expect_refused(write_here(As::kSigned, memory), As::kSealed);
  // Signed and sealed: everybody could read what the message hides.
  Bytes both = write_here(As::kSigned, memory);
  client.sign(both, *client.signing_key);
  expect_refused(std::move(both), As::kSealed, NtStatus::kAccessDenied);
  // Sealed, with data in the clear.
  const Bytes info =
      wire::smbdirect::encode_channel_info(std::array{client.lend(memory, PeerMay::kRead)});
  expect_refused(write_of(100, info, Via::kRdmaV1), As::kSealed, NtStatus::kAccessDenied);
  // READ has no such channel.
  const Descriptor lent = client.lend(memory, PeerMay::kWrite);
  expect_refused(read(100, {lent}, Via::kRdmaTransform), As::kSealed);
  EXPECT_EQ(content(100), Bytes());
}

TEST_F(RdmaTransformTest, TransformsThatCannotBeAreRefused) {
  log_on();
  const auto at = [](size_t offset, uint8_t value) {
    return [=](Bytes info) {
      info.at(offset) = value;
      return info;
    };
  };
  const std::vector<std::function<Bytes(Bytes)>> wrong = {
      at(0, 0),
      at(0, 0x30),
      at(0, 0x39),
      at(0, 0x40),
      at(1, 0xFF),  // RdmaDescriptorOffset
      at(2, 0),
      at(2, 15),
      at(2, 17),
      at(2, 32),
      at(3, 0xFF),  // RdmaDescriptorLength
      at(4, 0),
      at(4, 3),
      at(4, 4),
      at(7, 0x80),  // Channel
      at(8, 0),
      at(8, 2),
      at(8, 3),
      at(9, 1),  // TransformCount
      at(16, 0),
      at(16, 3),
      at(17, 1),  // TransformType
      at(18, 24),
      at(19, 0xFF),  // SignatureLength
      at(20, 40),
      at(21, 0xFF),  // NonceLength
      [](Bytes info) {
        info.resize(15);
        return info;
      },
      [](Bytes info) {
        info.resize(16);
        return info;
      },
      [](Bytes info) {
        info.resize(40);
        return info;
      },
      [](Bytes info) {
        info.resize(info.size() - 1);
        return info;
      },
      [](Bytes info) {
        info.resize(1);
        return info;
      },
  };
  for (const As as : {As::kSealed, As::kSigned}) {
    for (size_t i = 0; i < wrong.size(); ++i) {
      SCOPED_TRACE(i);
      Bytes memory = some_bytes(100);
      const Type type = as == As::kSealed ? Type::kEncryption : Type::kSigning;
      const Bytes info = wrong[i](protect(type, memory, {client.lend(memory, PeerMay::kRead)}));
      expect_refused(write_of(100, info), as);
    }
    // Descriptors and sizes, as without a transform.
    Bytes memory = some_bytes(100);
    const Descriptor all = client.lend(memory, PeerMay::kRead);
    Descriptor none = all, half = all, high = all;
    none.length = 0;
    half.length = 50;
    high.offset = ~0ull - 98;
    for (const BufferDescriptors& each :
         std::vector<BufferDescriptors>{{none, all}, {half}, {high}, {half, high}}) {
      expect_refused(write(as, memory, each), as);
    }
    for (const uint32_t length :
         {uint32_t{0}, uint32_t{101}, uint32_t{8 * kMiB + 1}, ~uint32_t{0}}) {
      const Type type = as == As::kSealed ? Type::kEncryption : Type::kSigning;
      expect_refused(write_of(length, protect(type, memory, {all})), as);
    }
    // Data in the message besides.
    Bytes message = write(as, memory, {all});
    message[Header::kSize + 2] = 0x70;  // DataOffset
    expect_refused(std::move(message), as);
  }
  EXPECT_EQ(content(100), Bytes());
}

TEST_F(RdmaTransformTest, WhatWasNotAgreedOnIsRefused) {
  log_on({RdmaTransformId::kSigning});
  Bytes memory = some_bytes(100);
  expect_refused(write_here(As::kSealed, memory), As::kSealed);
  fill(memory);
  // And so nothing sealed is placed.
  expect_refused(read(100, {client.lend(memory, PeerMay::kWrite)}), As::kSealed,
                 NtStatus::kAccessDenied);
  EXPECT_EQ(status_of(write_here(As::kSigned, memory), As::kSigned), NtStatus::kSuccess);
}

TEST_F(RdmaTransformTest, SigningThatWasNotAgreedOnIsRefused) {
  log_on({RdmaTransformId::kEncryption});
  Bytes memory = some_bytes(100);
  expect_refused(write_here(As::kSigned, memory), As::kSigned);
  EXPECT_EQ(status_of(write_here(As::kSealed, memory), As::kSealed), NtStatus::kSuccess);
  // By choice it may go without.
  const auto answer = exchange(read(100, {client.lend(memory, PeerMay::kWrite)}), As::kSigned);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<wire::ReadResponse>().flags, wire::ReadResponseFlags::kNone);
}

TEST_F(RdmaTransformTest, WithoutTransformsThereIsNoSuchChannel) {
  log_on({});
  Bytes memory = some_bytes(100);
  for (const As as : {As::kSealed, As::kSigned}) expect_refused(write_here(as, memory), as);
}

TEST_F(RdmaTransformTest, OverTcpThereIsNone) {
  engine.server().rdma.add(*IpAddress::parse("192.0.2.1"));
  RawClient tcp(engine, ClientGuid{{9}});
  tcp.signing_algorithm = crypto::SigningAlgorithm::kAesGmac;
  tcp.rdma_transforms.emplace().rdma_transform_ids = {RdmaTransformId::kEncryption,
                                                      RdmaTransformId::kSigning};
  ASSERT_TRUE(tcp.log_on(Dialect::kSmb311));
  const FileId id = tcp.create("other");
  log_on();
  Bytes memory = some_bytes(100);
  const Bytes info = protect(Type::kSigning, memory, {client.lend(memory, PeerMay::kRead)});
  EXPECT_EQ(tcp.status_of(tcp.signed_request(Command::kWrite,
                                             wire::WriteRequest{.file_id = id,
                                                                .channel = Via::kRdmaTransform,
                                                                .remaining_bytes = 100,
                                                                .write_channel_info = info})),
            NtStatus::kInvalidParameter);
}

TEST_F(RdmaTransformTest, PipesAreReadAndWrittenSo) {
  log_on({RdmaTransformId::kEncryption, RdmaTransformId::kSigning}, crypto::Cipher::kAes256Gcm,
         "IPC$");
  for (const auto& [as, type] :
       {std::pair(As::kSealed, Type::kEncryption), std::pair(As::kSigned, Type::kSigning)}) {
    Bytes bind = unhex(rpc::captured::kSrvsvcBind);
    file = client.create("srvsvc");
    EXPECT_EQ(status_of(write_here(as, bind), as), NtStatus::kSuccess);
    Bytes into(4280);
    const auto answer = exchange(read(4280, {client.lend(into, PeerMay::kWrite)}), as);
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status(), NtStatus::kSuccess);
    const auto size = answer->as<wire::ReadResponse>().data_remaining;
    EXPECT_TRUE(opens(*answer, type, MutableByteView(into).first(size)));
    EXPECT_EQ(into[0], 5);  // the version of RPC
  }
}

// A session that has to be protected has its data placed so.
TEST(RdmaTransformRequired, WhatHasToBeSignedIsPlacedSigned) {
  config::Server settings = Engine::lenient();
  settings.signing = config::Signing::kRequired;
  Engine engine(settings);
  RdmaClient client(engine);
  client.signing_algorithm = crypto::SigningAlgorithm::kAesGmac;
  client.rdma_transforms.emplace().rdma_transform_ids = {RdmaTransformId::kSigning};
  ASSERT_TRUE(client.log_on(Dialect::kSmb311));
  auto answer =
      client.exchange(client.signed_request(Command::kCreate, RawClient::create_body("file")));
  ASSERT_TRUE(answer);
  const FileId file = answer->as<wire::CreateResponse>().file_id;
  Bytes memory = some_bytes(100);
  const auto nonce = crypto::gmac_nonce({.message_id = 1, .is_data = true});
  const auto signature = client.signing_key->sign_data(memory, nonce);
  const Bytes descriptors =
      wire::smbdirect::encode_channel_info(std::array{client.lend(memory, PeerMay::kRead)});
  Bytes info;
  wire::Writer writer(info);
  RdmaTransform{.channel = Via::kRdmaV1,
                .crypto_transform = {Type::kSigning, signature, nonce},
                .rdma_descriptors = descriptors}
      .encode(writer);
  wire::WriteRequest write{.file_id = file,
                           .channel = Via::kRdmaTransform,
                           .remaining_bytes = 100,
                           .write_channel_info = info};
  EXPECT_EQ(client.status_of(client.signed_request(Command::kWrite, write)), NtStatus::kSuccess);
  write.channel = Via::kRdmaV1;
  write.write_channel_info = descriptors;
  EXPECT_EQ(client.status_of(client.signed_request(Command::kWrite, write)),
            NtStatus::kAccessDenied);
}

// What is pulled and what it is copied to; on the way out what is protected and what the card has.
TEST(RdmaTransformMemory, CountsTheSecondBuffer) {
  const auto plan = vfs::make_fault_plan();
  Engine engine(Engine::lenient(), system_clock(), 1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan)));
  RdmaClient client(engine);
  client.signing_algorithm = crypto::SigningAlgorithm::kAesGmac;
  client.rdma_transforms.emplace().rdma_transform_ids = {RdmaTransformId::kSigning};
  ASSERT_TRUE(client.log_on(Dialect::kSmb311));
  const FileId file = client.create("file");
  Bytes memory(4 * kMiB);
  const auto used = [&] { return engine.server().connections().front()->memory->used(); };
  const auto nonce = crypto::gmac_nonce({.message_id = 1, .is_data = true});
  const auto signature = client.signing_key->sign_data(memory, nonce);
  const Bytes descriptors = wire::smbdirect::encode_channel_info(
      std::array{client.lend(memory, PeerMay::kRead | PeerMay::kWrite)});
  Bytes info;
  wire::Writer writer(info);
  RdmaTransform{.channel = Via::kRdmaV1,
                .crypto_transform = {Type::kSigning, signature, nonce},
                .rdma_descriptors = descriptors}
      .encode(writer);
  plan->hold_operation("write");
  client.send(
      client.signed_request(Command::kWrite, wire::WriteRequest{.file_id = file,
                                                                .channel = Via::kRdmaTransform,
                                                                .remaining_bytes = 4 * kMiB,
                                                                .write_channel_info = info}));
  plan->await_held(1);
  EXPECT_GE(used(), 8 * kMiB);
  EXPECT_LT(used(), 11 * kMiB);
  plan->let_go();
  auto answer = client.answer_to(client.next_message_id - 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  engine.settle();
  EXPECT_LT(used(), 3 * kMiB);

  plan->hold_operation("read");
  Bytes message = client.request(Command::kRead,
                                 wire::ReadRequest{.length = 4 * kMiB,
                                                   .file_id = file,
                                                   .channel = Via::kRdmaV1,
                                                   .read_channel_info = descriptors},
                                 [](Header& header) { header.credit_charge = 64; });
  const uint64_t id = client.next_message_id - 1;
  client.next_message_id += 63;
  client.sign(message, *client.signing_key);
  client.send(std::move(message));
  plan->await_held(1);
  EXPECT_GE(used(), 8 * kMiB);
  EXPECT_LT(used(), 11 * kMiB);
  plan->let_go();
  answer = client.answer_to(id);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  engine.settle();
  EXPECT_LT(used(), 3 * kMiB);
}

}  // namespace
}  // namespace braid::smb2

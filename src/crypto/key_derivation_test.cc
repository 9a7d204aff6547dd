#include "crypto/key_derivation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex_testing.h"

namespace braid::crypto {
namespace {

Bytes revealed(const Secret& secret) { return {secret.reveal().begin(), secret.reveal().end()}; }

// The keys here are those of Microsoft's published examples of SMB 3.0 and 3.1.1 between Windows
// clients and servers.
TEST(KeyDerivation, Dialect300) {
  const Secret session_key(unhex("B4546771B515F766A86735532DD6C4F0"));
  const auto keys = derive_session_keys(0x0300, Cipher::kAes128Ccm, session_key, session_key, {});
  EXPECT_EQ(revealed(keys.signing), unhex("F773CD23C18FD1E08EE510CADA7CF852"));
  EXPECT_EQ(revealed(keys.client_to_server), unhex("261B72350558F2E9DCF613070383EDBF"));
  EXPECT_EQ(revealed(keys.server_to_client), unhex("8FE2B57EC34D2DB5B1A9727F526BBDB5"));
  EXPECT_EQ(revealed(keys.application), unhex("77432F808CE99156B5BC6A3676D730D1"));
}

TEST(KeyDerivation, Dialect311) {
  const Secret session_key(unhex("270E1BA896585EEB7AF3472D3B4C75A7"));
  const Bytes hash = unhex(
      "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79"
      "28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01");
  const auto keys = derive_session_keys(0x0311, Cipher::kAes128Gcm, session_key, {}, hash);
  EXPECT_EQ(revealed(keys.signing), unhex("73FE7A9A77BEF0BDE49C650D8CCB5F76"));
  EXPECT_EQ(revealed(keys.client_to_server), unhex("629BCBC54422A0F572B97F45989B6073"));
  EXPECT_EQ(revealed(keys.server_to_client), unhex("E2AF0DCEFAC68DA71A0DFBD0D1350D74"));
  EXPECT_EQ(revealed(keys.application), unhex("6D7AD7954E9EC61E907B4D473DC178FF"));
}

// The first block of 256 bits differs from the whole of 128: the size is part of the input.
TEST(KeyDerivation, Ciphers256UseTheFullSessionKeyAndKeep16ByteSigning) {
  const Secret full(unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
  const Secret session_key(full.reveal().first(16));
  const Bytes hash(64, 0x5a);
  const auto with_256 = derive_session_keys(0x0311, Cipher::kAes256Gcm, session_key, full, hash);
  const auto with_128 = derive_session_keys(0x0311, Cipher::kAes128Gcm, session_key, full, hash);
  EXPECT_EQ(with_256.signing.size(), 16u);
  EXPECT_EQ(with_256.signing, with_128.signing);
  EXPECT_EQ(with_256.application, with_128.application);
  EXPECT_EQ(with_256.server_to_client.size(), 32u);
  EXPECT_EQ(
      with_256.server_to_client,
      derive_key(full.reveal(), as_bytes(std::string_view("SMBS2CCipherKey\0", 16)), hash, 32));
  EXPECT_NE(revealed(with_256.client_to_server), revealed(with_128.client_to_server));
}

// A 256-bit output computed by another implementation: label SMBC2SCipherKey, context 00..3f.
TEST(KeyDerivation, OutputOf256Bits) {
  Bytes context(64);
  for (size_t i = 0; i < context.size(); ++i) context[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(revealed(derive_key(unhex("270E1BA896585EEB7AF3472D3B4C75A7"),
                                as_bytes(std::string_view("SMBC2SCipherKey\0", 16)), context, 32)),
            unhex("c273f0de35671e766ef5106b605054d70385f9237f1327662763de8ac2444317"));
}

// The most there is room for: two blocks, computed by another implementation.
TEST(KeyDerivation, OutputOf512Bits) {
  Bytes context(64);
  for (size_t i = 0; i < context.size(); ++i) context[i] = static_cast<uint8_t>(i);
  const auto derived = [&](size_t size) {
    return revealed(derive_key(unhex("270E1BA896585EEB7AF3472D3B4C75A7"),
                               as_bytes(std::string_view("SMBC2SCipherKey\0", 16)), context, size));
  };
  EXPECT_EQ(derived(64), unhex("c0e89d024c2e36b8793e2fcffa56b1a20a9f8b2aaea6b8822954e8e74b97d85a"
                               "ddc8ebedd4a2dab4024424ddd19f5e3f4a524da62547810b8b92ce21461d6604"));
  EXPECT_EQ(derived(65), derived(64));
}

TEST(KeyDerivation, Dialect210SignsWithTheSessionKey) {
  const Secret session_key(unhex("B4546771B515F766A86735532DD6C4F0"));
  const auto keys = derive_session_keys(0x0210, Cipher::kNone, session_key, session_key, {});
  EXPECT_EQ(keys.signing, session_key);
  EXPECT_EQ(keys.application, session_key);
  EXPECT_TRUE(keys.server_to_client.empty());
  EXPECT_TRUE(keys.client_to_server.empty());
}

// The NEGOTIATE request of the same published example.
TEST(PreauthHash, NegotiateRequestOfWindows) {
  PreauthHash hash;
  EXPECT_EQ(Bytes(hash.value().begin(), hash.value().end()), Bytes(64));
  const Bytes request = unhex(
      "FE534D4240000100000000000000800000000000000000000100000000000000FFFE000000000000"
      "00000000000000000000000000000000000000000000000024000500010000003F000000ECD86F32"
      "6276024F9F7752B89BB33F3A70000000020000000202100200030203110300000100260000000000"
      "0100200001003E38B8B81A9AFB172278056F4898FD09A1B9976A49B2D771161FCD4D40DF7D7D0000"
      "0200060000000000020002000100");
  PreauthHash in_parts = hash;
  hash.extend(request);
  const Bytes expected = unhex(
      "F035C2B2BAB116E0DCF6A74E26670604D1BF6DDA065913AF7C30E93C1F025AC3CE2DD44D4DE26524"
      "A785E5D8E06AF0BE1C74296FEF05B045C3793A12B32C49DF");
  EXPECT_EQ(Bytes(hash.value().begin(), hash.value().end()), expected);
  const ByteView parts[] = {ByteView(request).first(64), ByteView(request).subspan(64)};
  in_parts.extend(parts);
  EXPECT_EQ(Bytes(in_parts.value().begin(), in_parts.value().end()), expected);
}

TEST(Secret, PaddedFillsAndCuts) {
  EXPECT_EQ(revealed(Secret::padded(unhex("0102"), 4)), unhex("01020000"));
  EXPECT_EQ(revealed(Secret::padded(unhex("010203040506"), 4)), unhex("01020304"));
}

TEST(Secret, WhatIsWipedIsZero) {
  Bytes bytes(40, 0xff);
  wipe(bytes);
  EXPECT_EQ(bytes, Bytes(40));
}

TEST(Secret, NothingOfItStaysWhereItWas) {
  const Bytes key = unhex("a1b2c3d4e5f60718293a4b5c6d7e8f90");
  Secret from(key);
  const auto holds_key = [&] {
    const ByteView object(reinterpret_cast<const uint8_t*>(&from), sizeof from);
    return !std::ranges::search(object, key).empty();
  };
  EXPECT_TRUE(holds_key());
  const Secret to = std::move(from);
  EXPECT_FALSE(holds_key());
  EXPECT_EQ(revealed(to), key);
}

TEST(Secret, MovedFromIsEmpty) {
  Secret a(unhex("0102"));
  const Secret b = std::move(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.size(), 2u);
  a = b;
  EXPECT_EQ(a, b);
  Secret c;
  c = std::move(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(c, b);
  EXPECT_FALSE(Secret(unhex("01")) == b);
}

}  // namespace
}  // namespace braid::crypto

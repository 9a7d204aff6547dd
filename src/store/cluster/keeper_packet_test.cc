#include "store/cluster/keeper_packet.h"

#include <gtest/gtest.h>

#include "store/cluster/record_image.h"

namespace braid::store::cluster {
namespace {

template <class T>
Bytes encoded(const T& value) {
  Bytes bytes;
  wire::Writer w(bytes);
  value.encode(w);
  return bytes;
}
Result<KeeperPacket> decoded(ByteView bytes) {
  wire::Reader r(bytes);
  return KeeperPacket::decode(r);
}

TEST(KeeperPacket, EachFieldComesBack) {
  const Bytes piece{1, 2, 3};
  const KeeperPacket sent{.kind = KeeperPacket::Kind::kRecord,
                          .node = 2,
                          .life = 3,
                          .to_life = 4,
                          .worker = WorkerTag::make(2, 9),
                          .known = WorkerTag::make(1, 8),
                          .process = 77,
                          .is_serving = true,
                          .wants_answer = true,
                          .asked_at = 99,
                          .key = {RecordKind::kFile, 5, 6, 7},
                          .turn = 8,
                          .size = 10,
                          .offset = 7,
                          .piece = piece};
  const Bytes bytes = encoded(sent);
  const auto got = decoded(bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(encoded(*got), bytes);
  EXPECT_EQ(got->key, sent.key);
  EXPECT_EQ(got->worker, sent.worker);
  EXPECT_EQ(got->process, 77u);
  EXPECT_EQ(got->asked_at, 99);
  EXPECT_EQ(got->piece.size(), 3u);
}

TEST(KeeperPacket, WhatNoKeeperSendsIsRefused) {
  const KeeperPacket good{.kind = KeeperPacket::Kind::kRecord, .node = 1, .life = 1};
  ASSERT_TRUE(decoded(encoded(good)));
  const auto bad = [&](auto change) {
    KeeperPacket packet = good;
    change(packet);
    return decoded(encoded(packet)).error();
  };
  using P = KeeperPacket;
  EXPECT_EQ(bad([](P& p) { p.kind = P::Kind::kCount; }), Error::malformed());
  EXPECT_EQ(bad([](P& p) { p.node = kNodesMax; }), Error::malformed());
  EXPECT_EQ(bad([](P& p) { p.life = 0; }), Error::malformed());
  EXPECT_EQ(bad([](P& p) { p.worker = WorkerTag::make(2, 1); }), Error::malformed());
  EXPECT_EQ(bad([](P& p) { p.key.kind = RecordKind(9); }), Error::malformed());
  EXPECT_EQ(bad([](P& p) { p.size = P::kRecordMax + 1; }), Error::malformed());
  EXPECT_EQ(bad([](P& p) { p.offset = 1; }), Error::malformed());
  const Bytes piece(4, 0);
  EXPECT_EQ(bad([&](P& p) { p.size = 3, p.piece = piece; }), Error::malformed());
  EXPECT_EQ(bad([&](P& p) { p.size = ~uint64_t{0}, p.offset = ~uint64_t{0} - 1; }),
            Error::malformed());
  Bytes other = encoded(good);
  ++other[3];
  EXPECT_EQ(decoded(other).error(), Error::unsupported());
  const Bytes whole = encoded(good);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decoded(ByteView(whole).first(size))) << size;
  }
}

TEST(Home, WhatIsNoHomeIsRefused) {
  const Home home{.node = 3, .life = 4, .turn = 5};
  Bytes bytes = encoded(home);
  const auto read = [](ByteView of) {
    wire::Reader r(of);
    return Home::decode(r);
  };
  EXPECT_EQ(read(bytes), home);
  EXPECT_FALSE(read(ByteView(bytes).first(bytes.size() - 1)));
  ++bytes[0];
  EXPECT_EQ(read(bytes).error(), Error::unsupported());
  EXPECT_EQ(read(encoded(Home{.node = kNodesMax, .life = 4})).error(), Error::malformed());
  EXPECT_EQ(read(encoded(Home{.node = 1, .life = 0})).error(), Error::malformed());
}

TEST(Home, MemberIsReadAsItWasWritten) {
  const Member member{.life = 4, .keeper = 5, .worker = 6, .term_ms = 7, .is_over = true};
  Bytes bytes = encoded(member);
  const auto read = [](ByteView of) {
    wire::Reader r(of);
    return Member::decode(r);
  };
  EXPECT_EQ(read(bytes), member);
  EXPECT_FALSE(read(ByteView(bytes).first(bytes.size() - 1)));
  ++bytes[0];
  EXPECT_EQ(read(bytes).error(), Error::unsupported());
  EXPECT_EQ(read(encoded(Member{})).error(), Error::malformed());
  EXPECT_EQ(read(encoded(Member{.life = 4, .term_ms = Member::kTermMaxMs + 1})).error(),
            Error::malformed());
  EXPECT_NE(member_key(1), member_key(2));
}

Bytes image(uint64_t version, std::string_view value,
            const std::vector<std::pair<uint32_t, std::string>>& parts, uint32_t more = 0) {
  Bytes bytes;
  wire::Writer w(bytes);
  w.u8(RecordImage::kVersion);
  w.u64(version);
  w.u32(static_cast<uint32_t>(value.size()));
  w.bytes(as_bytes(value));
  w.u32(static_cast<uint32_t>(parts.size()) + more);
  for (const auto& [number, text] : parts) {
    w.u32(number);
    w.u32(static_cast<uint32_t>(text.size()));
    w.bytes(as_bytes(text));
  }
  return bytes;
}
Result<RecordImage> read_image(ByteView bytes) {
  wire::Reader r(bytes);
  return RecordImage::decode(r);
}

TEST(RecordImage, PartsAscendAndAreThere) {
  const Bytes good = image(7, "head", {{1, "a"}, {9, "b"}});
  const auto read = read_image(good);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->version, 7u);
  EXPECT_EQ(as_text(read->value), "head");
  ASSERT_EQ(read->parts.size(), 2u);
  EXPECT_EQ(as_text(read->parts[1].value), "b");
  EXPECT_TRUE(read_image(image(7, "", {})));
  EXPECT_FALSE(read_image(image(7, "", {{1, "a"}})));
  EXPECT_FALSE(read_image(image(7, "head", {{1, "a"}, {1, "b"}})));
  EXPECT_FALSE(read_image(image(7, "head", {{2, "a"}, {1, "b"}})));
  EXPECT_FALSE(read_image(image(7, "head", {{1, ""}})));
  EXPECT_FALSE(read_image(image(7, "head", {{kPartsMax, "a"}})));
  EXPECT_FALSE(read_image(image(~uint64_t{0}, "head", {})));
  EXPECT_FALSE(read_image(image(7, "head", {{1, "a"}}, 1)));
  EXPECT_FALSE(read_image(image(7, "head", {{1, "a"}}, 0xffffff00)));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(read_image(ByteView(good).first(size))) << size;
  }
}

}  // namespace
}  // namespace braid::store::cluster

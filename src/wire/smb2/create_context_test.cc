#include "wire/smb2/create_context.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/create_context_chain.h"

namespace braid::wire {
namespace {

Result<CreateRequestContexts> decode_request(std::string_view hex) {
  return decode_payload<CreateRequestContexts>(unhex(hex));
}

template <class IdType>
IdType id_filled_with(uint8_t value) {
  IdType id;
  id.bytes.fill(value);
  return id;
}

TEST(CreateContexts, EveryRequestContextGoesBothWays) {
  const Bytes ea = unhex("0102030405");
  const Bytes descriptor = unhex("01000480");
  const Bytes aapl = unhex("01000000");
  CreateRequestContexts c;
  c.ea_buffer = ea;
  c.sd_buffer = descriptor;
  c.durable_handle_request = true;
  c.durable_handle_reconnect = FileId{1, 2};
  c.durable_handle_request_v2 = {30000, DurableHandleFlags::kPersistent,
                                 id_filled_with<CreateGuid>(7)};
  c.durable_handle_reconnect_v2 = {FileId{3, 4}, id_filled_with<CreateGuid>(8), 2};
  c.allocation_size = 4096;
  c.query_maximal_access = QueryMaximalAccessRequest{FileTime{99}};
  c.timewarp_token = FileTime{100};
  c.query_on_disk_id = true;
  c.request_lease =
      LeaseContext{2, id_filled_with<LeaseKey>(1), 7, 4, id_filled_with<LeaseKey>(2), 5};
  c.app_instance_id = id_filled_with<AppInstanceId>(9);
  c.app_instance_version = AppInstanceVersion{1, 2};
  c.posix = PosixCreateRequest{0644};
  c.aapl = aapl;
  const Bytes list = encode_payload(c);
  const auto again = decode_payload<CreateRequestContexts>(list);
  ASSERT_TRUE(again);
  EXPECT_EQ(Bytes(again->ea_buffer->begin(), again->ea_buffer->end()), ea);
  EXPECT_EQ(Bytes(again->sd_buffer->begin(), again->sd_buffer->end()), descriptor);
  EXPECT_EQ(again->durable_handle_request_v2->flags, DurableHandleFlags::kPersistent);
  EXPECT_EQ(again->durable_handle_reconnect_v2->file_id, (FileId{3, 4}));
  EXPECT_EQ(again->query_maximal_access->timestamp, FileTime{99});
  EXPECT_EQ(again->timewarp_token, FileTime{100});
  EXPECT_EQ(again->request_lease, c.request_lease);
  EXPECT_EQ(again->app_instance_id, c.app_instance_id);
  EXPECT_EQ(again->app_instance_version, c.app_instance_version);
  EXPECT_EQ(again->posix->mode, 0644u);
  EXPECT_EQ(encode_payload(*again), list);
}

TEST(CreateContexts, EveryResponseContextGoesBothWays) {
  const Bytes owner = unhex("01 01 000000000005 12000000");
  const Bytes group = unhex("01 02 000000000005 20000000 20020000");
  CreateResponseContexts c;
  c.durable_handle_response = true;
  c.query_maximal_access = {NtStatus::kSuccess, Access::kFileAllAccess};
  c.query_on_disk_id = {11, 22};
  c.response_lease = LeaseContext{1, id_filled_with<LeaseKey>(1), 3, 0, {}, 0};
  c.durable_handle_response_v2 = {60000, 0};
  c.posix = PosixCreateResponse{1, 0, 0755, owner, group};
  const Bytes list = encode_payload(c);
  const auto again = decode_payload<CreateResponseContexts>(list);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->query_on_disk_id->volume_id, 22u);
  EXPECT_EQ(Bytes(again->posix->group_sid.begin(), again->posix->group_sid.end()), group);
  EXPECT_EQ(encode_payload(*again), list);
}

TEST(CreateContexts, QueryMaximalAccessMayComeWithoutTimestamp) {
  const auto contexts = decode_request("00000000 1000 0400 0000 0000 00000000 4D784163");
  ASSERT_TRUE(contexts);
  ASSERT_TRUE(contexts->query_maximal_access);
  EXPECT_FALSE(contexts->query_maximal_access->timestamp);
}

TEST(CreateContexts, UnknownNamesAreSkippedAndTheFirstOfTwoCounts) {
  const auto contexts = decode_request(
      "18000000 1000 0400 0000 0000 00000000 58585858 00000000"
      "20000000 1000 0400 0000 1800 08000000 416C5369 00000000 0100000000000000"
      "00000000 1000 0400 0000 1800 08000000 416C5369 00000000 0200000000000000");
  ASSERT_TRUE(contexts);
  EXPECT_EQ(contexts->allocation_size, 1u);
}

TEST(CreateContexts, EmptyListHasNoContexts) {
  const auto contexts = decode_request("");
  ASSERT_TRUE(contexts);
  EXPECT_TRUE(contexts->empty());
}

TEST(CreateContexts, BrokenChainsAreMalformed) {
  const std::string_view cases[] = {
      "00000000 1000 0400 0000 0000",                             // head cut
      "04000000 1000 0400 0000 0000 00000000 51466964 00000000",  // Next off its alignment
      "08000000 1000 0400 0000 0000 00000000 51466964 00000000",  // Next inside the head
      "18000000 1000 0400 0000 0000 00000000 51466964 00000000",  // Next at the very end
      "F0FFFFFF 1000 0400 0000 0000 00000000 51466964 00000000",  // Next far away
      "00000000 1000 0200 0000 0000 00000000 5146",               // name too short
      "00000000 0800 0400 0000 0000 00000000 51466964",           // name inside the head
      "00000000 1000 FFFF 0000 0000 00000000 51466964",           // name past the end
      "00000000 1000 0400 0000 1000 04000000 51466964",           // data over the name
      "00000000 1000 0400 0000 1400 FFFFFFFF 51466964",           // data past the end
      "00000000 1000 0400 0000 0000 04000000 51466964",           // data without an offset
      "18000000 1000 0400 0000 1400 08000000 51466964 00000000"   // data into the next link
      "00000000 1000 0400 0000 0000 00000000 51466964",
  };
  for (std::string_view hex : cases) {
    EXPECT_EQ(decode_request(hex).error(), Error::malformed()) << hex;
  }
}

TEST(CreateContexts, KnownNameWithWrongLengthIsMalformed) {
  for (std::string_view name : {"44486E51", "44486E43", "44483251", "44483243", "416C5369",
                                "4D784163", "54577270", "52714C73"}) {
    const std::string hex =
        "00000000 1000 0400 0000 1800 03000000" + std::string(name) + "00000000 010203";
    EXPECT_EQ(decode_request(hex).error(), Error::malformed()) << name;
  }
}

TEST(CreateContexts, TooManyAreMalformed) {
  std::string hex;
  for (size_t i = 0; i <= CreateRequestContexts::kCountMax; ++i) {
    hex += "18000000 1000 0400 0000 0000 00000000 58585858 00000000";
  }
  hex += "00000000 1000 0400 0000 0000 00000000 58585858";
  EXPECT_EQ(decode_request(hex).error(), Error::malformed());
}

TEST(CreateContexts, PosixResponseWithTooManySubAuthoritiesIsMalformed) {
  const Bytes sids = unhex("01 10 000000000005 00000000");
  CreateResponseContexts c;
  c.posix = PosixCreateResponse{1, 0, 0755, sids, {}};
  EXPECT_EQ(decode_payload<CreateResponseContexts>(encode_payload(c)).error(), Error::malformed());
}

// Whether a context of that name with so much data is taken.
template <class Contexts>
bool takes(std::string_view name, size_t size) {
  Bytes list;
  Writer w(list);
  CreateContextChain chain(w);
  chain.add(name, [&] { w.zeros(size); });
  return decode_payload<Contexts>(list).has_value();
}

TEST(CreateContexts, DataOfKnownNamesHasItsSizeAndNoOther) {
  const struct {
    std::string_view name;
    std::vector<size_t> sizes;
  } requests[] = {{"DHnQ", {16}}, {"DHnC", {16}}, {"DH2Q", {32}},     {"DH2C", {36}},
                  {"AlSi", {8}},  {"TWrp", {8}},  {"RqLs", {32, 52}}, {"MxAc", {0, 8}}};
  for (const auto& each : requests) {
    for (size_t size = 0; size < 80; ++size) {
      EXPECT_EQ(takes<CreateRequestContexts>(each.name, size),
                std::ranges::find(each.sizes, size) != each.sizes.end())
          << each.name << " of " << size;
    }
  }
  for (size_t size = 0; size < 80; ++size) {
    EXPECT_EQ(takes<CreateResponseContexts>("QFid", size), size == 32) << size;
    EXPECT_EQ(takes<CreateResponseContexts>("RqLs", size), size == 32 || size == 52) << size;
    EXPECT_TRUE(takes<CreateRequestContexts>("ExtA", size)) << size;
    EXPECT_TRUE(takes<CreateRequestContexts>("SecD", size)) << size;
    EXPECT_TRUE(takes<CreateRequestContexts>("XXXX", size)) << size;
  }
}

TEST(CreateContexts, AsManyAsTheLimitAreTaken) {
  Bytes list;
  Writer w(list);
  CreateContextChain chain(w);
  for (size_t i = 0; i < CreateRequestContexts::kCountMax; ++i) chain.add("XXXX", [] {});
  EXPECT_TRUE(decode_payload<CreateRequestContexts>(list));
  EXPECT_TRUE(decode_payload<CreateResponseContexts>(list));
  chain.add("XXXX", [] {});
  EXPECT_EQ(decode_payload<CreateRequestContexts>(list).error(), Error::malformed());
  EXPECT_EQ(decode_payload<CreateResponseContexts>(list).error(), Error::malformed());
}

// One at a time, so that each of them alone is more than nothing.
TEST(CreateContexts, EmptyIsWhatHasNoContextAtAll) {
  EXPECT_TRUE(CreateRequestContexts{}.empty());
  EXPECT_TRUE(CreateResponseContexts{}.empty());
  for (const std::string_view name : {"ExtA", "SecD", "DHnQ", "DHnC", "DH2Q", "DH2C", "AlSi",
                                      "MxAc", "TWrp", "QFid", "RqLs", "AAPL"}) {
    for (const size_t size : {0u, 8u, 16u, 32u, 36u}) {
      Bytes list;
      Writer w(list);
      CreateContextChain chain(w);
      chain.add(name, [&] { w.zeros(size); });
      const auto request = decode_payload<CreateRequestContexts>(list);
      if (request) EXPECT_FALSE(request->empty()) << name;
      const auto response = decode_payload<CreateResponseContexts>(list);
      const bool answered = name == "DHnQ" || name == "MxAc" || name == "QFid" || name == "RqLs" ||
                            name == "DH2Q" || name == "AAPL";
      if (response) EXPECT_NE(response->empty(), answered) << name;
    }
  }
}

}  // namespace
}  // namespace braid::wire

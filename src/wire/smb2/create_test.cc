#include "wire/smb2/create.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/captures_testing.h"
#include "wire/smb2/codec_testing.h"
#include "wire/smb2/header.h"

namespace braid::wire {
namespace {

template <class IdType>
IdType id_of(std::string_view hex) {
  const Bytes bytes = unhex(hex);
  Reader r(bytes);
  return r.id128<IdType>();
}

uint32_t u32_at(ByteView message, size_t offset) {
  Reader r(message, offset);
  return r.u32();
}

TEST(CreateRequest, SmbtortureReconnectsDurableV2) {
  const Bytes message = unhex(captures::kCreateRequestReconnectV2);
  const auto request = decode_body<CreateRequest>(message);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->name.starts_with("durable_v2_open_reopen1a_lease_"));
  ASSERT_TRUE(request->contexts.durable_handle_reconnect_v2);
  EXPECT_EQ(request->contexts.durable_handle_reconnect_v2->file_id,
            (FileId{0xae9d9ed4, 0xabf68535}));
  EXPECT_EQ(request->contexts.durable_handle_reconnect_v2->create_guid,
            id_of<CreateGuid>("e555584e9583454f913bb3accd8acda8"));
  ASSERT_TRUE(request->contexts.request_lease);
  EXPECT_EQ(request->contexts.request_lease->version, 1);
  EXPECT_EQ(request->contexts.request_lease->lease_state, LeaseState::kAll);
}

TEST(CreateRequest, SmbtortureSendsBothDurableContexts) {
  const auto request = decode_body<CreateRequest>(unhex(captures::kCreateRequestDurable));
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->contexts.durable_handle_request);
  ASSERT_TRUE(request->contexts.durable_handle_reconnect);
  EXPECT_EQ(request->contexts.durable_handle_reconnect->persistent, 0xc3414231u);
}

TEST(CreateRequest, AllocationSizeIsRead) {
  const auto request = decode_body<CreateRequest>(unhex(captures::kCreateRequestAllocationSize));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->contexts.allocation_size, 0x100000u);
  EXPECT_EQ(request->create_disposition, CreateDisposition::kCreate);
  EXPECT_EQ(request->share_access, 0u);
  EXPECT_EQ(request->desired_access, Access::kFileAllAccess);
}

// [MS-SMB2] 4.9 "Replay Create Request on an Alternate Channel".
TEST(CreateRequest, ReplayExampleHasTheOffsetsOfTheSpecification) {
  CreateRequest request;
  request.requested_oplock_level = OplockLevel::kLease;
  request.desired_access = 0x12019F;
  request.file_attributes = 0x20;
  request.share_access = ShareAccess::kAll;
  request.create_disposition = CreateDisposition::kOpenIf;
  request.create_options = CreateOptions::kNonDirectoryFile;
  request.name = "Replay.txt";
  request.contexts.durable_handle_request_v2 =
      DurableHandleRequestV2{0, 0, id_of<CreateGuid>("7039AA331AEFA4604BF111F5F9FBBFDB")};
  LeaseContext lease;
  lease.version = 2;
  lease.lease_key = id_of<LeaseKey>("E0330E5A8A47A79F4286B52390B5857B");
  lease.lease_state = LeaseState::kAll;
  lease.lease_flags = LeaseFlags::kParentLeaseKeySet;
  lease.parent_lease_key = id_of<LeaseKey>("AD4E4F5BE6B097B9422250FADEC1FD86");
  request.contexts.request_lease = lease;
  const Bytes message = encode_body(request);
  EXPECT_EQ(u32_at(message, Header::kSize + 44), 0x00140078u);  // NameOffset 120, NameLength 20
  EXPECT_EQ(u32_at(message, Header::kSize + 48), 144u);
  EXPECT_EQ(u32_at(message, Header::kSize + 52), 132u);
  const auto again = decode_body<CreateRequest>(message);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->contexts.request_lease, lease);
  EXPECT_EQ(encode_body(*again), message);
}

// The same section; the response carries RqLs before DH2Q.
TEST(CreateResponse, ReplayExampleHasTheOffsetsOfTheSpecification) {
  CreateResponse response;
  response.oplock_level = OplockLevel::kLease;
  response.file_id = {0x10000010000001D, 0x10100000001};
  LeaseContext lease;
  lease.version = 2;
  lease.lease_state = LeaseState::kAll;
  lease.epoch = 1;
  response.contexts.response_lease = lease;
  response.contexts.durable_handle_response_v2 = DurableHandleResponseV2{60000, 0};
  const Bytes message = encode_body(response);
  EXPECT_EQ(u32_at(message, Header::kSize + 80), 152u);
  EXPECT_EQ(u32_at(message, Header::kSize + 84), 112u);
  const auto again = decode_body<CreateResponse>(message);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->contexts.response_lease, lease);
  EXPECT_EQ(again->contexts.durable_handle_response_v2->timeout_ms, 60000u);
}

TEST(CreateResponse, SmbdGrantsDurableV2WithLease) {
  const auto response = decode_body<CreateResponse>(unhex(captures::kCreateResponseDurableV2));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->oplock_level, OplockLevel::kLease);
  EXPECT_EQ(response->create_action, CreateAction::kCreated);
  EXPECT_EQ(response->file_id, (FileId{0xae9d9ed4, 0xabf68535}));
  EXPECT_EQ(response->contexts.durable_handle_response_v2->timeout_ms, 300'000u);
  EXPECT_EQ(response->contexts.response_lease->lease_state, LeaseState::kAll);
}

// [MS-SMB2] 4.5 "Reading from a Remote File".
TEST(CreateResponse, ExampleWithoutContextsEncodes) {
  CreateResponse response;
  response.oplock_level = OplockLevel::kBatch;
  response.creation_time = {0x1C6A6C24D51DF20};
  response.last_access_time = {0x1C6A6C2500DB360};
  response.last_write_time = {0x1C6A6C2500DB360};
  response.change_time = {0x1C6A6C2500DB360};
  response.allocation_size = 104;
  response.end_of_file = 98;
  response.file_attributes = 0x20;
  response.file_id = {0x11, 0xFFFFFFFF00000009};
  Bytes out;
  Writer w(out);
  response.encode(w);
  EXPECT_EQ(out, unhex("5900 09 00 01000000 20DF514DC2A6C601 60B30D50C2A6C601 60B30D50C2A6C601"
                       "60B30D50C2A6C601 6800000000000000 6200000000000000 20000000 00000000"
                       "1100000000000000 09000000FFFFFFFF 00000000 00000000"));
}

TEST(CreateRequest, EmptyNameSendsOneByteOfBuffer) {
  const Bytes message = encode_body(CreateRequest{});
  EXPECT_EQ(message.size(), Header::kSize + 57);
  const auto again = decode_body<CreateRequest>(message);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->name, "");
}

TEST(CreateRequest, NamesOutsideAsciiGoBothWays) {
  CreateRequest request;
  request.name = "d\u00E4\U0001F600\\x";
  EXPECT_EQ(decode_body<CreateRequest>(encode_body(request))->name, request.name);
}

TEST(CreateRequest, OddNameLengthIsMalformed) {
  Bytes message = unhex(captures::kCreateRequestPlain);
  message[Header::kSize + 46] -= 1;
  EXPECT_EQ(decode_body<CreateRequest>(message).error(), Error::malformed());
}

TEST(CreateRequest, NamePastTheEndIsTruncated) {
  Bytes message = unhex(captures::kCreateRequestPlain);
  message[Header::kSize + 47] = 1;
  EXPECT_EQ(decode_body<CreateRequest>(message).error(), Error::truncated());
}

TEST(CreateRequest, NameInsideTheHeaderIsMalformed) {
  Bytes message = unhex(captures::kCreateRequestPlain);
  message[Header::kSize + 44] = 0;
  EXPECT_EQ(decode_body<CreateRequest>(message).error(), Error::malformed());
}

}  // namespace
}  // namespace braid::wire

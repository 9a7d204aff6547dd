// Every captured message decodes, and encodes to the very same bytes.
#include "wire/smb2/captures_testing.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "wire/smb2/round_trip_testing.h"
#include "wire/smb2/smb1_negotiate.h"

namespace braid::wire {
namespace {

Header header_of(ByteView message) {
  Reader r(message);
  const auto header = Header::decode(r);
  EXPECT_TRUE(header);
  return header.value_or(Header{});
}

TEST(Captures, RequestsComeBackByteForByte) {
  const std::string_view all[] = {
      captures::kSessionSetupRequest,
      captures::kLogoffRequest,
      captures::kTreeConnectRequest,
      captures::kTreeDisconnectRequest,
      captures::kCreateRequestPlain,
      captures::kCreateRequestDurableV2,
      captures::kCreateRequestReconnectV2,
      captures::kCreateRequestDurable,
      captures::kCreateRequestSecurityDescriptor,
      captures::kCreateRequestEa,
      captures::kCloseRequest,
      captures::kReadRequest,
      captures::kWriteRequest,
      captures::kLockRequest,
      captures::kIoctlCopychunkRequest,
      captures::kCancelRequest,
      captures::kQueryDirectoryRequest,
      captures::kChangeNotifyRequest,
      captures::kQueryInfoRequest,
      captures::kSetInfoRequest,
      captures::kOplockBreakAcknowledgment,
      captures::kLeaseBreakAcknowledgment,
  };
  for (std::string_view capture : all) {
    const Bytes message = unhex(capture);
    const Header header = header_of(message);
    EXPECT_FALSE(header.is_response());
    EXPECT_EQ(reencode_request(header.command, message), message) << name_of(header.command);
  }
}

// The client has put something into SmbCreateFlags, which is reserved.
TEST(Captures, ReservedFieldsAreNotKept) {
  Bytes message = unhex(captures::kCreateRequestAllocationSize);
  constexpr size_t kSmbCreateFlagsOffset = Header::kSize + 8;
  EXPECT_EQ(message[kSmbCreateFlagsOffset], 0x10);
  message[kSmbCreateFlagsOffset] = 0;
  EXPECT_EQ(reencode_request(Command::kCreate, message), message);
}

TEST(Captures, ResponsesComeBackByteForByte) {
  const std::string_view all[] = {
      captures::kNegotiateResponse,       captures::kNegotiateResponseWildcard,
      captures::kSessionSetupResponse,    captures::kLogoffResponse,
      captures::kTreeConnectResponse,     captures::kCreateResponsePlain,
      captures::kCloseResponse,           captures::kReadResponse,
      captures::kWriteResponse,           captures::kIoctlNetworkInterfaceInfoResponse,
      captures::kIoctlResumeKeyResponse,  captures::kIoctlCopychunkResponse,
      captures::kQueryDirectoryResponse,  captures::kChangeNotifyResponse,
      captures::kQueryInfoResponse,       captures::kSetInfoResponse,
      captures::kOplockBreakNotification, captures::kLeaseBreakNotification,
      captures::kLeaseBreakResponse,
  };
  for (std::string_view capture : all) {
    const Bytes message = unhex(capture);
    const Header header = header_of(message);
    EXPECT_TRUE(header.is_response());
    EXPECT_EQ(reencode_response(header.command, message), message) << name_of(header.command);
  }
}

TEST(Captures, ErrorResponseComesBackByteForByte) {
  const Bytes message = unhex(captures::kErrorResponse);
  EXPECT_EQ(header_of(message).status, NtStatus::kObjectNameNotFound);
  EXPECT_EQ(reencode_as<ErrorResponse>(message), message);
}

TEST(Captures, Smb1NegotiateComesBackButForFieldsNobodyReads) {
  const Bytes message = unhex(captures::kSmb1Negotiate);
  Reader r(message);
  const auto request = Smb1NegotiateRequest::decode(r);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->offers(Smb1NegotiateRequest::kSmb2002));
  EXPECT_TRUE(request->offers(Smb1NegotiateRequest::kSmb2Wildcard));
  EXPECT_FALSE(request->offers("SMB 2"));
  EXPECT_EQ(request->dialects.front(), "NT LANMAN 1.0");
  Bytes again;
  Writer w(again);
  request->encode(w);
  EXPECT_EQ(again.size(), message.size());
  EXPECT_EQ(reencode_payload_as<Smb1NegotiateRequest>(again), again);
}

// A message that loses its end must be an error or leave something out; never read past the end.
TEST(Captures, CutMessagesNeverDecodeToMore) {
  const std::string_view all[] = {
      captures::kNegotiateRequest,      captures::kCreateRequestDurableV2,
      captures::kIoctlCopychunkRequest, captures::kLockRequest,
      captures::kSetInfoRequest,        captures::kWriteRequest};
  for (std::string_view capture : all) {
    const Bytes message = unhex(capture);
    const Command command = header_of(message).command;
    for (size_t size = 0; size < message.size(); ++size) {
      const Bytes cut(message.begin(), message.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_NE(reencode_request(command, cut), message);
    }
  }
}

}  // namespace
}  // namespace braid::wire

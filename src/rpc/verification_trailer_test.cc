#include "rpc/verification_trailer.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"

namespace braid::rpc {
namespace {

constexpr char kSignature[] = "8ae3137102f43671";
// 12345778-1234-abcd-ef00-0123456789ab version 0, then NDR: lsarpc's.
constexpr char kSyntaxes[] =
    "785734123412cdabef000123456789ab00000000"
    "045d888aeb1cc9119fe808002b10486002000000";

VerifiedRequest request() {
  VerifiedRequest request{.call_id = 7, .context_id = 1, .opnum = 15};
  const Bytes syntaxes = unhex(kSyntaxes);
  DrepReader r(wire::Reader(syntaxes), wire::ByteOrder::kLittle);
  request.abstract_syntax = SyntaxId::decode(r);
  request.transfer_syntax = SyntaxId::decode(r);
  request.header_signing = true;
  return request;
}

Bytes bitmask(const std::string& command = "0100") { return unhex(command + "0400" + "01000000"); }
Bytes pcontext(const std::string& command = "0200") { return unhex(command + "2800" + kSyntaxes); }
Bytes header2(const std::string& command = "0340") {
  return unhex(command + "1000" + "00000000" + "10000000" + "07000000" + "0100" + "0f00");
}

Bytes stub_with(const std::vector<Bytes>& commands) {
  Bytes stub = unhex(std::string("aabbccdd") + kSignature);
  for (const Bytes& command : commands) stub.insert(stub.end(), command.begin(), command.end());
  return stub;
}

bool agrees(const Bytes& stub, const VerifiedRequest& said = request()) {
  const auto checked = check_verification_trailer(stub, said);
  if (!checked) EXPECT_EQ(checked.error(), Error(NtStatus::kAccessDenied));
  return checked.has_value();
}

TEST(VerificationTrailer, WhatAgreesIsTaken) {
  EXPECT_TRUE(agrees(stub_with({bitmask(), pcontext(), header2()})));
  EXPECT_TRUE(agrees(stub_with({header2()})));
  EXPECT_TRUE(agrees({}));
  EXPECT_TRUE(agrees(unhex("aabbccdd")));
}

TEST(VerificationTrailer, EachContradictionIsRefused) {
  const Bytes stub = stub_with({bitmask(), pcontext(), header2()});
  VerifiedRequest said = request();
  said.call_id = 8;
  EXPECT_FALSE(agrees(stub, said));
  said = request();
  said.context_id = 0;
  EXPECT_FALSE(agrees(stub, said));
  said = request();
  said.opnum = 14;
  EXPECT_FALSE(agrees(stub, said));
  said = request();
  said.abstract_syntax.version = 1;
  EXPECT_FALSE(agrees(stub, said));
  said = request();
  said.transfer_syntax.uuid.bytes[3] ^= 1;
  EXPECT_FALSE(agrees(stub, said));
  // Somebody took the flag out of the client's bind.
  said = request();
  said.header_signing = false;
  EXPECT_FALSE(agrees(stub, said));
}

TEST(VerificationTrailer, UnknownCommandsAreIgnoredUnlessTheyMustBeProcessed) {
  EXPECT_TRUE(agrees(stub_with({unhex("0900 0400 00000000"), header2()})));
  EXPECT_FALSE(agrees(stub_with({unhex("0980 0400 00000000"), header2()})));
}

TEST(VerificationTrailer, BytesThatOnlyLookLikeOneAreStubData) {
  EXPECT_TRUE(agrees(stub_with({})));
  EXPECT_TRUE(agrees(stub_with({unhex("0340")})));
  for (size_t cut = 1; cut < header2().size(); ++cut) {
    Bytes stub = stub_with({header2()});
    stub.resize(stub.size() - cut);
    EXPECT_TRUE(agrees(stub)) << cut;
  }
  // Wrong length, and no end.
  EXPECT_TRUE(agrees(stub_with({unhex("0340 0800 00000000 10000000")})));
  EXPECT_TRUE(agrees(stub_with({bitmask()})));
  // Far in front of the end.
  VerifiedRequest said = request();
  said.opnum = 14;
  Bytes stub = stub_with({header2()});
  stub.resize(4096);
  EXPECT_TRUE(agrees(stub, said));
}

}  // namespace
}  // namespace braid::rpc

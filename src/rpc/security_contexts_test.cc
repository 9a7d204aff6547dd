// Logons within a conversation, with NTLM. What other clients do is in tests/programs and
// tests/kerberos.
#include "rpc/security_contexts.h"

#include <gtest/gtest.h>

#include "rpc/interface.h"
#include "rpc/pipe_testing.h"
#include "rpc/secured_client_testing.h"

namespace braid::rpc {
namespace {

constexpr uint16_t kRemoteTod = 28;  // NetrRemoteTOD: of anybody
const Bytes kRemoteTodStub(4);       // no server name

class Secured : public testing::Test {
 protected:
  Secured() : registry_(pipes_.directory.directory(), &logons_.authenticator()) {
    pipes_.caller.account_name = "session";
    pipe_ = registry_.open("srvsvc", pipes_.caller).value();
  }

  // What comes of bytes, with the logons in them; the answers are left to be read.
  Result<void> write(ByteView bytes) {
    BRAID_CHECK(pipe_->write(pipes_.caller, bytes));
    return judge_logons(*pipe_, pipes_.caller);
  }
  Bytes read() {
    const auto got = pipe_->read(65536);
    return got ? got->data : Bytes();
  }
  Bytes answer(ByteView bytes) { return write(bytes) ? read() : Bytes(); }
  void log_on(SecuredClient& client) {
    const Bytes ack = answer(client.bind());
    ASSERT_TRUE(write(client.auth3(ack)));
    ASSERT_EQ(pipe_->readable_size(), 0u);
  }
  static PduType type_of(const Bytes& pdu) {
    return pdu.size() > 2 ? static_cast<PduType>(pdu[2]) : PduType::kOrphaned;
  }
  static uint32_t fault_status(const Bytes& pdu) {
    uint32_t status = 0;
    if (type_of(pdu) == PduType::kFault && pdu.size() >= 28) std::memcpy(&status, &pdu[24], 4);
    return status;
  }
  static SecuredClient client(AuthLevel level) {
    return SecuredClient(level, srvsvc_interface().syntax);
  }

  auth::AuthFixture logons_;
  PipeFixture pipes_;
  PipeRegistry registry_;
  std::unique_ptr<Pipe> pipe_;
};

TEST_F(Secured, WhatIsBehindALogonWaitsForIt) {
  auto c = client(AuthLevel::kPrivacy);
  const Bytes ack = answer(c.bind());
  Bytes both = c.auth3(ack);
  const Bytes request = c.request(kRemoteTod, kRemoteTodStub);
  both.insert(both.end(), request.begin(), request.end());
  ASSERT_TRUE(pipe_->write(pipes_.caller, both));
  EXPECT_TRUE(pipe_->logon_due());
  EXPECT_EQ(pipe_->readable_size(), 0u);
  EXPECT_EQ(pipe_->write(pipes_.caller, request).error(), Error(NtStatus::kPipeBusy));
  ASSERT_TRUE(judge_logons(*pipe_, pipes_.caller));
  EXPECT_EQ(type_of(read()), PduType::kResponse);
}

TEST_F(Secured, EachLevelIsServed) {
  for (const AuthLevel level : {AuthLevel::kDefault, AuthLevel::kConnect, AuthLevel::kCall,
                                AuthLevel::kPacket, AuthLevel::kIntegrity, AuthLevel::kPrivacy}) {
    pipe_ = registry_.open("srvsvc", pipes_.caller).value();
    auto c = client(level);
    log_on(c);
    const Bytes response = answer(c.request(kRemoteTod, kRemoteTodStub));
    EXPECT_EQ(type_of(response), PduType::kResponse);
    wire::Reader r(response);
    const bool is_signed = level >= AuthLevel::kCall;  // which is kPacket
    EXPECT_EQ(PduHeader::decode(r)->auth_length, is_signed ? 16 : 0);
  }
}

TEST_F(Secured, UnknownTypesAndLevelsAreNotRecognized) {
  for (const size_t at : {size_t{0}, size_t{1}}) {
    auto c = client(AuthLevel::kIntegrity);
    Bytes bind = c.bind();
    bind[72 + at] = 7;
    const Bytes nak = answer(bind);
    ASSERT_EQ(type_of(nak), PduType::kBindNak);
    EXPECT_EQ(nak[16], 8);
  }
  // NTLM under the number of Kerberos.
  auto c = client(AuthLevel::kIntegrity);
  Bytes bind = c.bind();
  bind[72] = 16;
  const Bytes nak = answer(bind);
  ASSERT_EQ(type_of(nak), PduType::kBindNak);
  EXPECT_EQ(nak[16], 9);
}

TEST_F(Secured, FragmentsOfACallThatIsOverAreDropped) {
  auto c = client(AuthLevel::kIntegrity);
  log_on(c);
  ASSERT_TRUE(write(c.request(kRemoteTod, {}, pfc::kFirstFragment)));
  Bytes orphaned = SecuredClient::pdu(PduType::kOrphaned, 3, {});
  ASSERT_TRUE(write(orphaned));
  ASSERT_TRUE(write(c.request(kRemoteTod, kRemoteTodStub, pfc::kLastFragment)));
  EXPECT_EQ(pipe_->readable_size(), 0u);
  EXPECT_EQ(type_of(answer(c.request(kRemoteTod, kRemoteTodStub))), PduType::kResponse);
}

TEST_F(Secured, PaddingLongerThanTheBodyEndsTheConversation) {
  auto c = client(AuthLevel::kConnect);
  log_on(c);
  Bytes pdu = c.request(kRemoteTod, kRemoteTodStub);
  pdu[pdu.size() - 16 - 6] = 17;
  EXPECT_EQ(fault_status(answer(pdu)), 0x721u);
  EXPECT_EQ(write(pdu).error(), Error(NtStatus::kPipeDisconnected));
}

TEST_F(Secured, SecondLogonUnderTheSameNumberEndsTheConversation) {
  auto c = client(AuthLevel::kIntegrity);
  log_on(c);
  Bytes alter = client(AuthLevel::kIntegrity).bind();
  alter[2] = static_cast<uint8_t>(PduType::kAlterContext);
  EXPECT_EQ(fault_status(answer(alter)), 0x1c01000bu);
}

TEST_F(Secured, ContextsAreBounded) {
  auto c = client(AuthLevel::kIntegrity);
  log_on(c);
  for (uint8_t number = 1;; ++number) {
    Bytes alter = client(AuthLevel::kIntegrity).bind();
    alter[2] = static_cast<uint8_t>(PduType::kAlterContext);
    alter[72 + 4] = number;
    const Bytes got = answer(alter);
    if (number < SecurityContexts::kContextsMax) {
      ASSERT_EQ(type_of(got), PduType::kAlterContextResponse);
      continue;
    }
    EXPECT_EQ(fault_status(got), 0x6c0u);
    break;
  }
  // The first goes on.
  EXPECT_EQ(type_of(answer(c.request(kRemoteTod, kRemoteTodStub))), PduType::kResponse);
}

TEST_F(Secured, WrongPasswordIsToldToTheFirstCall) {
  SecuredClient c(AuthLevel::kConnect, srvsvc_interface().syntax, "wrong");
  log_on(c);
  EXPECT_EQ(fault_status(answer(c.request(kRemoteTod, kRemoteTodStub))), 5u);
  EXPECT_EQ(pipe_->read(100).error(), Error(NtStatus::kPipeDisconnected));
}

}  // namespace
}  // namespace braid::rpc

// FSCTL_VALIDATE_NEGOTIATE_INFO: [MS-SMB2] 3.3.5.15.12.
#include "wire/smb2/validate_negotiate_info.h"

#include "smb2/commands/ioctl/fsctl_testing.h"
#include "wire/smb2/echo.h"

namespace braid::smb2 {
namespace {

using wire::Dialect;
using wire::Fsctl;
using wire::ValidateNegotiateInfoRequest;
using enum NtStatus;

struct ValidateNegotiateInfo : testing::Test {
  // What a client of the fixture below has said.
  static ValidateNegotiateInfoRequest as_said(Dialect dialect = Dialect::kSmb302) {
    return {.capabilities = wire::Capabilities::kEncryption | wire::Capabilities::kLeasing |
                            wire::Capabilities::kPersistentHandles |
                            wire::Capabilities::kMultiChannel,
            .guid = ClientGuid{{7}},
            .security_mode = 1,
            .dialects = {dialect}};
  }
  // Of a client of its own; empty: its connection was ended.
  Bytes ask(const ValidateNegotiateInfoRequest& info, uint32_t room = 24,
            Dialect dialect = Dialect::kSmb302) {
    RawClient client(engine);
    EXPECT_TRUE(client.log_on(dialect));
    const auto told = Fsctls::ask(client, Fsctl::kValidateNegotiateInfo, FileId::all_ones(),
                                  Fsctls::encoded(info), room);
    if (told.status != kSuccess) EXPECT_TRUE(client.is_dropped());
    return told.output;
  }
  Engine engine;
};

TEST_F(ValidateNegotiateInfo, AnswerIsThatOfTheNegotiate) {
  const auto told = Fsctls::decoded<wire::ValidateNegotiateInfoResponse>(ask(as_said()));
  EXPECT_EQ(told.capabilities, wire::Capabilities::kEncryption | wire::Capabilities::kLeasing |
                                   wire::Capabilities::kLargeMtu |
                                   wire::Capabilities::kMultiChannel);
  EXPECT_EQ(told.guid, Guid{{1}});
  EXPECT_EQ(told.security_mode, wire::SecurityMode::kSigningEnabled);
  EXPECT_EQ(told.dialect, Dialect::kSmb302);
}

TEST_F(ValidateNegotiateInfo, AnythingElseThanWasSaidEndsTheConnection) {
  EXPECT_FALSE(ask(as_said()).empty());
  EXPECT_TRUE(ask(as_said(), 23).empty());
  auto other = as_said();
  other.capabilities ^= wire::Capabilities::kDfs;
  EXPECT_TRUE(ask(other).empty());
  other = as_said();
  other.guid.bytes[15] ^= 1;
  EXPECT_TRUE(ask(other).empty());
  other = as_said();
  other.security_mode = 2;
  EXPECT_TRUE(ask(other).empty());
  other = as_said();
  other.dialects = {Dialect::kSmb302, Dialect::kSmb311};
  EXPECT_TRUE(ask(other).empty());
  other.dialects = {Dialect::kSmb210};
  EXPECT_TRUE(ask(other).empty());
}

TEST_F(ValidateNegotiateInfo, InTheLatestDialectNobodyAsks) {
  EXPECT_TRUE(ask(as_said(Dialect::kSmb311), 24, Dialect::kSmb311).empty());
}

}  // namespace
}  // namespace braid::smb2

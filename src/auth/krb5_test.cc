// Kerberos logons against a throw-away KDC on a loopback port (tests/kdc/start_kdc.sh). Skipped
// where no KDC is installed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "auth/auth_fixture_testing.h"
#include "auth/krb5_acceptor.h"
#include "base/hex_testing.h"
#include "wire/spnego/neg_token.h"

namespace braid::auth {
namespace {

constexpr char kStartKdc[] = "tests/kdc/start_kdc.sh";  // tests run in the source folder

class Krb5Logon : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!std::filesystem::exists("/usr/sbin/krb5kdc") || !std::filesystem::exists(kStartKdc)) {
      return;
    }
    dir_ = new StateDir();
    std::string dir = dir_->path();
    std::string script = kStartKdc;
    std::string pac = "pac";
    std::string alice = "alice=Wonder-1";
    std::string bob = "bob=Builder-1";
    char* arguments[] = {script.data(), dir.data(), pac.data(), alice.data(), bob.data(), nullptr};
    if (posix_spawn(&kdc_, kStartKdc, nullptr, nullptr, arguments, environ) != 0) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!std::filesystem::exists(dir + "/ready") && std::chrono::steady_clock::now() < end) {
      poll(nullptr, 0, 20);
    }
    setenv("KRB5_CONFIG", (dir + "/krb5.conf").c_str(), 1);
    ready_ = std::filesystem::exists(dir + "/ready") && take_ticket("alice", "Wonder-1") &&
             take_ticket("bob", "Builder-1");
  }
  static void TearDownTestSuite() {
    if (kdc_ > 0) {
      kill(kdc_, SIGTERM);
      waitpid(kdc_, nullptr, 0);
    }
    delete dir_;
    dir_ = nullptr;
  }
  void SetUp() override {
    if (dir_ == nullptr) GTEST_SKIP() << "no KDC here";
    ASSERT_TRUE(ready_);
  }

  static std::string cache_of(const std::string& user) {
    return "FILE:" + dir_->path() + "/cache." + user;
  }
  static bool take_ticket(const std::string& user, const std::string& password) {
    const std::string command =
        "echo '" + password + "' | kinit -c " + cache_of(user) + " " + user + " >/dev/null";
    return std::system(command.c_str()) == 0;
  }
  static AuthOptions with_keytab(const std::string& name = "server.keytab") {
    return {.server_name = "", .keytab = dir_->path() + "/" + name};
  }
  static std::unique_ptr<AuthInitiator> client(const std::string& user) {
    auto made = make_krb5_initiator("cifs@braid1.braid.test", cache_of(user));
    EXPECT_TRUE(made);
    return made ? *std::move(made) : nullptr;
  }

  static inline StateDir* dir_ = nullptr;
  static inline pid_t kdc_ = -1;
  static inline bool ready_ = false;
};

TEST_F(Krb5Logon, GivesIdentityKeysAndExpiry) {
  AuthFixture fixture(with_keytab());
  ASSERT_TRUE(fixture.is_ready());
  const auto initiator = client("alice");
  const auto server = fixture.authenticator().begin();
  const auto outcome =
      AuthFixture::run(*initiator, *server, fixture.authenticator().initial_hint());
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->identity->account_name, "Alice");
  EXPECT_EQ(outcome->identity->domain, "BRAID.TEST");
  EXPECT_EQ(server->claimed_account(), "alice@BRAID.TEST");
  // AES-256: SMB takes the first half, and the whole where the cipher has 256 bits.
  EXPECT_EQ(outcome->full_session_key.size(), 32u);
  EXPECT_EQ(outcome->session_key, crypto::Secret(outcome->full_session_key.reveal().first(16)));
  EXPECT_EQ(outcome->session_key, initiator->session_key());
  EXPECT_EQ(outcome->full_session_key, initiator->full_session_key());
  ASSERT_TRUE(outcome->expires_at);
  const uint64_t left = outcome->expires_at->ticks - system_clock().now().ticks;
  EXPECT_GT(left / kTicksPerSecond, 3600u);
  EXPECT_LE(left / kTicksPerSecond, 24u * 3600);
}

// What the Linux kernel client and Windows do when told to: the mechanism's token by itself.
TEST_F(Krb5Logon, RawTokenIsAccepted) {
  AuthFixture fixture(with_keytab());
  const auto init = wire::NegTokenInit::decode(client("alice")->step({})->token);
  ASSERT_TRUE(init);
  EXPECT_EQ(wire::token_kind(init->mech_token), wire::TokenKind::kRawKrb5);
  const auto server = fixture.authenticator().begin();
  // It is judged, and nobody knows yet whose it is.
  EXPECT_EQ(server->claim_to_judge(init->mech_token), "");
  EXPECT_EQ(server->claim_to_judge(init->encode()), "");
  const auto outcome = server->step(init->mech_token);
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->done);
  EXPECT_EQ(wire::token_kind(outcome->reply_token), wire::TokenKind::kRawKrb5);
}

TEST_F(Krb5Logon, WindowsNumberIsAnsweredWithItself) {
  AuthFixture fixture(with_keytab());
  auto init = *wire::NegTokenInit::decode(client("alice")->step({})->token);
  init.mech_types = {wire::oids::kMsKrb5, wire::oids::kKrb5, wire::oids::kNtlmssp};
  const auto outcome = fixture.authenticator().begin()->step(init.encode());
  ASSERT_TRUE(outcome);
  ASSERT_TRUE(outcome->done);
  EXPECT_EQ(wire::NegTokenResp::decode(outcome->reply_token)->supported_mech, wire::oids::kMsKrb5);
}

// The client's favourite is something unknown, so both MICs are due, ours first.
TEST_F(Krb5Logon, ReselectedMechanismExchangesMics) {
  AuthFixture fixture(with_keytab());
  const auto optimistic = wire::NegTokenInit::decode(client("alice")->step({})->token);
  wire::NegTokenInit init;
  init.mech_types = {unhex("2b060104018237020264"), wire::oids::kKrb5};
  const auto server = fixture.authenticator().begin();
  ASSERT_TRUE(server->step(init.encode()));
  wire::NegTokenResp resp;
  resp.response_token = optimistic->mech_token;
  const auto waiting = server->step(resp.encode());
  ASSERT_TRUE(waiting);
  EXPECT_FALSE(waiting->done);
  EXPECT_TRUE(wire::NegTokenResp::decode(waiting->reply_token)->mech_list_mic);
  wire::NegTokenResp forged;
  forged.mech_list_mic = Bytes(28, 4);
  EXPECT_EQ(server->step(forged.encode()).error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Krb5Logon, DisabledAccountIsRefused) {
  AuthFixture fixture(with_keytab());
  User user = *fixture.users().find("alice");
  user.is_disabled = true;
  ASSERT_TRUE(fixture.users().update(user));
  const auto outcome = AuthFixture::run(*client("alice"), *fixture.authenticator().begin(), {});
  EXPECT_EQ(outcome.error(), Error(NtStatus::kAccountDisabled));
}

// bob has a ticket, but neither an account here nor (it is to be hoped) a Unix user.
TEST_F(Krb5Logon, PrincipalWithoutAccountFailsWithLogonFailure) {
  if (find_unix_user("bob")) GTEST_SKIP() << "there is a Unix user bob";
  AuthFixture fixture(with_keytab());
  const auto outcome = AuthFixture::run(*client("bob"), *fixture.authenticator().begin(), {});
  EXPECT_EQ(outcome.error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Krb5Logon, TicketForAnotherServiceFailsWithLogonFailure) {
  AuthFixture fixture(with_keytab("other.keytab"));
  const auto outcome = AuthFixture::run(*client("alice"), *fixture.authenticator().begin(), {});
  EXPECT_EQ(outcome.error(), Error(NtStatus::kLogonFailure));
}

TEST_F(Krb5Logon, ChangedTokensNeverGiveAnotherIdentity) {
  AuthFixture fixture(with_keytab());
  const Bytes token = client("alice")->step({})->token;
  for (size_t i = 0; i < token.size(); i += 37) {
    Bytes changed = token;
    changed[i] ^= 0x55;
    const auto step = fixture.authenticator().begin()->step(changed);
    // A few bytes are not protected, such as the token's flags.
    if (step && step->done) EXPECT_EQ(step->identity->account_name, "Alice") << i;
  }
}

TEST_F(Krb5Logon, BothMechanismsAreOffered) {
  AuthFixture fixture(with_keytab());
  const auto hint = wire::NegTokenInit::decode(fixture.authenticator().initial_hint());
  ASSERT_TRUE(hint);
  EXPECT_EQ(hint->mech_types,
            (std::vector<wire::Oid>{wire::oids::kMsKrb5, wire::oids::kKrb5, wire::oids::kNtlmssp}));
}

// A pipe that nobody writes to stands in for a disk that hangs.
TEST_F(Krb5Logon, KeytabThatHangsLaterHoldsNoLogon) {
  const std::string path = dir_->path() + "/hangs.keytab";
  std::filesystem::copy(dir_->path() + "/server.keytab", path);
  AuthFixture fixture(with_keytab("hangs.keytab"));
  const auto token = client("alice")->step({})->token;
  ASSERT_TRUE(fixture.authenticator().begin()->step(token));
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  for (int i = 0; i < 2; ++i) {
    const auto step = fixture.authenticator().begin()->step(token);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error(), Error(NtStatus::kLogonFailure));
  }
  close(open(path.c_str(), O_WRONLY | O_CLOEXEC));  // lets the reader go
  std::filesystem::remove(path);
  std::filesystem::copy(dir_->path() + "/server.keytab", path);
  const auto logs_on = [&] {
    return fixture.authenticator().begin()->step(client("alice")->step({})->token).has_value();
  };
  // As soon as the reader has come back.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  bool is_back = logs_on();
  while (!is_back && std::chrono::steady_clock::now() < end) is_back = logs_on();
  EXPECT_TRUE(is_back);
}

TEST(Krb5Credential, MissingKeytabFailsAtTheStart) {
  EXPECT_EQ(Krb5Credential::from_keytab("/nonexistent/keytab").error(),
            "No such file or directory");
}

// A pipe that nobody writes to stands in for a disk that does not answer.
TEST(Krb5Credential, KeytabThatDoesNotAnswerIsWaitedForElsewhere) {
  const StateDir dir;
  const std::string path = dir.path() + "/keytab";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto credential = Krb5Credential::from_keytab(path);
  ASSERT_TRUE(credential) << credential.error();
  EXPECT_EQ((*credential)->get(), GSS_C_NO_CREDENTIAL);
  // Lets the reader go.
  const int writer = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  EXPECT_GE(writer, 0);
  close(writer);
}

}  // namespace
}  // namespace braid::auth

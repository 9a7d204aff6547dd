// From where a share may be used: `hosts`, asked of each connection of a session.
#include <gtest/gtest.h>

#include "smb2/raw_client_testing.h"
#include "wire/smb2/echo.h"

namespace braid::smb2 {
namespace {

using enum NtStatus;

// Carries everything, for a client at another address.
class From final : public transport::Transport {
 public:
  From(transport::TransportPtr inner, std::string_view address)
      : inner_(std::move(inner)), peer_(*transport::SocketAddress::parse(address, 1)) {}

  Task<Result<CountedBuffer>> receive() override { return inner_->receive(); }
  void set_account(std::shared_ptr<MemoryAccount> account) override {
    inner_->set_account(std::move(account));
  }
  void set_receive_limit(size_t size) override { inner_->set_receive_limit(size); }
  uint64_t send(transport::OutFrame frame) override { return inner_->send(std::move(frame)); }
  Task<void> writable() override { return inner_->writable(); }
  Task<void> drained() override { return inner_->drained(); }
  uint64_t bytes_queued() const override { return inner_->bytes_queued(); }
  uint64_t bytes_sent() const override { return inner_->bytes_sent(); }
  uint64_t bytes_acknowledged() const override { return inner_->bytes_acknowledged(); }
  void watch_acknowledgements(transport::AcknowledgementLook look) override {
    inner_->watch_acknowledgements(std::move(look));
  }
  bool is_suspect() const override { return inner_->is_suspect(); }
  void close() override { inner_->close(); }
  bool is_closed() const override { return inner_->is_closed(); }
  transport::SocketAddress peer() const override { return peer_; }
  transport::SocketAddress local() const override { return inner_->local(); }
  Reactor& reactor() const override { return inner_->reactor(); }

 private:
  const transport::TransportPtr inner_;
  const transport::SocketAddress peer_;
};

void put_at(RawClient& client, std::string_view address) {
  client.wrap([address](transport::TransportPtr inner) {
    return std::make_shared<From>(std::move(inner), address);
  });
}

std::shared_ptr<const ShareTable> shares_for(std::string_view hosts) {
  auto share = std::make_shared<Share>();
  share->name = "files";
  share->volume = vfs::make_memory_volume();
  share->hosts = {*config::parse_host_rule(hosts)};
  return std::make_shared<const ShareTable>(
      std::vector<std::shared_ptr<const Share>>{std::move(share)});
}

struct HostsOfAShare : testing::Test {
  Engine engine{Engine::lenient(), system_clock(), 1, shares_for("192.0.2.0/24")};
  RawClient first{engine};
  RawClient second{engine};
};

TEST_F(HostsOfAShare, AnotherAddressIsRefusedAtTheTreeConnect) {
  put_at(first, "198.51.100.7");
  ASSERT_EQ(first.negotiate(), kSuccess);
  ASSERT_EQ(first.session_setup(), kSuccess);
  EXPECT_EQ(first.tree_connect(), kAccessDenied);
}

TEST_F(HostsOfAShare, AChannelFromAnotherAddressReachesNothingOfIt) {
  put_at(first, "192.0.2.7");
  put_at(second, "198.51.100.7");
  ASSERT_TRUE(first.log_on());
  const FileId file = first.create("file");
  ASSERT_EQ(second.negotiate(), kSuccess);
  ASSERT_EQ(second.bind(first), kSuccess);
  const auto close = [&](RawClient& by) {
    Bytes message = by.request(wire::Command::kClose, wire::CloseRequest{.file_id = file});
    by.sign(message, *by.signing_key);
    return by.status_of(std::move(message));
  };
  EXPECT_EQ(close(second), kAccessDenied);
  EXPECT_EQ(close(first), kSuccess);
  first.close();
  second.close();
}

// Not by the file: who looks for the reason there finds none.
TEST_F(HostsOfAShare, TheLogSaysThatAnOpenIsRefusedByTheAddress) {
  put_at(first, "192.0.2.7");
  put_at(second, "198.51.100.7");
  ASSERT_TRUE(first.log_on());
  ASSERT_EQ(second.negotiate(), kSuccess);
  ASSERT_EQ(second.bind(first), kSuccess);
  Bytes message = second.request(wire::Command::kCreate, RawClient::create_body("file"));
  second.sign(message, *second.signing_key);
  testing::internal::CaptureStderr();
  EXPECT_EQ(second.status_of(std::move(message)), kAccessDenied);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(text.contains("may not use share 'files' from there; its `hosts` say from where"));
  EXPECT_FALSE(text.contains("braidctl why"));
  first.close();
  second.close();
}

TEST_F(HostsOfAShare, AChannelFromAnAddressThatIsNamedReachesIt) {
  put_at(first, "192.0.2.7");
  put_at(second, "192.0.2.8");
  ASSERT_TRUE(first.log_on());
  const FileId file = first.create("file");
  ASSERT_EQ(second.negotiate(), kSuccess);
  ASSERT_EQ(second.bind(first), kSuccess);
  Bytes message = second.request(wire::Command::kClose, wire::CloseRequest{.file_id = file});
  second.sign(message, *second.signing_key);
  EXPECT_EQ(second.status_of(std::move(message)), kSuccess);
  first.close();
  second.close();
}

TEST(HostsOfTheServer, AnotherAddressGetsNoConnection) {
  config::Server settings = Engine::lenient();
  settings.hosts = {*config::parse_host_rule("192.0.2.0/24")};
  Engine engine(std::move(settings));
  RawClient inside(engine);
  RawClient outside(engine);
  put_at(inside, "192.0.2.7");
  put_at(outside, "198.51.100.7");
  EXPECT_EQ(inside.negotiate(), kSuccess);
  EXPECT_NE(outside.negotiate(), kSuccess);
  inside.close();
  outside.close();
}

}  // namespace
}  // namespace braid::smb2

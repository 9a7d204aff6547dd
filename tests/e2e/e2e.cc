#include "e2e.h"

#include <cstdio>
#include <cstdlib>
#include <random>

namespace braid::e2e {

namespace {

Server the_server;

// Longer than any single response may take. BRAID_E2E_LIMIT says others: for what measures.
std::chrono::seconds test_limit() {
  const char* const said = std::getenv("BRAID_E2E_LIMIT");
  return std::chrono::seconds(said ? std::strtol(said, nullptr, 10) : 120);
}

Task<void> run_body(Task<void> (*body)(Env&), Reactor& reactor) {
  {
    Env env(reactor);
    co_await body(env);
    co_await env.close_all();
  }
  reactor.stop();
}

}  // namespace

const Server& server() { return the_server; }

Task<Result<client::ConnectionPtr>> Env::connect(client::ConnectionOptions options) {
  BRAID_CO_TRY(auto connection, co_await open(std::move(options)));
  BRAID_CO_CHECK(co_await connection->negotiate());
  co_return std::move(connection);
}

Task<Result<client::ConnectionPtr>> Env::open(client::ConnectionOptions options) {
  BRAID_CO_TRY(auto connection,
               co_await client::Connection::open(reactor_, server().address, std::move(options)));
  connections_.push_back(connection);
  co_return std::move(connection);
}

Task<Result<client::SessionPtr>> Env::log_on(client::ConnectionPtr connection,
                                             client::SessionOptions options) {
  return client::Session::setup(std::move(connection), ntlm(), options);
}

Task<Result<client::TreePtr>> Env::mount(std::string share, client::ConnectionOptions options,
                                         client::SessionOptions session_options) {
  BRAID_CO_TRY(auto connection, co_await connect(std::move(options)));
  BRAID_CO_TRY(auto session, co_await log_on(std::move(connection), session_options));
  co_return co_await session->tree_connect(share);
}

Task<void> Env::close_all() {
  for (const auto& connection : connections_) co_await connection->close();
  connections_.clear();
}

std::unique_ptr<auth::AuthInitiator> ntlm() { return ntlm(server().user, server().password); }

std::unique_ptr<auth::AuthInitiator> ntlm(std::string user, std::string password) {
  auth::NtlmCredentials credentials;
  credentials.user = std::move(user);
  credentials.password = std::move(password);
  return auth::make_ntlm_initiator(std::move(credentials));
}

std::string name_of_test(std::string_view suffix) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->test_suite_name()) + "." + info->name() + std::string(suffix);
}

Bytes pattern(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

Bytes to_bytes(std::string_view text) { return {text.begin(), text.end()}; }

void run(Task<void> (*body)(Env&)) {
  Reactor reactor;
  TaskScope scope;
  Timer limit(reactor);
  reactor.post([&] {
    limit.start(test_limit(), [] {
      std::fputs("a test took too long\n", stderr);
      std::abort();  // whatever hangs cannot be taken apart any more
    });
    scope.spawn(run_body(body, reactor));
  });
  reactor.run();
  limit.cancel();
}

}  // namespace braid::e2e

namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    std::fprintf(stderr, "%s is not set; start this program by e2e_test.py\n", name);
    std::exit(2);
  }
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  using braid::e2e::the_server;
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  const auto address =
      braid::transport::SocketAddress::parse_with_port(from_environment("BRAID_E2E_SERVER"));
  if (!address) {
    std::fputs("BRAID_E2E_SERVER is not an address with a port\n", stderr);
    return 2;
  }
  the_server.address = *address;
  the_server.is_braid = from_environment("BRAID_E2E_KIND") == "braidd";
  the_server.user = from_environment("BRAID_E2E_USER");
  the_server.password = from_environment("BRAID_E2E_PASSWORD");
  the_server.user2 = from_environment("BRAID_E2E_USER2");
  the_server.password2 = from_environment("BRAID_E2E_PASSWORD2");
  return RUN_ALL_TESTS();
}

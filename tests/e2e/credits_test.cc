// Credits and message ids.
#include "e2e.h"
#include "wire/smb2/echo.h"

namespace braid::e2e {
namespace {

client::Request echo() { return client::make_request(wire::Command::kEcho, wire::EchoRequest{}); }

BRAID_E2E(Credits, GrowToWhatIsAskedFor) {
  client::ConnectionOptions options;
  options.credits_wanted = 500;
  E2E_TRY(const auto tree, co_await env.mount("share", options));
  client::Connection& connection = tree->session().connection();
  for (int i = 0; i < 10 && connection.credits() < 500; ++i) E2E_OK(co_await connection.echo());
  EXPECT_GE(connection.credits(), 500u);
}

// [MS-SMB2] 3.3.1.2: the server's limit holds, however much is asked for.
BRAID_E2E(Credits, NeverMoreThan8192) {
  client::ConnectionOptions options;
  options.credits_wanted = 0xFFFF;
  E2E_TRY(const auto tree, co_await env.mount("share", options));
  client::Connection& connection = tree->session().connection();
  for (int i = 0; i < 30; ++i) E2E_OK(co_await connection.echo());
  EXPECT_GE(connection.credits(), 512u);
  EXPECT_LE(connection.credits(), 8192u);
}

BRAID_E2E(Credits, NeverFewerThanOne) {
  client::ConnectionOptions options;
  options.credits_wanted = 0;
  E2E_TRY(const auto tree, co_await env.mount("share", options));
  client::Connection& connection = tree->session().connection();
  for (int i = 0; i < 5; ++i) {
    auto request = echo();
    request.credits = 0;
    E2E_OK(co_await connection.call(std::move(request)));
    EXPECT_GE(connection.credits(), 1u);
  }
}

BRAID_E2E(Credits, ChargeTooSmallForThePayloadIsInvalid) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await tree->open(name_of_test(), kReadWriteDelete,
                                               wire::CreateDisposition::kOverwriteIf));
  wire::ReadRequest read;
  read.length = 65'537;
  read.file_id = file->id();
  auto request = client::make_request(wire::Command::kRead, read);
  request.credit_charge = 1;
  E2E_TRY(const auto response, co_await tree->call(std::move(request)));
  EXPECT_EQ(response.status(), NtStatus::kInvalidParameter);
}

// Message ids are used in any order inside the window, each once.
BRAID_E2E(Credits, IdsInAnyOrder) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Connection& connection = tree->session().connection();
  while (connection.credits() < 20) E2E_OK(co_await connection.echo());
  const uint64_t first = connection.next_message_id().value;
  for (const uint64_t id : {first + 7, first, first + 3, first + 1}) {
    auto request = echo();
    request.message_id = MessageId{id};
    E2E_TRY(const auto response, co_await connection.call(std::move(request)));
    EXPECT_EQ(response.status(), NtStatus::kSuccess);
  }
}

BRAID_E2E(Credits, IdUsedTwiceEndsTheConnection) {
  E2E_TRY(const auto connection, co_await env.connect());
  E2E_OK(co_await env.log_on(connection));
  auto request = echo();
  request.message_id = MessageId{connection->next_message_id().value - 1};
  EXPECT_FALSE(co_await connection->call(std::move(request)));
  EXPECT_TRUE(connection->is_closed());
}

BRAID_E2E(Credits, IdOutsideTheWindowEndsTheConnection) {
  E2E_TRY(const auto connection, co_await env.connect());
  E2E_OK(co_await env.log_on(connection));
  auto request = echo();
  request.message_id = MessageId{connection->next_message_id().value + 100'000};
  EXPECT_FALSE(co_await connection->call(std::move(request)));
  EXPECT_TRUE(connection->is_closed());
}

BRAID_E2E(Credits, InterimResponsesGrant) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Connection& connection = tree->session().connection();
  E2E_TRY(const auto root, co_await tree->open_directory());
  E2E_TRY(const auto exchange, co_await root->start_notify(0x17));
  const auto async_id = co_await exchange->interim();
  if (!async_id) {
    // A server without CHANGE_NOTIFY says so at once.
    E2E_TRY(const auto response, co_await exchange->response());
    EXPECT_EQ(response.status(), NtStatus::kNotSupported);
    co_return;
  }
  const uint32_t before = connection.credits();
  tree->session().cancel(*exchange);
  E2E_TRY(const auto response, co_await exchange->response());
  EXPECT_EQ(response.status(), NtStatus::kCancelled);
  EXPECT_EQ(response.header.async_id, *async_id);
  EXPECT_GE(connection.credits(), before);
}

}  // namespace
}  // namespace braid::e2e

// Several connections of one session.
#include "e2e.h"

namespace braid::e2e {
namespace {

BRAID_E2E(Multichannel, BoundConnectionSharesTheSession) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Session& session = tree->session();
  E2E_TRY(const auto second, co_await env.connect(session.connection().options()));
  EXPECT_TRUE(session.connection().capabilities() & wire::Capabilities::kMultiChannel);
  E2E_OK(co_await session.bind(second, ntlm()));
  EXPECT_EQ(session.channel_count(), 2u);
  E2E_TRY(const auto file, co_await tree->open(name_of_test(), kReadWriteDelete,
                                               wire::CreateDisposition::kOverwriteIf));
  E2E_OK(co_await file->write(0, as_bytes("through the first")));

  // The file is reached through the other channel, signed with that channel's key.
  wire::ReadRequest read;
  read.length = 100;
  read.file_id = file->id();
  auto request = client::make_request(wire::Command::kRead, read, 100);
  E2E_TRY(const auto reply,
          client::reply_of<wire::ReadResponse>(co_await tree->call(std::move(request), 1)));
  EXPECT_EQ(as_text(reply->data), "through the first");
  EXPECT_TRUE(reply.response.was_verified);

  // And outlives the one it was opened on.
  co_await session.connection(0).close();
  session.remove_channel(0);
  E2E_OK(co_await file->write(0, as_bytes("x")));
  E2E_OK(co_await file->close());
}

BRAID_E2E(Multichannel, BindOfAnUnknownSessionIsRefused) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->session().logoff());
  E2E_TRY(const auto second, co_await env.connect(tree->session().connection().options()));
  EXPECT_FALSE(co_await tree->session().bind(second, ntlm()));
}

BRAID_E2E(Multichannel, OneConnectionIsNotBoundTwice) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Session& session = tree->session();
  E2E_TRY(const auto second, co_await env.connect(session.connection().options()));
  E2E_OK(co_await session.bind(second, ntlm()));
  // Signed with the session's key, where the channel has one of its own by now.
  E2E_FAILS(NtStatus::kAccessDenied, co_await session.bind(second, ntlm()));
}

}  // namespace
}  // namespace braid::e2e

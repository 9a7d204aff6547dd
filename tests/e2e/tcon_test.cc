// TREE_CONNECT and TREE_DISCONNECT.
#include "e2e.h"

namespace braid::e2e {
namespace {

BRAID_E2E(Tcon, UnknownShareIsABadNetworkName) {
  E2E_FAILS(NtStatus::kBadNetworkName, co_await env.mount("nosuchshare"));
}

BRAID_E2E(Tcon, NameIsMatchedWithoutCase) { E2E_OK(co_await env.mount("SHARE")); }

BRAID_E2E(Tcon, IpcIsAPipeShare) {
  E2E_TRY(const auto tree, co_await env.mount("IPC$"));
  EXPECT_EQ(tree->properties().share_type, wire::ShareType::kPipe);
}

// [MS-SMB2] 3.3.5.7 "Receiving an SMB2 TREE_CONNECT Request".
BRAID_E2E(Tcon, MustBeProtectedIn311) {
  E2E_TRY(const auto connection, co_await env.connect());
  E2E_TRY(const auto session, co_await env.log_on(connection));
  auto request = client::make_request(wire::Command::kTreeConnect,
                                      wire::TreeConnectRequest{.path = "\\\\server\\share"});
  request.protect = client::Protect::kNothing;
  const auto response = co_await session->call(std::move(request));
  if (server().is_braid) {
    EXPECT_FALSE(response);
    EXPECT_TRUE(connection->is_closed());
  } else {
    // Samba refuses and lets the connection live.
    EXPECT_TRUE(response && response->status() == NtStatus::kAccessDenied);
  }
}

BRAID_E2E(Tcon, DisconnectEndsIt) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->disconnect());
  E2E_FAILS(NtStatus::kNetworkNameDeleted, co_await tree->open("x"));
  E2E_FAILS(NtStatus::kNetworkNameDeleted, co_await tree->disconnect());
}

BRAID_E2E(Tcon, ReadOnlyShareRefusesWriting) {
  E2E_TRY(const auto tree, co_await env.mount("readonly"));
  E2E_TRY(const Bytes hello, co_await tree->read_file("hello.txt"));
  EXPECT_EQ(as_text(hello), "hello");
  E2E_FAILS(NtStatus::kAccessDenied,
            co_await tree->open("hello.txt", wire::Access::kFileWriteData));
  const auto created = co_await tree->write_file("new", to_bytes("x"));
  EXPECT_FALSE(created);
  if (!created && server().is_braid) {
    EXPECT_TRUE(created.error() == Error(NtStatus::kAccessDenied) ||
                created.error() == Error(NtStatus::kMediaWriteProtected))
        << created.error().message();
  }
}

}  // namespace
}  // namespace braid::e2e

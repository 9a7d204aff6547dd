#include "mount.h"

#include "auth/initiators.h"

namespace braid::fault {

namespace {

std::unique_ptr<auth::AuthInitiator> initiator(const MountOptions& options) {
  auth::NtlmCredentials credentials;
  credentials.user = options.user;
  credentials.password = options.password;
  return auth::make_ntlm_initiator(std::move(credentials));
}

Task<Result<Mount>> mount_over(client::ConnectionPtr connection, MountOptions options) {
  BRAID_CO_TRY(const auto session, co_await client::Session::setup(connection, initiator(options)));
  BRAID_CO_TRY(auto tree, co_await session->tree_connect(options.share));
  client::ChannelSetOptions channels;
  if (options.channels == 1) channels.addresses = {options.server};
  channels.policy.count = options.channels;
  channels.peer_timeout = options.peer_timeout;
  channels.make_initiator = [options] { return initiator(options); };
  BRAID_CO_TRY(auto set, co_await client::ChannelSet::start(session, std::move(channels)));
  co_return Mount{std::move(tree), std::move(set)};
}

}  // namespace

Task<Result<Mount>> mount(Reactor& reactor, MountOptions options) {
  BRAID_CO_TRY(const auto connection,
               co_await client::Connection::connect(reactor, options.server));
  auto mounted = co_await mount_over(connection, std::move(options));
  if (!mounted) co_await connection->close();
  co_return std::move(mounted);
}

}  // namespace braid::fault

#include "mount.h"

#include <algorithm>

#include "auth/initiators.h"
#include "transport/smbdirect/smbdirect_transport.h"
#include "transport/smbdirect/tcp_card.h"
#include "transport/tcp_transport.h"

namespace braid::fault {

namespace {

std::unique_ptr<auth::AuthInitiator> initiator(const MountOptions& options) {
  auth::NtlmCredentials credentials;
  credentials.user = options.user;
  credentials.password = options.password;
  return auth::make_ntlm_initiator(std::move(credentials));
}

Task<Result<transport::TransportPtr>> connect(Reactor& reactor, MountOptions options,
                                              transport::SocketAddress address) {
  using namespace transport::smbdirect;
  constexpr auto kTimeout = std::chrono::seconds(3);
  if (std::ranges::find(options.cards, address) == options.cards.end()) {
    co_return co_await transport::connect_tcp(reactor, address, kTimeout);
  }
  BRAID_CO_TRY(auto pair, co_await connect_tcp_card(reactor, address, kTimeout));
  co_return make_smbdirect_transport(reactor, std::move(pair), Role::kActive);
}

Task<Result<Mount>> mount_over(client::ConnectionPtr connection, MountOptions options) {
  BRAID_CO_TRY(const auto session, co_await client::Session::setup(connection, initiator(options)));
  BRAID_CO_TRY(auto tree, co_await session->tree_connect(options.share));
  client::ChannelSetOptions channels;
  if (options.channels == 1) channels.addresses = {options.server};
  if (!options.places.empty()) {
    channels.addresses = options.places;
    // What passes the bytes on acknowledges them by itself, however dead the line is.
    channels.probe_timeout = std::chrono::seconds(3);
    Reactor& reactor = connection->reactor();
    channels.connect = [options, &reactor](transport::SocketAddress address) {
      return connect(reactor, options, address);
    };
  }
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

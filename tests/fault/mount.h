// Mount: a share on several channels.
#pragma once

#include <string>
#include <vector>

#include "client/channel_set.h"
#include "client/tree.h"

namespace braid::fault {

struct MountOptions {
  transport::SocketAddress server;
  size_t channels = 4;  // 1: the server is not asked for its addresses
  std::string share, user, password;
  std::chrono::milliseconds peer_timeout = std::chrono::seconds(2);
  // With any, the channels are these, and the server is not asked: `places`, those with a card of
  // TCP (transport/smbdirect/tcp_card.h) among them.
  std::vector<transport::SocketAddress> places;
  std::vector<transport::SocketAddress> cards;
};

struct Mount {
  client::TreePtr tree;
  client::ChannelSetPtr set;
};

// End it with set->close(). Thread: the reactor's.
Task<Result<Mount>> mount(Reactor& reactor, MountOptions options);

}  // namespace braid::fault

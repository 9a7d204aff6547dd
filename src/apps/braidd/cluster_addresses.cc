#include "apps/braidd/cluster_addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "base/log.h"
#include "store/ctdb/cluster_look.h"
#include "store/ctdb/drain_notice.h"
#include "transport/socket_address.h"

namespace braid::braidd {

using store::ctdb::ClusterEvent;
using store::ctdb::Endpoint;
using store::ctdb::Node;
using store::ctdb::PublicAddress;
using store::ctdb::TcpConnection;

namespace {

// Connections end without a word, and an administrator may give a node other addresses.
constexpr std::chrono::seconds kLookEvery{2};
// For another node's list of addresses.
constexpr std::chrono::seconds kAnswerMax{5};

std::string text_of(const Endpoint& endpoint) {
  return fmt::format("{}:{}", endpoint.address.to_string(), endpoint.port);
}

}  // namespace

ClusterAddresses::ClusterAddresses(ClusterAddressesParts parts)
    : parts_(std::move(parts)), reactors_(1), reactor_(reactors_.at(0)) {
  reactor_.post([this] {
    client_.emplace(reactor_,
                    store::ctdb::ClientOptions{.socket_path = parts_.socket_path,
                                               .registered = {store::ctdb::kDrainNumber},
                                               .answer_max = kAnswerMax},
                    static_cast<store::ctdb::ClientSink&>(*this));
    client_->start();
    tasks_.spawn(watch());
  });
}

ClusterAddresses::~ClusterAddresses() {
  tasks_.spawn(end());
  tasks_.wait();
  std::promise<void> ended;
  reactor_.post([&] {
    client_.reset();
    ended.set_value();
  });
  ended.get_future().wait();
  reactors_.stop();
}

Task<void> ClusterAddresses::end() {
  co_await reactor_.schedule();
  is_over_ = true;
  co_await client_->stop();
}

Task<void> ClusterAddresses::watch() {
  while (!is_over_) {
    look_soon();
    // In steps, as nobody ends a sleep.
    for (int i = 0; i < 20 && !is_over_; ++i) co_await reactor_.sleep_for(kLookEvery / 20);
  }
}

void ClusterAddresses::connected(int socket) {
  const auto endpoint = [](const transport::SocketAddress& of) -> std::optional<Endpoint> {
    const auto address = IpAddress::of(of.data());
    if (!address) return std::nullopt;
    return Endpoint{*address, of.port()};
  };
  const auto client = endpoint(transport::SocketAddress::peer_of(socket));
  const auto server = endpoint(transport::SocketAddress::local_of(socket));
  if (!client || !server) return;
  reactor_.post([this, connection = TcpConnection{*client, *server}] {
    if (!is_over_ && is_ours(connection.server.address)) tasks_.spawn(put_on_record(connection));
  });
}

void ClusterAddresses::on_connected(uint32_t pnn) {
  view_.own = pnn;
  registered_.clear();
  look_soon();
}

void ClusterAddresses::on_lost(Error) { registered_.clear(); }

void ClusterAddresses::on_message(uint64_t to, ByteView payload) {
  if (to != store::ctdb::kDrainNumber) return;
  wire::Reader r(payload);
  const auto notice = store::ctdb::DrainNotice::decode(r);
  if (notice) parts_.draining(notice->node);
}

void ClusterAddresses::on_event(ClusterEvent event, std::optional<IpAddress> address) {
  if (event == ClusterEvent::kAddressReleased && address) {
    log::info("this node has lost the address {}", address->to_string());
    for (PublicAddress& each : view_.addresses) {
      if (each.address.same_address(*address) && each.pnn == view_.own) {
        each.pnn = store::ctdb::kNoNode;
      }
    }
    parts_.released(*address);
  } else if (event == ClusterEvent::kAddressTaken && address) {
    log::info("this node has the address {}", address->to_string());
    for (PublicAddress& each : view_.addresses) {
      if (each.address.same_address(*address)) each.pnn = view_.own;
    }
  }
  look_soon();
}

void ClusterAddresses::look_soon() {
  if (is_over_ || !client_->is_connected()) return;
  looks_again_ = true;
  if (!is_looking_) tasks_.spawn(look());
}

Task<void> ClusterAddresses::look() {
  is_looking_ = true;
  while (std::exchange(looks_again_, false) && !is_over_) {
    const auto nodes = co_await client_->nodes();
    // This node's own list first: another may take seconds to answer.
    auto own = co_await client_->public_addresses();
    if (!nodes || !own) break;
    std::vector<std::pair<uint32_t, std::vector<PublicAddress>>> lists;
    lists.emplace_back(view_.own, std::move(*own));
    for (const Node& each : *nodes) {
      if (each.pnn == view_.own || !each.is_active()) continue;
      auto list = co_await client_->public_addresses(each.pnn);
      if (list) lists.emplace_back(each.pnn, std::move(*list));
    }
    // What has happened meanwhile is newer.
    if (is_over_ || !client_->is_connected() || looks_again_) continue;
    view_.nodes = *nodes;
    view_.addresses = store::ctdb::merge_addresses(lists);
    parts_.changed(view_);
    co_await put_in_order();
  }
  is_looking_ = false;
}

bool ClusterAddresses::is_ours(const IpAddress& address) const {
  return std::ranges::any_of(view_.addresses, [&](const PublicAddress& each) {
    return each.pnn == view_.own && each.address.same_address(address);
  });
}

bool ClusterAddresses::is_movable(const IpAddress& address) const {
  return std::ranges::any_of(view_.addresses, [&](const PublicAddress& each) {
    return each.address.same_address(address);
  });
}

ClusterAddresses::Key ClusterAddresses::key_of(const TcpConnection& connection) {
  return {text_of(connection.client), text_of(connection.server)};
}

Task<void> ClusterAddresses::put_on_record(TcpConnection connection) {
  const Key key = key_of(connection);
  if (!registered_.try_emplace(key, Registered{connection}).second) co_return;
  const auto done = co_await client_->register_connection(connection);
  // Tried again with the next look.
  if (!done) registered_.erase(key);
}

Task<void> ClusterAddresses::put_in_order() {
  const std::vector<TcpConnection> there = parts_.connections();
  for (auto& [key, each] : registered_) ++each.absent;
  std::set<Key> strays;
  for (const TcpConnection& each : there) {
    if (!is_movable(each.server.address)) continue;
    const Key key = key_of(each);
    const auto known = registered_.find(key);
    if (known != registered_.end()) known->second.absent = 0;
    if (is_ours(each.server.address)) {
      if (known == registered_.end()) tasks_.spawn(put_on_record(each));
    } else if (strays_.contains(key)) {
      parts_.released(each.server.address);
    } else {
      strays.insert(key);
    }
  }
  strays_ = std::move(strays);
  std::vector<TcpConnection> gone;
  for (const auto& [key, each] : registered_) {
    // One that has just come may not be among them yet.
    if (each.absent > 1) gone.push_back(each.connection);
  }
  for (const TcpConnection& each : gone) {
    registered_.erase(key_of(each));
    (void)co_await client_->forget_connection(each);
  }
}

}  // namespace braid::braidd

#include "store/ctdb/fake_cluster_testing.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace braid::store::ctdb {
namespace {

std::string numbered(uint32_t database) { return "/fake/database." + std::to_string(database); }

Bytes with_zero(const std::string& text) {
  Bytes bytes(text.begin(), text.end());
  bytes.push_back(0);
  return bytes;
}

}  // namespace

FakeCluster::FakeCluster(size_t nodes) : nodes_(nodes), wake_(::eventfd(0, EFD_CLOEXEC)) {
  std::string name = (std::filesystem::temp_directory_path() / "braid-ctdb-XXXXXX").string();
  folder_ = ::mkdtemp(name.data());
  for (size_t i = 0; i < nodes; ++i) listen(i);
  thread_ = std::thread([this] { serve(); });
}

FakeCluster::~FakeCluster() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  wake();
  thread_.join();
  std::filesystem::remove_all(folder_);
}

const IpAddress& FakeCluster::address() {
  static const IpAddress address = *IpAddress::parse("192.0.2.1");
  return address;
}

std::string FakeCluster::socket_path(size_t node) const {
  return folder_ + "/" + std::to_string(node);
}

void FakeCluster::listen(size_t node) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path(node);
  std::memcpy(address.sun_path, path.data(), path.size());
  ::unlink(path.c_str());
  nodes_[node].listener = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::bind(nodes_[node].listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::listen(nodes_[node].listener.get(), 16);
}

void FakeCluster::wake() {
  const uint64_t one = 1;
  static_cast<void>(::write(wake_.get(), &one, sizeof one) == sizeof one);
}

void FakeCluster::kill(size_t node) {
  const std::lock_guard lock(mutex_);
  ::unlink(socket_path(node).c_str());
  nodes_[node].listener.reset();
  nodes_[node].connections.clear();
  nodes_[node].flags |= Node::kDisconnected;
  std::erase_if(peers_, [&](const auto& peer) { return peer->node == node; });
  // As a recovery does: of what was there the newest copy that is left, everywhere.
  for (const auto& [key, lost] : std::exchange(nodes_[node].records, {})) {
    Record* newest = nullptr;
    for (NodeState& each : nodes_) {
      const auto found = each.records.find(key);
      if (found == each.records.end()) continue;
      if (!newest || newest->header.rsn < found->second.header.rsn) newest = &found->second;
    }
    if (newest && newest->header.dmaster == node) {
      const auto owner = std::ranges::find_if(nodes_, [&](NodeState& each) {
        const auto found = each.records.find(key);
        return found != each.records.end() && &found->second == newest;
      });
      newest->header.dmaster = static_cast<uint32_t>(owner - nodes_.begin());
    }
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    tell(i, Message{.to = kReconfigured});
  }
  wake();
}

void FakeCluster::begin(size_t node) {
  const std::lock_guard lock(mutex_);
  nodes_[node].is_hung = false;
  nodes_[node].drops_requests = false;
  nodes_[node].flags = 0;
  listen(node);
  wake();
}

void FakeCluster::hang(size_t node) {
  const std::lock_guard lock(mutex_);
  nodes_[node].is_hung = true;
}

void FakeCluster::drop_requests(size_t node) {
  const std::lock_guard lock(mutex_);
  nodes_[node].drops_requests = true;
}

void FakeCluster::set_flags(size_t node, uint32_t flags) {
  const std::lock_guard lock(mutex_);
  nodes_[node].flags = flags;
}

void FakeCluster::set_tunable(const std::string& name, uint32_t value) {
  const std::lock_guard lock(mutex_);
  tunables_[name] = value;
}

void FakeCluster::lose(std::function<bool(ByteView)> whether) {
  const std::lock_guard lock(mutex_);
  loses_ = std::move(whether);
}

void FakeCluster::move_address(size_t to) {
  const std::lock_guard lock(mutex_);
  const Bytes text = with_zero(address().to_string());
  tell(address_at_, Message{.to = kAddressReleased, .payload = text});
  address_at_ = to;
  tell(to, Message{.to = kAddressTaken, .payload = text});
}

void FakeCluster::say(size_t node, ByteView bytes) {
  const std::lock_guard lock(mutex_);
  for (const auto& peer : peers_) {
    if (peer->node == node) put(*peer, bytes);
  }
}

size_t FakeCluster::asked(size_t node, Control control) {
  const std::lock_guard lock(mutex_);
  return nodes_[node].asked[control];
}

std::vector<TcpConnection> FakeCluster::connections(size_t node) {
  const std::lock_guard lock(mutex_);
  return nodes_[node].connections;
}

void FakeCluster::with_records(size_t node, const std::function<void(Records&)>& work) {
  const std::lock_guard lock(mutex_);
  work(nodes_[node].records);
}

void FakeCluster::serve() {
  for (;;) {
    std::vector<pollfd> wanted;
    {
      const std::lock_guard lock(mutex_);
      if (is_over_) return;
      wanted.push_back({wake_.get(), POLLIN, 0});
      for (const NodeState& node : nodes_) wanted.push_back({node.listener.get(), POLLIN, 0});
      for (const auto& peer : peers_) wanted.push_back({peer->fd.get(), POLLIN, 0});
    }
    ::poll(wanted.data(), wanted.size(), -1);
    const std::lock_guard lock(mutex_);
    const auto is_ready = [&](int fd) {
      return std::ranges::any_of(wanted,
                                 [&](const pollfd& p) { return p.fd == fd && p.revents != 0; });
    };
    if (is_ready(wake_.get())) {
      uint64_t count = 0;
      static_cast<void>(::read(wake_.get(), &count, sizeof count) == sizeof count);
    }
    std::erase_if(peers_,
                  [&](const auto& peer) { return is_ready(peer->fd.get()) && !read(*peer); });
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!nodes_[i].listener || !is_ready(nodes_[i].listener.get())) continue;
      UniqueFd fd(::accept4(nodes_[i].listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) continue;
      peers_.push_back(std::make_unique<Peer>());
      peers_.back()->fd = std::move(fd);
      peers_.back()->node = i;
    }
  }
}

bool FakeCluster::read(Peer& peer) {
  const MutableByteView space = peer.reader.space();
  const ssize_t count = ::recv(peer.fd.get(), space.data(), space.size(), MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN;
  if (count == 0) return false;
  peer.reader.received(static_cast<size_t>(count));
  for (;;) {
    const auto packet = peer.reader.next();
    if (!packet) return false;
    if (!*packet) return true;
    on_packet(peer, **packet);
  }
}

void FakeCluster::on_packet(Peer& peer, ByteView packet) {
  wire::Reader r(packet);
  const auto header = Header::decode(r);
  NodeState& node = nodes_[peer.node];
  if (!header || node.is_hung) return;
  if (header->operation == Operation::kControl) {
    const auto request = ControlRequest::decode(r);
    if (request) on_control(peer, *header, *request);
  } else if (header->operation == Operation::kCall) {
    const auto call = Call::decode(r);
    if (call && !node.drops_requests) on_call(peer, *header, *call);
  } else if (header->operation == Operation::kMessage) {
    const auto message = Message::decode(r);
    if (!message || (loses_ && loses_(message->payload))) return;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (header->destination == i || header->destination == kConnectedNodes ||
          (header->destination == kThisNode && i == peer.node)) {
        tell(i, *message);
      }
    }
  }
}

void FakeCluster::on_control(Peer& peer, const Header& header, const ControlRequest& request) {
  NodeState& node = nodes_[peer.node];
  ++node.asked[request.control];
  int32_t status = 0;
  Bytes data;
  wire::Writer w(data);
  wire::Reader r(request.data);
  switch (request.control) {
    case Control::kGetPnn:
      status = static_cast<int32_t>(peer.node);
      break;
    case Control::kRegister:
      peer.registered.insert(request.number);
      break;
    case Control::kGetNodes: {
      std::vector<Node> all;
      for (size_t i = 0; i < nodes_.size(); ++i) {
        all.push_back({static_cast<uint32_t>(i),
                       nodes_[i].flags,
                       {*IpAddress::parse("198.51.100." + std::to_string(i + 1)), 4379}});
      }
      encode_nodes(w, all);
      break;
    }
    case Control::kCheckProcess: {
      // All its clients are one process.
      const size_t asked = header.destination == kThisNode ? peer.node : header.destination;
      r.skip(4);
      const uint64_t number = r.u64();
      const bool is_there = std::ranges::any_of(peers_, [&](const auto& each) {
        return each->node == asked && each->registered.contains(number);
      });
      status = is_there ? 0 : -1;
      break;
    }
    case Control::kGetPublicAddresses:
      encode_public_addresses(w, {{static_cast<uint32_t>(address_at_), address()}});
      break;
    case Control::kAttach: {
      const auto name = decode_text(request.data);
      if (!name) {
        status = -1;
        break;
      }
      w.u32(databases_.emplace(*name, 0x1000 + databases_.size()).first->second);
      break;
    }
    case Control::kGetRecoveryMode: {
      // A leader says so all the time.
      Bytes leader;
      wire::Writer(leader).u32(0);
      tell(peer.node, {.to = kLeader, .payload = leader});
      break;
    }
    case Control::kDisableNode:
      node.flags |= Node::kDisabled;
      break;
    case Control::kEnableNode:
      node.flags &= ~Node::kDisabled;
      break;
    case Control::kGetTunable: {
      const auto asked = TunableName::decode(r);
      const auto found = asked ? tunables_.find(asked->name) : tunables_.end();
      if (found == tunables_.end()) {
        status = -1;
      } else {
        w.u32(found->second);
      }
      break;
    }
    case Control::kGetDatabasePath:
      w.bytes(with_zero(numbered(r.u32())));
      break;
    case Control::kGetDatabaseFlags:
      w.u32(0x1c41);
      break;
    case Control::kTcpClient:
    case Control::kTcpRemove: {
      const auto connection = TcpConnection::decode(r);
      if (!connection || address_at_ != peer.node || connection->server.address != address()) {
        status = -1;
      } else if (request.control == Control::kTcpClient) {
        node.connections.push_back(*connection);
      } else {
        std::erase(node.connections, *connection);
      }
      break;
    }
    case Control::kScheduleForDeletion: {
      const auto deletion = Deletion::decode(r);
      status = deletion ? 0 : -1;
      if (!deletion) break;
      for (NodeState& each : nodes_) {
        each.records.erase({deletion->database, Bytes(deletion->key.begin(), deletion->key.end())});
      }
      break;
    }
    default:
      status = -1;
  }
  const bool is_about_itself =
      request.control == Control::kGetPnn || request.control == Control::kRegister;
  if (node.drops_requests && !is_about_itself) return;
  put(peer, packet(Header{.operation = Operation::kControlReply, .request_id = header.request_id},
                   ControlReply{.status = status, .data = data}));
}

// Moves the record, as ctdbd does; who has it last keeps what it had, which counts no more.
void FakeCluster::on_call(Peer& peer, const Header& header, const Call& call) {
  const bool is_known = std::ranges::any_of(
      databases_, [&](const auto& each) { return each.second == call.database; });
  if (!is_known) return;  // neither does ctdbd answer
  const std::pair key{call.database, Bytes(call.key.begin(), call.key.end())};
  Record moved;
  for (NodeState& each : nodes_) {
    const auto found = each.records.find(key);
    if (found != each.records.end() && found->second.header.rsn >= moved.header.rsn) {
      moved = found->second;
    }
  }
  moved.header.dmaster = static_cast<uint32_t>(peer.node);
  ++moved.header.rsn;
  for (NodeState& each : nodes_) {
    const auto found = each.records.find(key);
    if (found != each.records.end()) found->second.header.dmaster = moved.header.dmaster;
  }
  nodes_[peer.node].records[key] = moved;
  put(peer, packet(Header{.operation = Operation::kCallReply, .request_id = header.request_id},
                   CallReply{}));
}

void FakeCluster::tell(size_t node, const Message& message) {
  for (const auto& peer : peers_) {
    if (peer->node != node || !peer->registered.contains(message.to)) continue;
    put(*peer, packet(Header{.operation = Operation::kMessage,
                             .destination = static_cast<uint32_t>(node),
                             .source = static_cast<uint32_t>(node)},
                      message));
  }
}

// What a client does not take is lost with it: tests read what they are sent.
void FakeCluster::put(const Peer& peer, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(peer.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
}

}  // namespace braid::store::ctdb

// What the tests over network cards share: the server that direct_test.py has started, and clients
// that reach it over a card of their own.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e.h"
#include "transport/smbdirect/queue_pair.h"
#include "transport/smbdirect/smbdirect_transport.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"
#include "wire/smbdirect/messages.h"

namespace braid::e2e {

using namespace std::chrono_literals;
using transport::SocketAddress;
using transport::smbdirect::QueuePair;
using PeerMay = QueuePair::PeerMay;
using Descriptor = QueuePair::Remote;
using wire::CreateDisposition;

inline constexpr auto kPatience = 60s;
inline constexpr uint32_t kMiB = 1u << 20;

std::string environment(const char* name);
// A card of the machine's, and none made of TCP.
bool has_real_card();
// Where the process with the cards listens, of as many lives as it has had.
std::vector<std::string> listeners();
// The last that the server has started of this name, braidd-rdma for instance; -1: none.
pid_t process(const std::string& name);
// Of braidctl, where it was given.
std::string output_of(const std::string& command);
// As `braidctl metrics` has it, of all workers.
uint64_t metric(const std::string& name);
// Tests that end the process with the cards leave one life more behind.
extern size_t lives;

// A client's card, its connection, and a share on it.
struct Direct {
  QueuePair* card = nullptr;  // the connection's
  client::ConnectionPtr connection;
  client::TreePtr tree;
};

// Through whatever card there is. `from`: this machine's address, where it is a card of TCP.
Task<Result<std::unique_ptr<QueuePair>>> connect_card(Env& env, SocketAddress address,
                                                      SocketAddress from = {});
// To the process with the cards in its present life, and a worker that knows it: until then those
// who connect are turned away.
Task<Result<std::unique_ptr<QueuePair>>> await_card(Env& env, SocketAddress from = {});
Task<Result<Direct>> connect_direct(Env& env, client::ConnectionOptions options = {},
                                    SocketAddress from = {});
Task<Result<Direct>> mount_direct(Env& env, std::string share = "share",
                                  client::SessionOptions options = {}, SocketAddress from = {});
// On a card that is there.
Task<Result<Direct>> mount_over(Env& env, std::unique_ptr<QueuePair> pair,
                                client::SessionOptions options = {},
                                client::ConnectionOptions connection = {});

// With `channel` and `channel_info` as they are given, for `size` bytes of data.
client::Request placed_write(const client::File& file, uint32_t size, ByteView channel_info,
                             wire::Channel channel = wire::Channel::kRdmaV1, uint64_t offset = 0);
client::Request placed_read(const client::File& file, uint32_t size, ByteView channel_info,
                            wire::Channel channel = wire::Channel::kRdmaV1, uint64_t offset = 0);
// As is done over a card: the data goes past the messages.
Task<Result<uint32_t>> write_placed(const Direct& direct, const client::File& file, Bytes& data,
                                    uint64_t offset);
Task<Result<uint32_t>> read_placed(const Direct& direct, const client::File& file, Bytes& into,
                                   uint64_t offset);

}  // namespace braid::e2e

// Where the load goes, and what it costs the server.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "apps/braid-bench/failure.h"
#include "apps/braid-bench/process_tree.h"
#include "client/channel_set.h"
#include "client/file.h"

namespace braid::bench {

// What is done with every message. Plain: nothing, which a server may refuse.
enum class Protection : uint8_t { kPlain, kSigned, kEncrypted };

struct Target {
  std::string server;  // ADDRESS:PORT
  std::string share = "share";
  std::string user;
  std::string password;
  std::vector<std::string> channels;  // ADDRESS:PORT of further channels
  Protection protection = Protection::kSigned;
  // The only one to offer; none: all, and the server chooses.
  std::optional<wire::SigningAlgorithm> signing_algorithm;
  std::optional<wire::Cipher> cipher;
  // What compression is offered, in this order; none: no compression.
  std::vector<std::string> compression;
  bool chained = true;
  // Whose CPU time and memory count, with those they started; none: not measured.
  std::vector<pid_t> server_pids;
};

// "aes-gmac"; "aes-128-gcm".
std::string_view name_of(wire::SigningAlgorithm algorithm);
std::string_view name_of(wire::Cipher cipher);
// "plain", "signed (aes-gmac)", "encrypted (aes-128-gcm)": what the connection has.
std::string describe(Protection protection, const client::Connection& connection);

client::ConnectionOptions connection_options(const Target& target);
client::SessionOptions session_options(const Target& target);
client::Session::InitiatorPtr make_initiator(const Target& target);
// A negotiated connection that can protect as the target says.
Task<Outcome<client::ConnectionPtr>> connect(Reactor& reactor, Target target);

// A session and a share, on one connection or, with further addresses or compression, a set of
// them.
struct Mount {
  client::ConnectionPtr connection;  // the first
  client::SessionPtr session;
  client::TreePtr tree;
  client::ChannelSetPtr set;  // null: the one connection

  // Ends the connections.
  Task<void> close() const;
};
// With a channel to the server and one to each of the further addresses; fails if one cannot be
// had, or if messages cannot be protected as the target says.
Task<Outcome<Mount>> mount(Reactor& reactor, Target target);

// Wall time and the CPU time (user and system) of the server's processes.
struct Cost {
  std::chrono::duration<double> wall{};
  std::chrono::duration<double> server_cpu{};

  Cost& operator+=(const Cost& other) {
    wall += other.wall;
    server_cpu += other.server_cpu;
    return *this;
  }
};

// Runs from its construction.
class Meter {
 public:
  explicit Meter(const std::vector<pid_t>& pids);
  Cost so_far() const;

 private:
  std::chrono::duration<double> server_cpu() const;

  const ProcessTree server_;
  const std::chrono::steady_clock::time_point start_;
  const std::chrono::duration<double> cpu_at_start_;
};

}  // namespace braid::bench

// What the processes of an upgrade tell each other of the server as a whole. upgrade.h has the
// steps.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "apps/braidd/service.h"

namespace braid::braidd {

// How the processes of one server are started and what they tell each other: link.h, and the
// command lines and descriptors of Supervisor. A version that changes it cannot be started by the
// supervisor of one before.
inline constexpr uint32_t kProcessProtocol = 1;
// The system calls that all processes begin with are those of the supervisor that was started
// first. A version that needs one more raises this, and is not upgraded to.
inline constexpr uint32_t kSystemCallsVersion = 1;

struct ListenerState {
  int64_t fd = -1;      // of a plan: which of the running server's; -1: a new one
  std::string address;  // these are Listener's
  std::string host;
  std::string wanted;
  Service service = Service::kSmb;
  uint16_t port = 0;
};

struct ChildState {
  std::string name;
  std::vector<std::string> arguments;
  pid_t pid = -1;  // these two: of a child that runs
  int control = -1;
};

// A plan says what a configuration takes, to whoever starts it. With what runs it is a whole
// supervisor, on its way through exec() to the program of another version.
struct ServerState {
  uint32_t protocol = kProcessProtocol;
  uint32_t system_calls = kSystemCallsVersion;
  std::string version;
  std::string config_file;
  std::string state_dir;
  std::string server_name;
  uint32_t workers = 1;
  bool has_cards = false;
  bool has_keeper = false;  // of a cluster's node
  uint32_t witness_port_used = 0;
  int log_level = 0;  // log::Level
  std::vector<ListenerState> listeners;
  std::vector<ChildState> children;  // the workers, the front, the cards, the keeper

  // Of a running one.
  std::string program;    // the file that braidd is
  uint64_t attempts = 0;  // to upgrade it
  // What became of the last one: a line, or that it was done.
  std::string failure;
  uint64_t handed_over = 0;
  uint64_t pause_us = 0;
  int lock = -1;
  int started_text = -1;
  int text = -1;
  std::vector<int> shared;  // GroupResources::all(), of several workers
};

std::string encode(const ServerState& state);
// What is unknown is left out, what is missing is as above. The error is a line.
std::expected<ServerState, std::string> decode_server_state(std::string_view text);

}  // namespace braid::braidd

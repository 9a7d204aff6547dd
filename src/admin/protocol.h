// The control protocol: what braidctl asks a running worker, and how it is answered.
//
// A client connects, sends one line of JSON, reads one line of JSON, and the connection ends:
//   {"version": 1, "command": "channel close", "session": "0x1f", "channel": 3}
//   {"version": 1, "worker": 0, "workers": 4, "result": ...}
//   {"version": 1, "worker": 0, "workers": 4, "error": "one line: what is wrong; what to do"}
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"

namespace braid::admin {

inline constexpr int kProtocolVersion = 1;

// A request is a command and two ids or names.
inline constexpr size_t kRequestBytesMax = 4'096;
// An answer: 200,000 opens of the longest paths that occur, and no more than a machine that runs
// braidctl has.
inline constexpr size_t kAnswerBytesMax = 256u << 20;
// Clients at once: administrators and their monitoring.
inline constexpr size_t kClientsMax = 16;
// From connect() to the last byte of the answer.
inline constexpr std::chrono::seconds kClientTime{10};

enum class Command : uint8_t {
  kShares,
  kSessions,
  kOpens,
  kLocks,
  kLeases,
  kMetrics,
  kProcess,
  kChannelClose,
  kSessionClose,
  kOpenClose,
  kStatus,
  kEvents,
  kUserKick,         // all its sessions, and what is kept for its lost clients
  kShareDisconnect,  // the same of a share, all users or one
  kWitnessList,
  kWitnessMove,
  kWitnessShareMove,
  kWitnessEnd,          // a connection of RPC
  kAddressMove,         // clients that watch the address, to others
  kAddressConnections,  // how many there are to the address
  kAddressClose,        // these connections
  kCluster,             // what this node of one knows
};

struct ControlRequest {
  Command command{};
  SessionId session{};     // of kChannelClose and kSessionClose
  uint64_t channel = 0;    // of kChannelClose and kWitnessEnd: the number of its connection
  std::string open;        // of kOpenClose: its id
  std::string client;      // of kWitnessMove: as it calls itself; empty: all
  std::string share;       // of kWitnessShareMove and kShareDisconnect
  std::string user;        // of kUserKick; of kShareDisconnect, where empty means all
  std::string address;     // of those of Witness where to go, of those of an address which it is
  bool elsewhere = false;  // of those of Witness: `address` may be of no interface
};

// The error is a line for who asked.
std::expected<ControlRequest, std::string> decode_request(std::string_view line);
// With the line's end.
std::string encode_request(const ControlRequest& request);

// "0x1f", and what people make of it: "1f", "0X1F".
std::string id_text(uint64_t id);
// "2026-11-30T09:00:00Z"; empty for 0.
std::string time_text(FileTime time);
std::expected<uint64_t, std::string> parse_id(std::string_view text);

// What came of an attempt to upgrade.
struct UpgradeNews {
  struct Done {
    uint64_t opens = 0;     // that were handed over
    uint64_t pause_us = 0;  // for which nobody was served
  };
  Done done;
  std::string failure;  // a line; empty: it was done
};
struct Upgrades {
  uint64_t attempts = 0;            // since the server was started
  std::optional<UpgradeNews> last;  // none, or this worker has yet to hear of it
};

// What a node of a cluster knows of it. Sets of 1 << node.
struct ClusterFacts {
  uint32_t node = 0;  // this one
  uint32_t there = 0;
  uint32_t serving = 0;
  uint64_t records = 0;  // of open files, that this node has
  uint64_t coming = 0;
  uint64_t leaving = 0;
};

// Which worker answers, of how many.
struct WorkerPlace {
  size_t index = 0;
  size_t workers = 1;
  int supervisor = 0;  // the process that takes signals
  std::string version{};
  // Null where the server is one process, which cannot be upgraded.
  std::shared_ptr<Guarded<Upgrades>> upgrades{};
  std::function<ClusterFacts()> cluster{};  // null: no cluster
  uint64_t restarts = 0;  // how often it was started again, since the start or the last upgrade
  Clock::Instant started = system_clock().monotonic();
};
// With the line's end. Text that is not UTF-8, as file names may be, is mended.
std::string encode_result(const WorkerPlace& place, nlohmann::json result);
std::string encode_error(const WorkerPlace& place, std::string_view error);

// Below state_dir: the folder of the sockets, and the name of a worker's.
inline constexpr std::string_view kControlFolder = "control";
std::string socket_name(size_t worker);

}  // namespace braid::admin

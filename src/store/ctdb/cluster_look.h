// look_at_cluster(): what a ctdbd says of its cluster, for administrators and for who checks it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "store/ctdb/packets.h"

namespace braid::store::ctdb {

struct ClusterLook {
  uint32_t node = 0;               // whose ctdbd was asked
  std::optional<uint32_t> leader;  // nothing: none was heard in time
  bool is_recovering = false;
  std::vector<Node> nodes;
  // Those in the list of any active node, each once, by address.
  std::vector<PublicAddress> addresses;
  std::map<std::string, uint32_t> tunables;  // of those that were asked for and that there are
};

struct LookOptions {
  std::string socket_path;
  std::vector<std::string> tunables = {};
  // How long a leader is waited for, which says that it is one every second; 0: not at all.
  std::chrono::milliseconds leader_max{0};
  // For each answer.
  std::chrono::seconds answer_max{5};
};

// Each waits for answers, on the calling thread, with a reactor of its own. The error is that of
// the socket, or ETIMEDOUT of a ctdbd that does not answer; nodes that do not answer are left out.
Result<ClusterLook> look_at_cluster(const LookOptions& options);
// A message to who has registered for `to` on any node. When this returns ctdbd has it.
Result<void> say_to_cluster(const std::string& socket_path, uint64_t to, Bytes payload);
// An administrator's wish, until there is another: whether this node has addresses that move. It
// serves on, at its other ones.
Result<void> set_disabled(const std::string& socket_path, bool is_disabled);

// Nodes' lists of addresses as one: each address once, with who has it. Of two that say otherwise,
// the node counts that says it of itself.
std::vector<PublicAddress> merge_addresses(
    const std::vector<std::pair<uint32_t, std::vector<PublicAddress>>>& lists);

}  // namespace braid::store::ctdb

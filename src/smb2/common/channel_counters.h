// ChannelCounters: what came and went by one of the server's addresses.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "smb2/common/time_histogram.h"

namespace braid::smb2 {

// Of all channels of a kind that end at one address: monitoring keeps a series for each name it is
// told, and must not get one for each client. Thread: any.
struct ChannelCounters {
  TimeHistogram times;  // as CommandTimes, of requests of a session
  // Of connections that have ended, framing included; the others are asked themselves.
  std::atomic<uint64_t> bytes_received = 0;
  std::atomic<uint64_t> bytes_sent = 0;
};

// Owned by the Server. Thread: any.
class ChannelCounterTable {
 public:
  struct Name {
    std::string address;  // without a port; "other" where there are too many
    bool is_rdma = false;
    auto operator<=>(const Name&) const = default;
  };
  // An address of IPv6 is whatever a client has found to lead here.
  static constexpr size_t kAddressesMax = 32;

  // Those of this name, which stay until the Server ends.
  std::shared_ptr<ChannelCounters> of(Name name) {
    auto counters = counters_.lock();
    auto found = counters->find(name);
    if (found == counters->end()) {
      if (counters->size() >= kAddressesMax) name.address = "other";
      found = counters->try_emplace(std::move(name)).first;
      if (!found->second) found->second = std::make_shared<ChannelCounters>();
    }
    return found->second;
  }

  std::vector<std::pair<Name, std::shared_ptr<ChannelCounters>>> all() const {
    auto counters = counters_.lock();
    return {counters->begin(), counters->end()};
  }

 private:
  Guarded<std::map<Name, std::shared_ptr<ChannelCounters>>> counters_;
};

}  // namespace braid::smb2

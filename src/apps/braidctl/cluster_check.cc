#include "apps/braidctl/cluster_check.h"

#include <fmt/format.h>

#include <array>

namespace braid::braidctl {
namespace {

struct Rule {
  const char* name;
  uint32_t least;
  uint32_t most;
  const char* ours;  // packaging/ctdb/ctdb.tunables
  const char* why;
};
// These two are judged by their product.
constexpr const char* kInterval = "KeepaliveInterval";
constexpr const char* kLimit = "KeepaliveLimit";
constexpr uint64_t kNoticedLeast = 2;
constexpr uint64_t kNoticedMost = 6;

constexpr std::array kRules{
    Rule{"MonitorInterval", 1, 5, "5",
         "a node on which braidd does not serve keeps its addresses for so many seconds"},
    Rule{"NoIPFailback", 1, 1, "1",
         "an address goes back to its node when that is there again, and ends its clients' "
         "connections once more"},
    Rule{"RecoveryDropAllIPs", 1, 30, "10",
         "a node that is cut off keeps its addresses for so many seconds"},
};

}  // namespace

std::vector<std::string> looked_at_tunables() {
  std::vector<std::string> names{kInterval, kLimit};
  for (const Rule& rule : kRules) names.emplace_back(rule.name);
  return names;
}

std::vector<std::string> unfit_tunables(const std::map<std::string, uint32_t>& tunables) {
  std::vector<std::string> lines;
  const auto interval = tunables.find(kInterval);
  const auto limit = tunables.find(kLimit);
  if (interval != tunables.end() && limit != tunables.end()) {
    const uint64_t noticed = uint64_t{interval->second} * limit->second;
    if (noticed < kNoticedLeast) {
      lines.push_back(fmt::format(
          "{} = {} and {} = {} of ctdbd: a machine that is busy for {} seconds is taken "
          "for lost; set 1 and 3",
          kInterval, interval->second, kLimit, limit->second, noticed));
    } else if (noticed > kNoticedMost) {
      lines.push_back(
          fmt::format("{} = {} and {} = {} of ctdbd: a machine that is lost is waited for {} "
                      "seconds; set 1 and 3",
                      kInterval, interval->second, kLimit, limit->second, noticed));
    }
  }
  for (const Rule& rule : kRules) {
    const auto found = tunables.find(rule.name);
    if (found == tunables.end()) continue;
    if (found->second >= rule.least && found->second <= rule.most) continue;
    lines.push_back(
        fmt::format("{} = {} of ctdbd: {}; set {}", rule.name, found->second, rule.why, rule.ours));
  }
  return lines;
}

}  // namespace braid::braidctl

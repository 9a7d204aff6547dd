#include "apps/braidd/descriptor_limit.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"
#include "smb2/common/fd_budget.h"

namespace braid::braidd {
namespace {

constexpr std::string_view kHowToRaise =
    "raise it: LimitNOFILE= in the systemd unit, or ulimit -n for a start by hand";

}  // namespace

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return descriptor_limit();
}

size_t descriptor_limit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

std::expected<void, std::string> check_descriptor_limit(size_t descriptors, size_t of_worker) {
  if (descriptors < kDescriptorsMin) {
    return std::unexpected(
        fmt::format("the limit of open files (RLIMIT_NOFILE) is {}, and nothing works below {}; {}",
                    descriptors, kDescriptorsMin, kHowToRaise));
  }
  if (descriptors < kDescriptorsEnough) {
    const auto division = smb2::FdDivision::of(of_worker);
    log::warn(
        "the limit of open files (RLIMIT_NOFILE) is {}: {} connections and {} files of all clients "
        "together for each worker; {}",
        descriptors, division.connections, division.files, kHowToRaise);
  }
  return {};
}

size_t descriptors_of_front(size_t descriptors) { return descriptors / 16; }

FrontLimits fit(FrontLimits limits, size_t descriptors, size_t workers) {
  const size_t own = kFrontOwnDescriptors + workers;
  const size_t half = std::max<size_t>(descriptors - std::min(descriptors, own), 4) / 2;
  limits.pending_max = std::min(limits.pending_max, half);
  limits.pending_per_address_max =
      std::min(limits.pending_per_address_max, std::max<size_t>(half / 4, 1));
  limits.handovers_max =
      std::min(limits.handovers_max, std::max<size_t>(half / std::max<size_t>(workers, 1), 1));
  return limits;
}

}  // namespace braid::braidd

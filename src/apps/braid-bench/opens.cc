#include "apps/braid-bench/opens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "apps/braid-bench/in_flight.h"
#include "wire/smb2/access_mask.h"

namespace braid::bench {
namespace {

constexpr size_t kTurnsOfEach = 10;  // so that whatever else the machine does meets both
constexpr size_t kInFlightMax = 64;

class Opens {
 public:
  Opens(client::TreePtr tree, bool is_persistent)
      : tree_(std::move(tree)), is_persistent_(is_persistent) {}

  Task<Result<double>> seconds(size_t opens, size_t in_flight) {
    const auto begin = std::chrono::steady_clock::now();
    BRAID_CO_CHECK(co_await for_each_in_flight(opens, in_flight, [&](size_t) { return touch(); }));
    co_return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  Task<Result<void>> touch() {
    const uint64_t number = ++number_;
    wire::CreateRequest request;
    request.desired_access = wire::Access::kFileGenericRead | wire::Access::kFileGenericWrite;
    request.share_access = wire::ShareAccess::kAll;
    request.create_disposition = wire::CreateDisposition::kOpenIf;
    // No two of those in flight are of one file.
    request.name = fmt::format("file-{}", number % (2 * kInFlightMax));
    request.requested_oplock_level = wire::OplockLevel::kLease;
    wire::DurableHandleRequestV2 durable{.flags = wire::DurableHandleFlags::kPersistent};
    std::memcpy(durable.create_guid.bytes.data(), &number, sizeof number);
    request.contexts.durable_handle_request_v2 = durable;
    wire::LeaseContext lease{.version = 2, .lease_state = wire::LeaseState::kAll};
    std::memcpy(lease.lease_key.bytes.data(), &number, sizeof number);
    lease.lease_key.bytes.back() = 1;
    request.contexts.request_lease = lease;
    BRAID_CO_TRY(const auto file, co_await tree_->create(std::move(request)));
    const auto& promised = file->created().contexts.durable_handle_response_v2;
    const bool is_persistent =
        promised && (promised->flags & wire::DurableHandleFlags::kPersistent) != 0;
    BRAID_CO_CHECK(co_await file->close());
    if (is_persistent != is_persistent_) co_return fail(NtStatus::kNotSupported);
    co_return Result<void>();
  }

  const client::TreePtr tree_;
  const bool is_persistent_;
  uint64_t number_ = 0;
};

Task<Result<bool>> compare_rates(Opens& plain, Opens& persistent, const OpensOptions& options) {
  // The files are made, and what a server does once is done.
  for (Opens* const each : {&plain, &persistent}) {
    BRAID_CO_CHECK(co_await each->seconds(4 * kInFlightMax, 8));
  }
  fmt::print("{:<12}{:>14}{:>14}{:>8}\n", "in flight", "ordinary/s", "persistent/s", "ratio");
  double ratio = 0;
  for (const size_t in_flight : {size_t{1}, size_t{8}, kInFlightMax}) {
    const size_t opens = std::max(options.opens / kTurnsOfEach, in_flight);
    double of_plain = 0;
    double of_persistent = 0;
    for (size_t round = 0; round < kTurnsOfEach; ++round) {
      BRAID_CO_TRY(const double one, co_await plain.seconds(opens, in_flight));
      BRAID_CO_TRY(const double other, co_await persistent.seconds(opens, in_flight));
      of_plain += one;
      of_persistent += other;
    }
    const auto all = static_cast<double>(opens * kTurnsOfEach);
    ratio = of_plain / of_persistent;
    fmt::print("{:<12}{:>14.0f}{:>14.0f}{:>8.2f}\n", in_flight, all / of_plain, all / of_persistent,
               ratio);
    std::fflush(stdout);
  }
  if (ratio >= options.ratio_min) co_return true;
  fmt::print("the ratio is below {}\n", options.ratio_min);
  co_return false;
}

}  // namespace

Task<Outcome<bool>> run_opens(Reactor& reactor, const Target& target, const OpensOptions& options) {
  Target persistent_target = target;
  persistent_target.share = options.persistent_share;
  BRAID_CO_TRY(const Mount plain, co_await mount(reactor, target));
  BRAID_CO_TRY(const Mount persistent, co_await mount(reactor, persistent_target));
  Opens of_plain(plain.tree, false);
  Opens of_persistent(persistent.tree, true);
  auto result = co_await compare_rates(of_plain, of_persistent, options);
  co_await plain.close();
  co_await persistent.close();
  co_return std::move(result);
}

}  // namespace braid::bench

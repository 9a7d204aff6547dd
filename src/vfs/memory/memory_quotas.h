// Quotas in memory, for tests: they count what a test says and stop nobody.
#pragma once

#include <algorithm>
#include <map>

#include "base/guarded.h"
#include "vfs/quotas.h"

namespace braid::vfs {

class MemoryQuotas final : public Quotas {
 public:
  static constexpr uint64_t kLimitMax = uint64_t{1} << 60;  // bytes

  void put(const Quota& quota) { state_.lock()->entries[quota.uid] = quota; }
  void become(QuotaState now) { state_.lock()->now = now; }

  QuotaState state() override { return state_.lock()->now; }
  Result<Quota> of(uid_t uid) override {
    auto state = state_.lock();
    if (state->now < QuotaState::kTracked) return fail_os(ESRCH);
    const auto found = state->entries.find(uid);
    return found == state->entries.end() ? Quota{.uid = uid} : found->second;
  }
  Result<Quota> next(uid_t from) override {
    auto state = state_.lock();
    if (state->now < QuotaState::kTracked) return fail_os(ESRCH);
    const auto found = state->entries.lower_bound(from);
    if (found == state->entries.end()) return fail_os(ENOENT);
    return found->second;
  }
  Result<void> set_limits(uid_t uid, const QuotaLimits& limits) override {
    auto state = state_.lock();
    if (state->now < QuotaState::kTracked) return fail_os(ESRCH);
    if (uid == 0) return fail_os(EINVAL);
    if (std::max(limits.soft.value_or(0), limits.hard.value_or(0)) > kLimitMax) {
      return fail_os(ERANGE);
    }
    Quota& quota = state->entries[uid];
    quota.uid = uid;
    quota.limits = limits;
    quota.exists = quota.used != 0 || limits != QuotaLimits{};
    if (!quota.exists) state->entries.erase(uid);
    return {};
  }
  Result<QuotaLimits> default_limits() override { return state_.lock()->defaults; }
  Result<void> set_default_limits(const QuotaLimits& limits) override {
    state_.lock()->defaults = limits;
    return {};
  }
  Result<void> set_enforced(bool enforced) override {
    become(enforced ? QuotaState::kEnforced : QuotaState::kTracked);
    return {};
  }

 private:
  struct State {
    QuotaState now = QuotaState::kEnforced;
    QuotaLimits defaults;
    std::map<uid_t, Quota> entries;
  };
  Guarded<State> state_;
};

}  // namespace braid::vfs

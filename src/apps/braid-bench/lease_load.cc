#include "apps/braid-bench/lease_load.h"

#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "apps/braid-bench/load_files.h"
#include "runtime/task_scope.h"

namespace braid::bench {
namespace {

using std::chrono::steady_clock;

class LeaseWork final : public Work {
 public:
  LeaseWork(const Client& client, size_t lanes)
      : reactor_(client.reactor),
        target_(client.target),
        tree_(client.tree()),
        client_(client.number),
        breaks_(lanes) {}

  Task<Outcome<void>> begin() override {
    Target target = target_;
    target.channels.clear();
    BRAID_CO_TRY(holder_, co_await mount(reactor_, std::move(target)));
    holder_.connection->set_break_handler(
        [this](const client::BreakEvent& event) { on_break(event); });
    BRAID_CO_CHECK(co_await need_files(holder_.tree, breaks_.size(), 0, paths()));
    co_return Outcome<void>();
  }

  Task<Result<Done>> operate(size_t lane) override {
    const uint64_t breaks_before = breaks_[lane];
    BRAID_CO_TRY(const auto held, co_await hold(lane));
    const auto start = steady_clock::now();
    const auto other = co_await tree_->open(path(lane), kReadAndWrite);
    const auto time = steady_clock::now() - start;
    if (other) BRAID_CO_CHECK(co_await (*other)->close());
    BRAID_CO_CHECK(co_await held->close());
    BRAID_CO_CHECK(other);
    // The server let the other one in without a word.
    if (breaks_[lane] == breaks_before) co_return fail(NtStatus::kOplockNotGranted);
    co_return Done{.bytes = 0, .time = time};
  }

  Task<Result<void>> end() override {
    if (!holder_.connection) co_return Result<void>();
    co_await acknowledgments_.join();
    const auto removed = co_await remove_files(holder_.tree, breaks_.size(), paths());
    co_await holder_.close();
    co_return removed;
  }

 private:
  std::string path(size_t lane) const {
    return load_path(fmt::format("lease-{}-{}", client_, lane));
  }
  std::function<std::string(size_t)> paths() const {
    return [this](size_t lane) { return path(lane); };
  }
  // The lane stands in the key.
  LeaseKey key(size_t lane) const {
    const uint64_t words[2] = {client_ + 1, lane};
    LeaseKey key;
    static_assert(sizeof words == sizeof key.bytes);
    std::memcpy(key.bytes.data(), words, sizeof words);
    return key;
  }
  static size_t lane_of(const LeaseKey& key) {
    uint64_t words[2];
    std::memcpy(words, key.bytes.data(), sizeof words);
    return words[1];
  }

  Task<Result<client::FilePtr>> hold(size_t lane) {
    wire::CreateRequest request;
    request.desired_access = kReadAndWrite;
    request.share_access = wire::ShareAccess::kAll;
    request.name = path(lane);
    request.requested_oplock_level = wire::OplockLevel::kLease;
    request.contexts.request_lease = wire::LeaseContext{
        .version = 2, .lease_key = key(lane), .lease_state = wire::LeaseState::kAll};
    BRAID_CO_TRY(auto file, co_await holder_.tree->create(std::move(request)));
    const auto& lease = file->created().contexts.response_lease;
    if (!lease || (lease->lease_state & wire::LeaseState::kWriteCaching) == 0) {
      static_cast<void>(co_await file->close());
      co_return fail(NtStatus::kOplockNotGranted);
    }
    co_return std::move(file);
  }

  void on_break(const client::BreakEvent& event) {
    const auto* const lease = std::get_if<wire::LeaseBreakNotification>(&event.notification);
    if (!lease || lane_of(lease->lease_key) >= breaks_.size()) return;
    ++breaks_[lane_of(lease->lease_key)];
    if ((lease->flags & wire::LeaseBreakNotification::kFlagAckRequired) == 0) return;
    acknowledgments_.spawn(acknowledge(lease->lease_key, lease->new_lease_state));
  }
  // One that is refused shows in the CREATE that waits for it.
  Task<void> acknowledge(LeaseKey key, uint32_t state) {
    wire::LeaseBreakAcknowledgment answer;
    answer.lease_key = key;
    answer.lease_state = state;
    static_cast<void>(co_await holder_.tree->acknowledge(answer));
  }

  Reactor& reactor_;
  const Target& target_;
  const client::TreePtr tree_;
  const size_t client_;
  Mount holder_;
  std::vector<uint64_t> breaks_;  // of each lane's file
  TaskScope acknowledgments_;
};

class LeaseLoad final : public Load {
 public:
  explicit LeaseLoad(size_t lanes) : lanes_(lanes) {}
  Task<Outcome<void>> prepare(const Client& first) override {
    BRAID_CO_CHECK(co_await make_folder(first.tree(), kLoadFolder));
    co_return Outcome<void>();
  }
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<LeaseWork>(client, lanes_);
  }
  Task<Result<void>> clean_up(const Client& first) override {
    return remove(first.tree(), kLoadFolder);
  }

 private:
  const size_t lanes_;
};

}  // namespace

std::unique_ptr<Load> make_lease_load(const LoadOptions& options) {
  return std::make_unique<LeaseLoad>(options.in_flight);
}

}  // namespace braid::bench

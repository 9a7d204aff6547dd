#include "store/cluster/cluster_group.h"

#include <future>
#include <utility>

#include "base/log.h"
#include "store/cluster/home_keeper.h"

namespace braid::store::cluster {
namespace {

// They carry keys of sessions, and opens with their descriptors: nothing for a network, and of no
// use on another machine.
constexpr uint32_t kOfOneMachine =
    1u << static_cast<unsigned>(Topic::kBinds) | 1u << static_cast<unsigned>(Topic::kClaims);

}  // namespace

Result<std::unique_ptr<ClusterGroup>> ClusterGroup::join(ClusterPlace place) {
  auto keeper = std::make_unique<KeeperEnd>(std::move(place.keeper), place.lost);
  BRAID_TRY(const uint32_t number, keeper->join());
  BRAID_TRY(auto node, WorkerGroup::join(number, std::move(place.fds)));
  return std::unique_ptr<ClusterGroup>(
      new ClusterGroup(std::move(place), std::move(keeper), std::move(node)));
}

ClusterGroup::ClusterGroup(ClusterPlace place, std::unique_ptr<KeeperEnd> keeper,
                           std::unique_ptr<WorkerGroup> node)
    : lost_(std::move(place.lost)),
      keeper_(std::move(keeper)),
      node_(std::move(node)),
      seen_(kNodesMax),
      records_(
          std::make_unique<ClusterRecords>(node_->region(), node_->own_tag().index(), *keeper_)),
      reactors_(1),
      client_(std::make_unique<ctdb::Client>(
          reactors_.at(0),
          ctdb::ClientOptions{
              .socket_path = place.socket_path,
              .registered = {ctdb::ClusterBus::number_of(node_->own_tag().index())}},
          static_cast<ctdb::ClientSink&>(*this))),
      bus_(std::make_unique<ctdb::ClusterBus>(
          reactors_.at(0), *client_,
          ctdb::BusPlace{.own = node_->own_tag(), .workers = kNodesMax, .refused = kOfOneMachine},
          [this](size_t index) { return living(index).value != 0; })) {
  // Directories have leases on other nodes, too.
  node_->raise(Counter::kDirectoryLeases);
  for (size_t i = 0; i < kNodesMax; ++i) seen_[i] = living(i);
}

ClusterGroup::~ClusterGroup() {
  stop();
  keeper_->stop();
  std::promise<void> ended;
  reactors_.at(0).post([&] {
    client_.reset();
    ended.set_value();
  });
  ended.get_future().wait();
  reactors_.stop();
}

const NodeCounts& ClusterGroup::counts() const { return node_->region().slot(kKeeperArena).counts; }

void ClusterGroup::start() {
  is_started_ = true;
  telling_ = std::thread([this] { tell_of_ends(); });
  bus_->start();
  keeper_->start([this](size_t index) { roster_changed(index); });
  reactors_.at(0).post([this] { client_->start(); });
  bus_->broadcast(Topic::kRecords, {}, IfFull::kMiss);
}

Task<void> ClusterGroup::end_client() {
  co_await reactors_.at(0).schedule();
  co_await client_->stop();
}

void ClusterGroup::stop() {
  if (!std::exchange(is_started_, false)) return;
  bus_->stop();
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    woken_.notify_all();
  }
  telling_.join();
  // Records still come, for who is about to end.
  tasks_.spawn(end_client());
  tasks_.wait();
}

// What it had open counts no more, and what it was told is no more on its way.
void ClusterGroup::roster_changed(size_t index) {
  if (index >= kNodesMax) return;
  const WorkerTag now = living(index);
  const WorkerTag before = std::exchange(seen_[index], now);
  if (before.value == 0 || before == now) return;
  bus_->ended(index);
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  woken_.notify_all();
}

void ClusterGroup::tell_of_ends() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      woken_.wait(lock, [&] { return has_ended_ || is_over_; });
      if (is_over_) return;
      has_ended_ = false;
    }
    for (const auto& callback : on_ended_) callback();
  }
}

void ClusterGroup::on_connected(uint32_t) { bus_->on_connected(); }

void ClusterGroup::on_lost(Error why) {
  log::error("ctdbd is lost: {}; all connections are closed", why.message());
  lost_();
}

void ClusterGroup::on_message(uint64_t, ByteView payload) { bus_->on_message(payload); }

void ClusterGroup::on_event(ctdb::ClusterEvent event, std::optional<IpAddress>) {
  if (event == ctdb::ClusterEvent::kReconfigured) bus_->on_reconfigured();
}

}  // namespace braid::store::cluster

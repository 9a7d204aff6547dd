#include "store/worker_group.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>

namespace braid::store {

Result<GroupResources> GroupResources::make(const RegionSizes& sizes,
                                            const GroupResources* before) {
  GroupResources made;
  std::vector<uint32_t> lives;
  if (before) {
    BRAID_TRY(lives, SharedRegion::lives(before->region.get(), sizes.workers));
    // The latest is the one that runs.
    for (uint32_t& each : lives) each -= each > 0;
  }
  BRAID_TRY(made.region, SharedRegion::create(sizes, lives));
  for (size_t i = 0; i < sizes.workers; ++i) {
    BRAID_TRY(auto pairs, DatagramBus::make_pairs());
    made.buses.push_back(std::move(pairs));
  }
  return made;
}

std::vector<int> GroupResources::for_worker(size_t index) const {
  std::vector<int> fds{region.get()};
  for (size_t lane = 0; lane < kLanes; ++lane) {
    fds.push_back(buses[index][lane].receive.get());
    for (const auto& bus : buses) fds.push_back(bus[lane].send.get());
  }
  return fds;
}

std::vector<int> GroupResources::all() const {
  std::vector<int> fds{region.get()};
  for (const auto& bus : buses) {
    for (const auto& pair : bus) {
      fds.push_back(pair.receive.get());
      fds.push_back(pair.send.get());
    }
  }
  return fds;
}

std::optional<GroupResources> GroupResources::of(size_t workers, std::vector<UniqueFd> fds) {
  if (fds.size() != 1 + 2 * kLanes * workers) return std::nullopt;
  GroupResources made;
  auto next = fds.begin();
  made.region = std::move(*next++);
  made.buses.resize(workers);
  for (auto& bus : made.buses) {
    for (auto& pair : bus) {
      pair.receive = std::move(*next++);
      pair.send = std::move(*next++);
    }
  }
  return made;
}

Result<std::unique_ptr<WorkerGroup>> WorkerGroup::join(size_t index, std::vector<UniqueFd> fds) {
  if (fds.size() < GroupResources::descriptors(1)) return fail_os(EINVAL);
  BRAID_TRY(SharedRegion region, SharedRegion::map(fds[0].get()));
  const size_t workers = region.workers();
  if (index >= workers || fds.size() != GroupResources::descriptors(workers)) {
    return fail_os(EINVAL);
  }
  std::array<DatagramBus::Ends, kLanes> ends;
  auto next = fds.begin() + 1;
  for (DatagramBus::Ends& each : ends) {
    each.receive = std::move(*next++);
    for (size_t i = 0; i < workers; ++i) each.send.push_back(std::move(*next++));
  }
  return std::unique_ptr<WorkerGroup>(new WorkerGroup(std::move(region), index, std::move(ends)));
}

WorkerGroup::WorkerGroup(SharedRegion region, size_t index,
                         std::array<DatagramBus::Ends, kLanes> ends)
    : region_(std::move(region)),
      own_(new_life(region_, index)),
      records_(region_, index),
      bus_(region_, own_, std::move(ends)) {
  bus_.tell_owed(region_.slot(index).owed.exchange(0));
  settle_debts();
}

void WorkerGroup::settle_debts() {
  for (size_t i = 0; i < size(); ++i) {
    WorkerSlot& slot = region_.slot(i);
    if (slot.tag == 0 && slot.owed != 0) bus_.tell_owed(slot.owed.exchange(0));
  }
}

WorkerTag WorkerGroup::new_life(const SharedRegion& region, size_t index) {
  // Workers that ended when nobody was there to hear of it.
  for (size_t i = 0; i < region.workers(); ++i) {
    WorkerSlot& other = region.slot(i);
    uint32_t tag = other.tag;
    if (i == index || tag == 0 || ::kill(other.pid, 0) == 0 || errno != ESRCH) continue;
    other.tag.compare_exchange_strong(tag, 0);
  }
  WorkerSlot& slot = region.slot(index);
  const WorkerTag tag = WorkerTag::make(index, slot.lives.fetch_add(1));
  slot.watch_notice.clear();
  slot.missed_topics = 0;
  slot.names_in_making.clear();
  slot.pid = ::getpid();
  slot.tag = tag.value;
  region.roster_version()++;
  return tag;
}

WorkerGroup::~WorkerGroup() {
  bus_.stop();
  uint32_t own = own_.value;
  region_.slot(own_.index()).tag.compare_exchange_strong(own, 0);
  region_.roster_version()++;
}

WorkerTag WorkerGroup::living(size_t index) const {
  return index < size() ? WorkerTag{region_.slot(index).tag} : WorkerTag{};
}

std::optional<size_t> WorkerGroup::begin_making(uint64_t name) {
  return own_slot().names_in_making.add(name);
}

bool WorkerGroup::anyone_makes() const {
  for (size_t i = 0; i < size(); ++i) {
    if (!region_.slot(i).names_in_making.empty()) return true;
  }
  return false;
}

std::optional<WorkerTag> WorkerGroup::maker_of(uint64_t name) const {
  for (size_t i = 0; i < size(); ++i) {
    const NamesInMaking& names = region_.slot(i).names_in_making;
    if (names.empty() || !names.contains(name)) continue;
    if (const WorkerTag worker = living(i); worker.value != 0) return worker;
  }
  return std::nullopt;
}

void WorkerGroup::start() {
  bus_.start();
  bus_.broadcast(Topic::kRecords, {}, IfFull::kMiss);
}

bool WorkerGroup::has_member(pid_t pid) const {
  for (size_t i = 0; i < size(); ++i) {
    if (region_.slot(i).tag != 0 && region_.slot(i).pid == pid) return true;
  }
  return false;
}

void WorkerGroup::ended(pid_t pid) {
  for (size_t i = 0; i < size(); ++i) {
    WorkerSlot& slot = region_.slot(i);
    uint32_t tag = slot.tag;
    if (tag == 0 || slot.pid != pid) continue;
    // Unless the next life has begun meanwhile.
    if (slot.tag.compare_exchange_strong(tag, 0)) slot.watch_notice.watches = 0;
  }
  settle_debts();
  region_.roster_version()++;
  for (const auto& callback : on_ended_) callback();
}

}  // namespace braid::store

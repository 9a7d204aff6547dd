#include "smb2/opens/open_table.h"

#include <algorithm>
#include <utility>

#include "base/fair_share.h"

namespace braid::smb2 {
namespace {

// What a stream is called is behind a lock of its own, so it is asked without that of the table.
using Named = std::shared_ptr<const vfs::StreamName>;

std::string text_of(const Named& name) { return name ? name->text() : std::string(); }

}  // namespace

void OpenTable::add(const std::shared_ptr<Open>& open) {
  const uint64_t id = open->file_id.volatile_id;
  std::shared_ptr<OneShot<bool>> settled;
  {
    auto tables = tables_.lock();
    const auto [found, added] = tables->opens.try_emplace(id);
    Entry& entry = found->second;
    entry.state = State::kConnected;
    entry.open = open;
    settled = std::exchange(entry.settled, nullptr);
    if (added) tables->enter(entry, *open, open->is_replay_eligible);
    open->is_in_open_table = true;
  }
  if (settled) settled->set(true);
}

void OpenTable::put_back(PreservedOpen open, Clock::Instant deadline) {
  auto tables = tables_.lock();
  const uint64_t id = open.file_id.volatile_id;
  Entry& entry = tables->opens[id];
  tables->enter(entry, open, open.changes.is_replay_eligible);
  entry.state = State::kParked;
  entry.until = deadline;
  entry.deadline = tables->deadlines.emplace(deadline, id);
  ++tables->parked_of[open.user];
  entry.preserved = std::move(open);
}

void OpenTable::Tables::enter(Entry& entry, const OpenValues& values, bool is_replay_eligible) {
  const uint64_t id = values.file_id.volatile_id;
  entry.file_id = values.file_id;
  if (entry.file_id.persistent != id) by_persistent[entry.file_id.persistent] = id;
  entry.names = values.names;
  entry.client_guid = values.client_guid;
  entry.user = values.user;
  if (entry.names.create_guid) {
    by_create_guid[{entry.client_guid, *entry.names.create_guid, entry.user}] = id;
  }
  if (is_replay_eligible && values.lease_key) {
    entry.lease = {values.client_guid, *values.lease_key, values.user};
    unused_with[*entry.lease].insert(id);
  }
  if (entry.names.app_instance_id) {
    entry.file = values.attributes.file_key;
    entry.file.stream = 0;
    by_app_instance[*entry.names.app_instance_id][entry.file][entry.client_guid].insert(id);
  }
}

void OpenTable::remove(const FileId& id) {
  std::shared_ptr<OneShot<bool>> settled;
  {
    auto tables = tables_.lock();
    const auto found = tables->opens.find(id.volatile_id);
    if (found == tables->opens.end()) return;
    settled = std::move(found->second.settled);
    tables->erase(found);
  }
  if (settled) settled->set(true);
}

void OpenTable::Tables::erase(Opens::iterator entry) {
  const auto& [id, gone] = *entry;
  if (gone.deadline) end_deadline(entry->second);
  if (gone.file_id.persistent != id) by_persistent.erase(gone.file_id.persistent);
  if (gone.names.create_guid) {
    const auto named = by_create_guid.find({gone.client_guid, *gone.names.create_guid, gone.user});
    if (named != by_create_guid.end() && named->second == id) by_create_guid.erase(named);
  }
  if (gone.lease) {
    const auto with = unused_with.find(*gone.lease);
    with->second.erase(id);
    if (with->second.empty()) unused_with.erase(with);
  }
  if (gone.names.app_instance_id) {
    const auto of_id = by_app_instance.find(*gone.names.app_instance_id);
    const auto of_file = of_id->second.find(gone.file);
    const auto of_client = of_file->second.find(gone.client_guid);
    of_client->second.erase(id);
    if (of_client->second.empty()) of_file->second.erase(of_client);
    if (of_file->second.empty()) of_id->second.erase(of_file);
    if (of_id->second.empty()) by_app_instance.erase(of_id);
  }
  opens.erase(entry);
}

OpenTable::Tables::Opens::iterator OpenTable::Tables::find_persistent(uint64_t persistent_id) {
  const auto other = by_persistent.find(persistent_id);
  const auto found = opens.find(other == by_persistent.end() ? persistent_id : other->second);
  return found != opens.end() && found->second.file_id.persistent == persistent_id ? found
                                                                                   : opens.end();
}

OpenTable::Replayable OpenTable::find_replayable(const CreateKey& key) const {
  Replayable found;
  auto tables = tables_.lock();
  const auto named = tables->by_create_guid.find(key);
  if (named == tables->by_create_guid.end()) return found;
  const Entry& entry = tables->opens.at(named->second);
  auto open = entry.open.lock();
  // Of one that is claimed it shows when that is over.
  const bool is_eligible = entry.preserved ? entry.preserved->changes.is_replay_eligible
                           : open          ? open->is_replay_eligible.load()
                                           : entry.state == State::kClaimed;
  if (!is_eligible) return found;
  if (entry.state == State::kConnected) {
    found.open = std::move(open);
  } else {
    found.disconnected = entry.file_id.persistent;
  }
  return found;
}

void OpenTable::begin_leaving(const Open& open) {
  auto tables = tables_.lock();
  const auto found = tables->opens.find(open.file_id.volatile_id);
  if (found == tables->opens.end() || found->second.state != State::kConnected) return;
  found->second.state = State::kLeaving;
  found->second.settled = std::make_shared<OneShot<bool>>();
}

void OpenTable::moved_away(PreservedOpen open) {
  std::shared_ptr<OneShot<bool>> settled;
  std::optional<filestate::CloseDecision> purged;
  {
    auto tables = tables_.lock();
    const auto found = tables->opens.find(open.file_id.volatile_id);
    settled = std::exchange(found->second.settled, nullptr);
    purged = std::move(found->second.purged);
    tables->erase(found);
  }
  if (settled) settled->set(true);
  if (purged) on_purged_({.open = std::move(open), .closed = std::move(*purged)});
}

void OpenTable::keep(PreservedOpen open, std::optional<Clock::Instant> until) {
  std::shared_ptr<OneShot<bool>> settled;
  std::optional<filestate::CloseDecision> purged;
  {
    auto tables = tables_.lock();
    const auto found = tables->opens.find(open.file_id.volatile_id);
    Entry& entry = found->second;
    settled = std::exchange(entry.settled, nullptr);
    purged = std::move(entry.purged);
    if (purged) {
      tables->erase(found);
    } else {
      entry.state = State::kParked;
      entry.until = until.value_or(entry.until);
      entry.deadline = tables->deadlines.emplace(entry.until, open.file_id.volatile_id);
      ++tables->parked_of[open.user];
      entry.preserved = std::move(open);
      entry.open.reset();
    }
  }
  if (settled) settled->set(true);
  if (purged) on_purged_({.open = std::move(open), .closed = std::move(*purged)});
}

void OpenTable::Tables::end_deadline(Entry& parked) {
  deadlines.erase(*std::exchange(parked.deadline, std::nullopt));
  const auto own = parked_of.find(parked.preserved->user);
  if (--own->second == 0) parked_of.erase(own);
}

// Leaves the entry, without a deadline.
PreservedOpen OpenTable::Tables::take(Opens::iterator parked) {
  Entry& entry = parked->second;
  end_deadline(entry);
  PreservedOpen open = std::move(*entry.preserved);
  entry.preserved.reset();
  return open;
}

PreservedOpen OpenTable::Tables::claim(Opens::iterator parked) {
  parked->second.state = State::kClaimed;
  parked->second.settled = std::make_shared<OneShot<bool>>();
  return take(parked);
}

void OpenTable::purge(const filestate::OpenRef& ref, const filestate::CloseDecision& closed) {
  std::optional<PreservedOpen> parked;
  {
    auto tables = tables_.lock();
    const auto found = tables->opens.find(ref.token.value);
    if (found == tables->opens.end()) return;
    if (found->second.state != State::kParked) {
      found->second.purged = closed;
      return;
    }
    parked = tables->take(found);
    tables->erase(found);
  }
  on_purged_({.open = std::move(*parked), .closed = closed});
}

OpenTable::Look OpenTable::look_at(uint64_t persistent_id) {
  if (sleepers_) sleepers_->wake_open(persistent_id);
  Look look;
  Named stream;
  {
    auto tables = tables_.lock();
    const auto found = tables->find_persistent(persistent_id);
    if (found == tables->opens.end()) return look;
    const Entry& entry = found->second;
    look.try_again = entry.settled;
    if (entry.state == State::kConnected) look.connected = entry.open.lock();
    if (!entry.preserved) return look;
    const PreservedOpen& open = *entry.preserved;
    look.open.emplace(Look::Waiting{open, open.changes, open.share, {}});
    stream = open.named_stream();
  }
  look.open->stream_name = text_of(stream);
  return look;
}

OpenTable::Claim OpenTable::claim(uint64_t persistent_id) {
  if (sleepers_) sleepers_->wake_open(persistent_id);
  Claim claim;
  auto tables = tables_.lock();
  const auto found = tables->find_persistent(persistent_id);
  if (found == tables->opens.end()) return claim;
  Entry& entry = found->second;
  claim.try_again = entry.settled;
  if (entry.state != State::kParked) return claim;
  claim.open = tables->claim(found);
  return claim;
}

std::optional<OpenTable::AppInstanceOpen> OpenTable::find_app_instance(
    const AppInstanceId& id, FileKey file, const ClientGuid& own, const IsWanted& is_wanted) const {
  file.stream = 0;
  struct Candidate {
    AppInstanceOpen open;
    std::string share;
    Named stream;
  };
  std::vector<Candidate> candidates;
  {
    auto tables = tables_.lock();
    const auto of_id = tables->by_app_instance.find(id);
    if (of_id == tables->by_app_instance.end()) return std::nullopt;
    const auto of_file = of_id->second.find(file);
    if (of_file == of_id->second.end()) return std::nullopt;
    for (const auto& [client, opens] : of_file->second) {
      if (client == own) continue;
      for (const uint64_t each : opens) {
        const Entry& entry = tables->opens.at(each);
        AppInstanceOpen open{.persistent_id = entry.file_id.persistent,
                             .open = {},
                             .version = entry.names.app_instance_version,
                             .try_again = entry.settled};
        if (open.try_again) return open;
        if (entry.preserved) {
          candidates.push_back(
              {std::move(open), entry.preserved->share->name, entry.preserved->named_stream()});
        } else if ((open.open = entry.open.lock())) {
          const Open& its = *open.open;
          candidates.push_back(
              {std::move(open), its.tree_connect->share->name, its.its_stream_name});
        }
      }
    }
  }
  for (Candidate& each : candidates) {
    if (is_wanted(each.share, text_of(each.stream))) return std::move(each.open);
  }
  return std::nullopt;
}

bool OpenTable::has_app_instance(const AppInstanceId& id) const {
  return tables_.lock()->by_app_instance.contains(id);
}

std::vector<PreservedOpen> OpenTable::claim_expired(Clock::Instant now) {
  if (sleepers_) sleepers_->wake_due(now);
  std::vector<PreservedOpen> expired;
  auto tables = tables_.lock();
  while (!tables->deadlines.empty() && tables->deadlines.begin()->first <= now) {
    expired.push_back(tables->claim(tables->opens.find(tables->deadlines.begin()->second)));
  }
  return expired;
}

std::vector<std::pair<PreservedOpen, Clock::Instant>> OpenTable::claim_awake() {
  std::vector<std::pair<PreservedOpen, Clock::Instant>> all;
  auto tables = tables_.lock();
  while (!tables->deadlines.empty()) {
    const auto [until, id] = *tables->deadlines.begin();
    all.emplace_back(tables->claim(tables->opens.find(id)), until);
  }
  return all;
}

void OpenTable::end_replay_eligibility(const filestate::LeaseId& lease) {
  auto tables = tables_.lock();
  const auto with = tables->unused_with.extract(lease);
  if (!with) return;
  for (const uint64_t id : with.mapped()) {
    Entry& entry = tables->opens.at(id);
    entry.lease.reset();
    if (const auto open = entry.open.lock()) open->end_replay_eligibility();
    if (entry.preserved) entry.preserved->changes.is_replay_eligible = false;
  }
}

std::vector<OpenTable::ParkedOpen> OpenTable::parked() const {
  if (sleepers_) sleepers_->wake_due(Clock::Instant::max());
  std::vector<ParkedOpen> all;
  std::vector<Named> streams;
  {
    auto tables = tables_.lock();
    for (const auto& [deadline, id] : tables->deadlines) {
      const Entry& entry = tables->opens.at(id);
      if (!entry.preserved) continue;
      const PreservedOpen& open = *entry.preserved;
      streams.push_back(open.named_stream());
      all.push_back({.ref = open.ref(),
                     .attributes = open.attributes,
                     .owner = open.owner,
                     .share = open.share->name,
                     .path = open.changes.path.text(),
                     .stream_name = {},
                     .client_guid = open.client_guid,
                     .user = open.user,
                     .durability = open.changes.durable_terms.durability,
                     .until = deadline});
    }
  }
  for (size_t i = 0; i < all.size(); ++i) all[i].stream_name = text_of(streams[i]);
  return all;
}

bool OpenTable::has_room(filestate::UserId user) const {
  const size_t asleep = sleepers_ ? sleepers_->count() : 0;
  const size_t own_asleep = sleepers_ ? sleepers_->count_of(user) : 0;
  auto tables = tables_.lock();
  const auto found = tables->parked_of.find(user);
  const size_t own = own_asleep + (found == tables->parked_of.end() ? 0 : found->second);
  const size_t all = asleep + tables->deadlines.size();
  return own < fair_share(disconnected_max_, all - std::min(all, own));
}

std::optional<Clock::Instant> OpenTable::next_deadline() const {
  const auto due = sleepers_ ? sleepers_->next_due() : std::nullopt;
  auto tables = tables_.lock();
  if (tables->deadlines.empty()) return due;
  const auto first = tables->deadlines.begin()->first;
  return due ? std::min(*due, first) : first;
}

}  // namespace braid::smb2

#include "smb2/persistent/sleeping_opens.h"

#include <algorithm>
#include <functional>

#include "smb2/persistent/persistent_handles.h"
#include "smb2/shares/tree_path.h"

namespace braid::smb2 {
namespace {

// So many are looked at before others get at the lock.
constexpr size_t kPiece = 256;

uint64_t hash_of(const CreateKey& key) { return std::hash<CreateKey>{}(key); }

std::optional<CreateKey> key_of(const PersistentOpen& open) {
  if (!open.names.create_guid) return std::nullopt;
  return CreateKey{open.client_guid, *open.names.create_guid, open.user};
}

bool deletes(const filestate::OpenImage& state) {
  return state.delete_on_close || state.of_name.is_pending || state.of_stream.is_pending;
}

}  // namespace

bool SleepingOpens::can_sleep(const PersistentOpen& open, const SeenFile& seen) {
  return !open.attributes.is_stream && !open.names.app_instance_id && !seen.renamed_to &&
         !deletes(open.state);
}

void SleepingOpens::add(const Sleeper& sleeper, std::string_view record) {
  const PersistentOpen& open = sleeper.open;
  const uint64_t id = open.file_id.persistent;
  const Bytes lease = open.state.lease ? lease_record_of(*open.state.lease) : Bytes{};
  Asleep asleep{.bytes = {},
                .lease_size = static_cast<uint32_t>(lease.size()),
                .file = sleeper.seen.key,
                .size = sleeper.seen.size,
                .write_time = sleeper.seen.write_time,
                .until = sleeper.until,
                .of = sleeper.of,
                .user = open.user};
  asleep.bytes.reserve(record.size() + lease.size());
  asleep.bytes += record;
  asleep.bytes += as_text(lease);
  auto state = state_.lock();
  state->of_file.emplace(asleep.file, id);
  if (const auto key = key_of(open)) state->named.emplace(hash_of(*key), id);
  state->due.emplace_back(asleep.until, id);
  std::ranges::push_heap(state->due, std::greater{});
  ++state->of_user[open.user];
  state->opens.emplace(id, std::move(asleep));
  ++count_;
}

void SleepingOpens::clear() {
  auto state = state_.lock();
  *state = {};
  count_ = 0;
}

std::unordered_map<const PersistentShare*, size_t> SleepingOpens::counts() const {
  std::unordered_map<const PersistentShare*, size_t> counts;
  auto state = state_.lock();
  for (const auto& [id, asleep] : state->opens) ++counts[asleep.of];
  return counts;
}

SleepingOpens::Sleeper SleepingOpens::read(uint64_t id, const Asleep& asleep) {
  const ByteView bytes = as_bytes(asleep.bytes);
  const size_t size = bytes.size() - asleep.lease_size;
  // Recovery has read it.
  Sleeper sleeper{.open = read_open_record(bytes.first(size)).value(),
                  .of = asleep.of,
                  .seen = {asleep.file, asleep.size, asleep.write_time},
                  .until = asleep.until};
  if (asleep.lease_size != 0) {
    const LeaseKey key = sleeper.open.state.lease->key;
    sleeper.open.state.lease = read_lease_record(bytes.subspan(size)).value();
    sleeper.open.state.lease->key = key;
  }
  sleeper.open.file_id.persistent = id;
  return sleeper;
}

void SleepingOpens::wake_one(State& state, uint64_t id) {
  const auto taken = state.opens.extract(id);
  if (!taken) return;
  const Asleep& asleep = taken.mapped();
  Sleeper sleeper = read(id, asleep);
  const auto drop = [id](auto& index, const auto& key) {
    const auto [from, to] = index.equal_range(key);
    const auto own = std::find_if(from, to, [id](const auto& each) { return each.second == id; });
    if (own != to) index.erase(own);
  };
  drop(state.of_file, asleep.file);
  if (const auto key = key_of(sleeper.open)) drop(state.named, hash_of(*key));
  if (--state.of_user.at(asleep.user) == 0) state.of_user.erase(asleep.user);
  wake_(std::move(sleeper));
  if (state.opens.empty()) state = {};  // gives back the memory of its tables
  --count_;
}

void SleepingOpens::wake_file(State& state, const FileKey& file) {
  const auto [from, to] = state.of_file.equal_range(file);
  std::vector<uint64_t> ids;
  for (auto each = from; each != to; ++each) ids.push_back(each->second);
  std::ranges::sort(ids);
  for (const uint64_t id : ids) wake_one(state, id);
}

void SleepingOpens::wake(const FileKey& file) {
  if (count() == 0) return;
  wake_file(*state_.lock(), file);
}

// A piece at a time, as others wait for the lock meanwhile. What is not there any more is awake.
void SleepingOpens::wake_where(const std::function<bool(std::string_view path)>& is) {
  if (count() == 0) return;
  std::vector<uint64_t> ids;
  {
    auto state = state_.lock();
    for (const auto& [id, asleep] : state->opens) ids.push_back(id);
  }
  for (size_t at = 0; at < ids.size(); at += kPiece) {
    auto state = state_.lock();
    for (size_t i = at; i < std::min(ids.size(), at + kPiece); ++i) {
      const auto found = state->opens.find(ids[i]);
      if (found == state->opens.end()) continue;
      const Asleep& asleep = found->second;
      const Sleeper sleeper = read(ids[i], asleep);
      if (is(in_all_shares(*share_of(*asleep.of), sleeper.open.changes.path.text()))) {
        wake_file(*state, FileKey(asleep.file));
      }
    }
  }
}

void SleepingOpens::wake_open(uint64_t persistent_id) {
  if (count() == 0) return;
  auto state = state_.lock();
  const auto found = state->opens.find(persistent_id);
  if (found != state->opens.end()) wake_file(*state, FileKey(found->second.file));
}

void SleepingOpens::wake_named(const CreateKey& key) {
  if (count() == 0) return;
  auto state = state_.lock();
  const auto [from, to] = state->named.equal_range(hash_of(key));
  std::vector<FileKey> files;
  for (auto each = from; each != to; ++each) {
    files.push_back(state->opens.at(each->second).file);
  }
  for (const FileKey& file : files) wake_file(*state, file);
}

void SleepingOpens::wake_due(Clock::Instant now) {
  while (count() != 0) {
    auto state = state_.lock();
    for (size_t i = 0; i < kPiece; ++i) {
      if (state->due.empty() || state->due.front().first > now) return;
      const uint64_t id = state->due.front().second;
      std::ranges::pop_heap(state->due, std::greater{});
      state->due.pop_back();
      const auto found = state->opens.find(id);
      if (found != state->opens.end()) wake_file(*state, FileKey(found->second.file));
    }
  }
}

std::optional<Clock::Instant> SleepingOpens::next_due() const {
  if (count() == 0) return std::nullopt;
  auto state = state_.lock();
  if (state->due.empty()) return std::nullopt;
  return state->due.front().first;
}

size_t SleepingOpens::count_of(filestate::UserId user) const {
  if (count() == 0) return 0;
  auto state = state_.lock();
  const auto found = state->of_user.find(user);
  return found == state->of_user.end() ? 0 : found->second;
}

}  // namespace braid::smb2

#include "smb2/sessions/session.h"

#include <algorithm>
#include <cstring>

#include "smb2/common/user_id.h"
#include "smb2/opens/open.h"
#include "smb2/sessions/close_under_way.h"
#include "smb2/sessions/tree_connect.h"

namespace braid::smb2 {

SessionState Session::state(FileTime now) const {
  const SessionState state = state_.load(std::memory_order_acquire);
  if (state == SessionState::kValid && now.ticks >= expires_at_.load(std::memory_order_relaxed)) {
    return SessionState::kExpired;
  }
  return state;
}

void Session::use(FileTime now) {
  const uint64_t before = last_used_.load(std::memory_order_relaxed);
  if (before == 0) first_used_.store(now.ticks, std::memory_order_relaxed);
  if (now.ticks >= before + kTicksPerSecond || now.ticks < before) {
    last_used_.store(now.ticks, std::memory_order_relaxed);
  }
}

void Session::become_valid(SessionSecurity security, Principal principal,
                           std::optional<FileTime> expires_at) {
  if (security.user) security.user_id = user_id_of(*security.user);
  security_owner_ = std::make_unique<const SessionSecurity>(std::move(security));
  security_.store(security_owner_.get(), std::memory_order_release);
  renew(std::move(principal), expires_at);
  SessionState expected = SessionState::kInProgress;
  state_.compare_exchange_strong(expected, SessionState::kValid);
}

void Session::renew(Principal principal, std::optional<FileTime> expires_at) {
  *principal_.lock() = std::move(principal);
  expires_at_ = expires_at ? expires_at->ticks : ~uint64_t{0};
}

Result<void> Session::reauthenticate(Principal principal, std::optional<FileTime> expires_at,
                                     FileTime now) {
  const auth::Identity& identity = *principal.identity;
  if (!identity.is_anonymous) {
    if (!security()->user->is_same_user(identity)) return fail(NtStatus::kAccessDenied);
    renew(std::move(principal), expires_at);
    return {};
  }
  const FileTime end{expires_at_.load()};
  if (now >= end) return fail(NtStatus::kLogonFailure);
  renew(std::move(principal), end);
  return {};
}

std::optional<std::vector<std::shared_ptr<Channel>>> Session::begin_close() {
  if (state_.exchange(SessionState::kClosed) == SessionState::kClosed) return std::nullopt;
  // Each Channel holds the Session: whoever forgets to let go of one must not keep it for ever.
  std::vector<std::shared_ptr<Channel>> released;
  {
    auto channels = channels_.lock();
    channels->closed = true;
    released.swap(channels->list);
    released.insert(released.end(), channels->lost.begin(), channels->lost.end());
    channels->lost.clear();
  }
  return released;
}

Result<void> Session::add_channel(std::shared_ptr<Channel> channel) {
  auto channels = channels_.lock();
  if (channels->closed) return fail(NtStatus::kUserSessionDeleted);
  if (channels->list.size() >= kChannelsPerSessionMax) {
    return fail(NtStatus::kInsufficientResources);
  }
  channels->list.push_back(std::move(channel));
  return {};
}

Session::Removal Session::remove_channel(const std::shared_ptr<Channel>& channel) {
  auto channels = channels_.lock();
  if (std::erase(channels->list, channel) == 0) return {.remaining = channels->list.size()};
  std::erase_if(channels->lost, [](const auto& held) { return held->connection.expired(); });
  Removal removal{.remaining = channels->list.size()};
  if (removal.remaining == 0) {
    channels->closed = true;
    return removal;
  }
  if (channels->lost.size() >= kLostChannelsPerSessionMax) {
    removal.forgotten = std::move(channels->lost.front());
    channels->lost.erase(channels->lost.begin());
  }
  channels->lost.push_back(channel);
  return removal;
}

TreeId Session::next_tree_id() {
  auto trees = trees_.lock();
  do {
    ++trees->last_id;
  } while (trees->last_id == 0 || trees->last_id == ~uint32_t{0} ||
           trees->table.contains(TreeId{trees->last_id}));
  return TreeId{trees->last_id};
}

bool Session::add_tree(std::shared_ptr<TreeConnect> tree) {
  auto trees = trees_.lock();
  if (trees->closed || trees->table.size() >= kTreesPerSessionMax) return false;
  const TreeId id = tree->tree_id;
  trees->table.emplace(id, std::move(tree));
  return true;
}

std::shared_ptr<TreeConnect> Session::find_tree(TreeId id) const {
  auto trees = trees_.lock();
  const auto found = trees->table.find(id);
  return found == trees->table.end() ? nullptr : found->second;
}

std::shared_ptr<TreeConnect> Session::remove_tree(TreeId id) {
  auto trees = trees_.lock();
  auto node = trees->table.extract(id);
  return node ? std::move(node.mapped()) : nullptr;
}

std::vector<std::shared_ptr<TreeConnect>> Session::trees() const {
  auto trees = trees_.lock();
  std::vector<std::shared_ptr<TreeConnect>> all;
  for (const auto& [id, tree] : trees->table) all.push_back(tree);
  return all;
}

std::vector<std::shared_ptr<TreeConnect>> Session::take_trees() {
  auto trees = trees_.lock();
  trees->closed = true;
  std::vector<std::shared_ptr<TreeConnect>> all;
  for (auto& [id, tree] : trees->table) all.push_back(std::move(tree));
  trees->table.clear();
  return all;
}

bool Session::add_open(const std::shared_ptr<Open>& open) {
  auto opens = opens_.lock();
  if (opens->closed || opens->table.size() >= kOpensPerSessionMax) return false;
  if (!opens->table.emplace(open->file_id.volatile_id, open).second) return false;
  opens->by_tree[open->tree_connect->tree_id].insert(open->file_id.volatile_id);
  return true;
}

std::shared_ptr<Open> Session::find_open(FileId id) const {
  auto opens = opens_.lock();
  const auto found = opens->table.find(id.volatile_id);
  if (found == opens->table.end() || found->second->file_id != id) return nullptr;
  return found->second;
}

void Session::remove_open(FileId id) {
  // Ends when the lock is gone.
  std::shared_ptr<Open> removed;
  auto opens = opens_.lock();
  const auto found = opens->table.find(id.volatile_id);
  if (found == opens->table.end()) return;
  removed = std::move(found->second);
  opens->table.erase(found);
  const auto tree = opens->by_tree.find(removed->tree_connect->tree_id);
  tree->second.erase(id.volatile_id);
  if (tree->second.empty()) opens->by_tree.erase(tree);
}

bool Session::begin_closing(const std::shared_ptr<CloseUnderWay>& close) {
  return opens_.lock()->closing.emplace(close->file_id.volatile_id, close).second;
}

std::shared_ptr<CloseUnderWay> Session::find_closing(FileId id) const {
  auto opens = opens_.lock();
  const auto found = opens->closing.find(id.volatile_id);
  return found == opens->closing.end() || found->second->file_id != id ? nullptr : found->second;
}

void Session::end_closing(FileId id) { opens_.lock()->closing.erase(id.volatile_id); }

std::vector<std::shared_ptr<Open>> Session::opens_of(TreeId tree) const {
  auto opens = opens_.lock();
  std::vector<std::shared_ptr<Open>> through_it;
  const auto found = opens->by_tree.find(tree);
  if (found == opens->by_tree.end()) return through_it;
  through_it.reserve(found->second.size());
  for (const uint64_t id : found->second) through_it.push_back(opens->table.at(id));
  return through_it;
}

std::vector<std::shared_ptr<Open>> Session::close_opens() {
  auto opens = opens_.lock();
  opens->closed = true;
  return all_of(*opens);
}

std::vector<std::shared_ptr<Open>> Session::all_of(const Opens& opens) {
  std::vector<std::shared_ptr<Open>> all;
  all.reserve(opens.table.size());
  for (const auto& [id, open] : opens.table) all.push_back(open);
  return all;
}

std::shared_ptr<Session> SessionTable::create(ClientGuid client_guid) {
  auto table = table_.lock();
  SessionId id;
  do {
    crypto::random_bytes({reinterpret_cast<uint8_t*>(&id.value), sizeof id.value});
    // 32 bits, as Samba makes them: there are clients that keep no more.
    id.value &= 0xFFFF'FFFF;
    if (worker_) {
      id.value &= (uint64_t{1} << kRandomBits) - 1;
      id.value |= uint64_t{*worker_} << kRandomBits;
    }
  } while (id.value == 0 || id.value == 0xFFFF'FFFF || table->contains(id));
  auto session = std::make_shared<Session>(id, client_guid);
  table->emplace(id, session);
  return session;
}

std::shared_ptr<Session> SessionTable::find(SessionId id) const {
  auto table = table_.lock();
  const auto found = table->find(id);
  return found == table->end() ? nullptr : found->second;
}

bool SessionTable::add(std::shared_ptr<Session> session) {
  const SessionId id = session->session_id;
  if (worker_ && worker_of(id) != *worker_) return false;
  return table_.lock()->emplace(id, std::move(session)).second;
}

void SessionTable::remove(SessionId id) { table_.lock()->erase(id); }

std::vector<std::shared_ptr<Session>> SessionTable::all() const {
  auto table = table_.lock();
  std::vector<std::shared_ptr<Session>> all;
  for (const auto& [id, session] : *table) all.push_back(session);
  return all;
}

}  // namespace braid::smb2

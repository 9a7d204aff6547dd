#include "smb2/connections/channel_table.h"

#include <algorithm>
#include <utility>

#include "smb2/common/limits.h"

namespace braid::smb2 {

std::shared_ptr<Channel> ChannelTable::find(SessionId id) const {
  const auto found = channels_.find(id);
  return found == channels_.end() ? nullptr : found->second;
}

std::shared_ptr<Session> ChannelTable::any_session() const {
  return channels_.empty() ? nullptr : channels_.begin()->second->session;
}

std::vector<std::shared_ptr<Channel>> ChannelTable::all() const {
  std::vector<std::shared_ptr<Channel>> all;
  for (const auto& [id, channel] : channels_) all.push_back(channel);
  return all;
}

bool ChannelTable::add(std::shared_ptr<Channel> channel) {
  if (channels_.size() >= kSessionsPerConnectionMax) return false;
  const SessionId id = channel->session->session_id;
  return channels_.emplace(id, std::move(channel)).second;
}

bool ChannelTable::remove(const Channel& channel) {
  const auto found = channels_.find(channel.session->session_id);
  if (found == channels_.end() || found->second.get() != &channel) return false;
  // The key alone: that of the first channel is a part of the session.
  const SessionSecurity* security = channel.session->security();
  auto key = channel.signing_key;
  if (key && security && key.get() == security->signing_key.get()) {
    key = std::make_shared<const crypto::SigningKey>(key->algorithm(), security->signing_secret,
                                                     key->counters());
  }
  if (key) ended_.push_back({channel.session->session_id, std::move(key)});
  if (ended_.size() > kEndedSessionsMax) ended_.pop_front();
  channels_.erase(found);
  return true;
}

std::vector<std::shared_ptr<Channel>> ChannelTable::take_all() {
  std::vector<std::shared_ptr<Channel>> all;
  all.reserve(channels_.size());
  for (auto& [id, channel] : std::exchange(channels_, {})) all.push_back(std::move(channel));
  return all;
}

std::shared_ptr<const crypto::SigningKey> ChannelTable::key_of_ended(SessionId id) const {
  const auto found = std::ranges::find(ended_, id, &Ended::id);
  return found == ended_.end() ? nullptr : found->signing_key;
}

}  // namespace braid::smb2

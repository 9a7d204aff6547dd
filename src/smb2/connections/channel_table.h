// ChannelTable: the sessions on a connection.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "crypto/signing.h"
#include "smb2/sessions/session.h"

namespace braid::smb2 {

// Connection.SessionTable of [MS-SMB2] 3.3.1.7 "Per Transport Connection", with the Channel that
// each session has there. Owned by a Connection. Thread: its reactor's.
class ChannelTable {
 public:
  // Null when the session is not on this connection.
  std::shared_ptr<Channel> find(SessionId id) const;
  // One of those on this connection; null when there is none.
  std::shared_ptr<Session> any_session() const;
  std::vector<std::shared_ptr<Channel>> all() const;
  // False: there are kSessionsPerConnectionMax, or one with that id.
  bool add(std::shared_ptr<Channel> channel);
  // By address, since the id may be another session's by now. False: it is not there any more.
  bool remove(const Channel& channel);
  // All that there are; none is left.
  std::vector<std::shared_ptr<Channel>> take_all();
  // The key of one of the last kEndedSessionsMax that were removed, to sign with that it is gone;
  // or null.
  std::shared_ptr<const crypto::SigningKey> key_of_ended(SessionId id) const;

 private:
  struct Ended {
    SessionId id;
    std::shared_ptr<const crypto::SigningKey> signing_key;
  };

  std::unordered_map<SessionId, std::shared_ptr<Channel>> channels_;
  std::deque<Ended> ended_;  // the latest last
};

}  // namespace braid::smb2

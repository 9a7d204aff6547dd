// AsyncCommandList: the requests of a connection that wait, and what ends their waiting.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/ids.h"
#include "smb2/sessions/session.h"
#include "wire/smb2/header.h"

namespace braid::smb2 {

// What ends a wait. kConnection: the end of the connection only. kCancel: CANCEL as well.
// kSession: CANCEL, and the end of the session, which may have other channels.
enum class EndedBy : uint8_t { kConnection, kCancel, kSession };

// Connection.AsyncCommandList of [MS-SMB2] 3.3.1.7 "Per Transport Connection". Owned by a
// Connection. Thread: its reactor's. Each `on_cancel` is called at most once, and not after
// remove(); it may remove its own entry.
class AsyncCommandList {
 public:
  // An AsyncId of zero: there are kAsyncRequestsMax, or what ends it is over already. `session`:
  // for kSession. Without `on_cancel` nothing can end it until set_on_cancel().
  AsyncId add(MessageId message_id, std::move_only_function<void()> on_cancel, EndedBy ended_by,
              std::shared_ptr<Session> session = nullptr);
  // One that waited in the process before, by the id that its client knows; nothing can end it
  // until set_on_cancel(). Ids from here on are above it.
  void add_again(AsyncId id, MessageId message_id, std::shared_ptr<Session> session);
  void remove(AsyncId id) { requests_.erase(id); }
  size_t size() const { return requests_.size(); }
  // For one that was added without. Called at once when what would have ended the wait has been.
  void set_on_cancel(AsyncId id, std::move_only_function<void()> on_cancel, EndedBy ended_by);

  // [MS-SMB2] 3.3.5.16 "Receiving an SMB2 CANCEL Request": by AsyncId or by MessageId, as the
  // header says.
  struct Cancelled {
    bool ended = false;                    // a wait
    std::optional<MessageId> not_waiting;  // the request, if it is there, is not to begin with it
  };
  Cancelled cancel(const wire::Header& header);

  // The connection is lost: waits with kConnection and kCancel are over.
  void connection_lost();
  // The connection is lost, and nobody asks on another channel for what it still does: all waits
  // are over.
  void abandon();
  // Ends those whose session has ended, and whatever else is over.
  void end_waits();

 private:
  struct Request {
    MessageId message_id;
    std::move_only_function<void()> on_cancel;
    EndedBy ended_by = EndedBy::kCancel;
    std::shared_ptr<Session> session;
  };

  bool is_over(const Request& request) const;

  std::unordered_map<AsyncId, Request> requests_;
  uint64_t last_id_ = 0;
  bool is_connection_lost_ = false;
  bool is_abandoned_ = false;
};

}  // namespace braid::smb2

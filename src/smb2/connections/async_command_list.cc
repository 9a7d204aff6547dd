#include "smb2/connections/async_command_list.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "smb2/common/limits.h"

namespace braid::smb2 {

AsyncId AsyncCommandList::add(MessageId message_id, std::move_only_function<void()> on_cancel,
                              EndedBy ended_by, std::shared_ptr<Session> session) {
  Request request{message_id, std::move(on_cancel), ended_by, std::move(session)};
  if (is_over(request) || requests_.size() >= kAsyncRequestsMax) return {};
  const AsyncId id{++last_id_};
  requests_.emplace(id, std::move(request));
  return id;
}

void AsyncCommandList::add_again(AsyncId id, MessageId message_id,
                                 std::shared_ptr<Session> session) {
  last_id_ = std::max(last_id_, id.value);
  requests_.emplace(id, Request{message_id, nullptr, EndedBy::kSession, std::move(session)});
}

void AsyncCommandList::set_on_cancel(AsyncId id, std::move_only_function<void()> on_cancel,
                                     EndedBy ended_by) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  found->second.on_cancel = std::move(on_cancel);
  found->second.ended_by = ended_by;
  // What would have ended the wait has been.
  if (is_over(found->second)) std::exchange(found->second.on_cancel, nullptr)();
}

AsyncCommandList::Cancelled AsyncCommandList::cancel(const wire::Header& header) {
  auto found = requests_.end();
  if (header.is_async()) {
    found = requests_.find(header.async_id);
  } else {
    found = std::ranges::find_if(
        requests_, [&](const auto& entry) { return entry.second.message_id == header.message_id; });
  }
  if (found == requests_.end()) {
    if (header.is_async()) return {};
    return {.not_waiting = header.message_id};
  }
  if (found->second.ended_by == EndedBy::kConnection) return {};
  auto on_cancel = std::exchange(found->second.on_cancel, nullptr);
  if (!on_cancel) return {.not_waiting = found->second.message_id};
  on_cancel();
  return {.ended = true};
}

void AsyncCommandList::connection_lost() {
  is_connection_lost_ = true;
  end_waits();
}

void AsyncCommandList::abandon() {
  is_abandoned_ = true;
  end_waits();
}

void AsyncCommandList::end_waits() {
  std::vector<std::move_only_function<void()>> callbacks;
  for (auto& [id, request] : requests_) {
    if (is_over(request) && request.on_cancel) {
      callbacks.push_back(std::exchange(request.on_cancel, nullptr));
    }
  }
  for (auto& callback : callbacks) callback();
}

bool AsyncCommandList::is_over(const Request& request) const {
  if (request.ended_by != EndedBy::kSession) return is_connection_lost_;
  return is_abandoned_ || request.session->is_closed();
}

}  // namespace braid::smb2

#include "smb2/workers/other_workers.h"

#include <utility>

#include "smb2/workers/questions.h"

namespace braid::smb2 {

bool OtherWorkers::is_other(size_t index) const {
  return group_ && index < group_->size() && index != group_->own_tag().index();
}

std::vector<size_t> OtherWorkers::indexes(size_t first) const {
  std::vector<size_t> found;
  for (size_t i = 0; group_ && i < group_->size(); ++i) {
    const size_t index = (first + i) % group_->size();
    if (is_other(index)) found.push_back(index);
  }
  return found;
}

void OtherWorkers::tell(store::Topic topic, ByteView message) {
  if (group_) group_->bus().broadcast(topic, message, store::IfFull::kWaitBounded);
}

void OtherWorkers::on_told(store::Topic topic, std::function<void(ByteView)> handler) {
  if (!group_) return;
  group_->bus().handle(
      topic,
      [handler = std::move(handler)](store::BusMessage& message) { handler(message.payload); }, {});
}

void OtherWorkers::stop() {
  for (Questions* const each : questions_) each->stop();
}

}  // namespace braid::smb2

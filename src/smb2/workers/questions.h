// Questions: what a worker asks another one, and waits for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/unique_fd.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"
#include "store/worker_tag.h"

namespace braid::store {
enum class Topic : uint8_t;
struct BusMessage;
class WorkerGroup;
}  // namespace braid::store

namespace braid::smb2 {

// A question, or an answer that asks something in turn.
struct Question {
  store::WorkerTag from;
  uint64_t number = 0;  // 0: wants no answer
  Bytes payload;
  UniqueFd fd;
};

// Those of one topic. Every question is answered once or not at all, and who asked is told so when
// it will not be: the other worker has ended. A question for which there is no room yet waits in
// the bus, as does an answer; each belongs to a request that a client waits for, which bounds them.
// Owned by Siblings, which outlives the bus's handlers. Thread: any.
class Questions {
 public:
  // Null: there will be none, as the other worker has ended. Never: it could not be asked.
  using Answer = std::shared_ptr<Question>;

  // `on_question` runs on a thread of the bus and must not block.
  Questions(store::WorkerGroup& group, store::Topic topic,
            std::function<void(Question)> on_question);

  // Continues on `executor` if it had to wait. `fd` is duplicated; -1: none.
  Task<Answer> ask(size_t worker, Bytes payload, Executor& executor, int fd = -1);
  void answer(const Question& question, ByteView payload);
  // The same, and waits for what is said to that.
  Task<Answer> answer_and_ask(store::WorkerTag from, uint64_t number, Bytes payload,
                              Executor& executor, int fd);
  // Nobody waits any more: the other workers may be ending, too.
  void stop() { give_up_waiting(true, true); }

 private:
  struct Asked {
    store::WorkerTag worker;
    std::shared_ptr<OneShot<Answer>> answer;
  };
  struct Waiting {
    std::unordered_map<uint64_t, Asked> by_number;
    uint64_t last_number = 0;
    bool stopped = false;
  };

  bool send(store::WorkerTag to, uint64_t answers, uint64_t number, ByteView payload, int fd);
  void on_message(store::BusMessage& message);
  std::shared_ptr<OneShot<Answer>> take(uint64_t number);
  // Nobody may wait for what cannot come. `all`: also of workers that live. `stop`: and never
  // again.
  void give_up_waiting(bool all, bool stop = false);

  store::WorkerGroup& group_;
  const store::Topic topic_;
  const std::function<void(Question)> on_question_;
  Guarded<Waiting> waiting_;
};

}  // namespace braid::smb2

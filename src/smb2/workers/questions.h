// Questions: what a worker asks another one, and waits for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"
#include "smb2/workers/other_workers.h"

namespace braid::smb2 {

// A question, or an answer that asks something in turn.
struct Question {
  store::WorkerTag from;
  uint64_t number = 0;  // 0: wants no answer
  Bytes payload;
  UniqueFd fd;
  bool is_fd_lost = false;  // it came with one, for which this process had no room
};

// Those of one topic. Every question is answered once or not at all, and who asked is told so when
// it will not be: the other worker has ended. A question for which there is no room yet waits in
// the bus, as does an answer. Owned by the topic's subject, which outlives the bus's handlers and
// this worker's OtherWorkers::stop(). Thread: any.
class Questions {
 public:
  // What may be asked and not answered yet. An answer is no longer than a question or two, or is
  // one itself, so that this is also what waits here for others who ask and do not listen.
  static constexpr size_t kUnansweredMax = 8u << 20;
  // What one takes besides its payload.
  static constexpr size_t kQuestionSize = 512;

  // Null: there will be none, as the other worker has ended. Never: it could not be asked, which is
  // STATUS_INSUFFICIENT_RESOURCES: kUnansweredMax, a message that is too long, no descriptor.
  using Answer = std::shared_ptr<Question>;

  // `on_question` runs on a thread of the bus and must not block. Before the group starts.
  Questions(OtherWorkers& workers, store::Topic topic, std::function<void(Question)> on_question);
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;

  // Continues on `executor` if it had to wait. `fd` is duplicated; -1: none.
  Task<Result<Answer>> ask(size_t worker, Bytes payload, Executor& executor, int fd = -1);
  void answer(const Question& question, ByteView payload);
  // The same, and waits for what is said to that. On an error nothing was answered.
  Task<Result<Answer>> answer_and_ask(store::WorkerTag from, uint64_t number, Bytes payload,
                                      Executor& executor, int fd);
  // Nobody waits any more.
  void stop() { give_up_waiting(true, true); }

 private:
  struct Asked {
    store::WorkerTag worker;
    size_t size = 0;
    std::shared_ptr<OneShot<Answer>> answer;
  };
  struct Waiting {
    std::unordered_map<uint64_t, Asked> by_number;
    size_t bytes = 0;
    uint64_t last_number = 0;
    bool stopped = false;

    using Place = std::unordered_map<uint64_t, Asked>::iterator;
    std::shared_ptr<OneShot<Answer>> take(Place asked);
  };

  bool send(store::WorkerTag to, uint64_t answers, uint64_t number, ByteView payload, int fd);
  void on_message(store::BusMessage& message);
  std::shared_ptr<OneShot<Answer>> take(uint64_t number);
  // Nobody may wait for what cannot come. `all`: also of workers that live. `stop`: and never
  // again.
  void give_up_waiting(bool all, bool stop = false);

  store::Group* const group_;
  const store::Topic topic_;
  const std::function<void(Question)> on_question_;
  Guarded<Waiting> waiting_;
};

}  // namespace braid::smb2

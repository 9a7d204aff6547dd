// PromisesElsewhere: what the clients of other workers were promised of a file that this worker
// changes something of.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/executor.h"
#include "runtime/task.h"
#include "runtime/task_scope.h"
#include "smb2/workers/questions.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

// What a worker is asked to write down of the persistent opens that its clients have of a file.
struct PromiseQuestion {
  enum class Kind : uint8_t {
    kSettle = 1,  // what they are now
    kMoving,      // that it is about to be called `to`
    kMoved,       // that it is called that, or never will be
  };
  Kind kind{};
  FileKey file;
  bool changes_data = false;  // kSettle: PersistentHandles::About
  std::string to;             // kMoving, below the share

  void encode(wire::Writer& w) const;
  static Result<PromiseQuestion> decode(wire::Reader& r);
};

// Topic::kPromises. An answer waits for the disk of the worker that gives it and for nobody else:
// it asks nobody, and takes no thread of the pool for files, all of which may be waiting for
// answers. Owned by PersistentHandles. Thread: any.
class PromisesElsewhere {
 public:
  // What is to be done for the others. False: it cannot be written.
  using Answering = std::function<Task<bool>(PromiseQuestion)>;
  PromisesElsewhere(OtherWorkers& workers, Answering answering);
  ~PromisesElsewhere() { scope_.wait(); }

  // True: it is on the disk, or that worker has ended. Its opens wait for its next life then, which
  // has them from the record of the file and writes down how they are before it serves anybody.
  Task<bool> ask(store::WorkerTag worker, PromiseQuestion asked, Executor& executor);
  // Runs it, and the destructor waits for it.
  void spawn(Task<void> task) { scope_.spawn(std::move(task)); }

 private:
  Task<void> answer(Question question);

  const Answering answering_;
  TaskScope scope_;
  Questions questions_;
};

}  // namespace braid::smb2

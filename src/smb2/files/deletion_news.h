// DeletionNews: when other workers have removed what makes way for requests of this one.
#pragma once

#include <memory>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/one_shot.h"
#include "runtime/task.h"
#include "smb2/workers/questions.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

class FileServices;

// The question, whose answer is empty: tell when this is gone.
struct DeletionQuestion {
  FileKey file;

  void encode(wire::Writer& w) const;
  static Result<DeletionQuestion> decode(wire::Reader& r);
};

// Topic::kDeletions. Owned by FileServices. Thread: any.
class DeletionNews {
 public:
  DeletionNews(FileServices& files, OtherWorkers& workers);

  // Sets `gone` when the worker `by` has removed a file for which it has a
  // FileServices::deletion_of(), or has none; to false if it cannot be asked. False if that is
  // this worker.
  bool watch(store::WorkerTag by, const FileKey& file, std::shared_ptr<OneShot<bool>> gone);

 private:
  Task<void> ask(store::WorkerTag by, FileKey file, std::shared_ptr<OneShot<bool>> gone);
  Task<void> answer(Question question);

  FileServices& files_;
  OtherWorkers& workers_;
  Questions questions_;
};

}  // namespace braid::smb2

#include "smb2/files/deletion_news.h"

#include <utility>

#include "smb2/files/file_services.h"
#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {

void DeletionQuestion::encode(wire::Writer& w) const {
  w.u64(file.device);
  w.u64(file.inode);
}

Result<DeletionQuestion> DeletionQuestion::decode(wire::Reader& r) {
  DeletionQuestion question;
  question.file.device = r.u64();
  question.file.inode = r.u64();
  return r.finish(question);
}

DeletionNews::DeletionNews(FileServices& files, OtherWorkers& workers)
    : files_(files),
      workers_(workers),
      questions_(workers, store::Topic::kDeletions,
                 [this](Question question) { files_.spawn(answer(std::move(question))); }) {}

bool DeletionNews::watch(store::WorkerTag by, const FileKey& file,
                         std::shared_ptr<OneShot<bool>> gone) {
  if (by == workers_.own_tag()) return false;
  files_.spawn(ask(by, file, std::move(gone)));
  return true;
}

Task<void> DeletionNews::ask(store::WorkerTag by, FileKey file,
                             std::shared_ptr<OneShot<bool>> gone) {
  WorkerPool::Seat seat(files_.pool, {});
  const auto answer = co_await questions_.ask(by.index(), bytes_of(DeletionQuestion{file}), seat);
  gone->set(answer.has_value());
}

// What made it delete the file was told by a message before this one.
Task<void> DeletionNews::answer(Question question) {
  wire::Reader r(question.payload);
  WorkerPool::Seat seat(files_.pool, {});
  if (const auto asked = DeletionQuestion::decode(r)) {
    if (const auto gone = files_.deletion_of(asked->file)) co_await gone->wait(seat);
  }
  questions_.answer(question, {});
}

}  // namespace braid::smb2

#include "smb2/persistent/promises_elsewhere.h"

#include <utility>

#include "smb2/workers/worker_messages.h"

namespace braid::smb2 {
namespace {

// Bytes of an answer.
enum class Written : uint8_t { kNo, kYes };

}  // namespace

void PromiseQuestion::encode(wire::Writer& w) const {
  w.value(kind);
  w.u8(changes_data);
  w.u64(file.device);
  w.u64(file.inode);
  w.u64(file.stream);
  encode_text(to, w);
}

Result<PromiseQuestion> PromiseQuestion::decode(wire::Reader& r) {
  PromiseQuestion asked;
  asked.kind = r.as<Kind>();
  r.expect(asked.kind >= Kind::kSettle && asked.kind <= Kind::kMoved);
  asked.changes_data = r.u8() != 0;
  asked.file.device = r.u64();
  asked.file.inode = r.u64();
  asked.file.stream = r.u64();
  asked.to = decode_text(r);
  return r.finish(std::move(asked));
}

PromisesElsewhere::PromisesElsewhere(OtherWorkers& workers, Answering answering)
    : answering_(std::move(answering)),
      questions_(workers, store::Topic::kPromises,
                 [this](Question question) { scope_.spawn(answer(std::move(question))); }) {}

Task<void> PromisesElsewhere::answer(Question question) {
  wire::Reader r(question.payload);
  auto asked = PromiseQuestion::decode(r);
  const bool is_written = asked && co_await answering_(std::move(*asked));
  const auto written = static_cast<uint8_t>(is_written ? Written::kYes : Written::kNo);
  questions_.answer(question, {&written, 1});
}

Task<bool> PromisesElsewhere::ask(store::WorkerTag worker, PromiseQuestion asked,
                                  Executor& executor) {
  auto said = co_await questions_.ask(worker.index(), bytes_of(asked), executor);
  if (!said) co_return false;
  if (!*said) co_return true;  // it has ended
  const Bytes& written = (*said)->payload;
  co_return written.size() == 1 && written[0] == static_cast<uint8_t>(Written::kYes);
}

}  // namespace braid::smb2

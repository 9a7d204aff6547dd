#include "smb2/workers/questions.h"

#include <utility>
#include <vector>

#include "wire/reader.h"

namespace braid::smb2 {

Questions::Questions(OtherWorkers& workers, store::Topic topic,
                     std::function<void(Question)> on_question)
    : group_(workers.group()), topic_(topic), on_question_(std::move(on_question)) {
  if (!group_) return;
  workers.questions_.push_back(this);
  group_->bus().handle(topic_, [this](store::BusMessage& message) { on_message(message); }, {});
  group_->on_ended([this] { give_up_waiting(false); });
}

Task<Result<Questions::Answer>> Questions::ask(size_t worker, Bytes payload, Executor& executor,
                                               int fd) {
  const store::WorkerTag to = group_ ? group_->living(worker) : store::WorkerTag{};
  if (to.value == 0) co_return Answer{};
  co_return co_await answer_and_ask(to, 0, std::move(payload), executor, fd);
}

Task<Result<Questions::Answer>> Questions::answer_and_ask(store::WorkerTag from, uint64_t number,
                                                          Bytes payload, Executor& executor,
                                                          int fd) {
  auto answered = std::make_shared<OneShot<Answer>>();
  uint64_t own_number = 0;
  {
    auto waiting = waiting_.lock();
    if (waiting->stopped) co_return Answer{};
    const size_t size = kQuestionSize + payload.size();
    if (size > kUnansweredMax - waiting->bytes) co_return fail(NtStatus::kInsufficientResources);
    waiting->bytes += size;
    own_number = ++waiting->last_number;
    waiting->by_number.emplace(own_number, Asked{from, size, answered});
  }
  // In this order: the end of a worker is told once, to those who wait by then.
  if (!group_->is_alive(from)) {
    if (const auto waiting = take(own_number)) waiting->set(nullptr);
  } else if (!send(from, number, own_number, payload, fd)) {
    // Unless it was given up meanwhile.
    if (take(own_number)) co_return fail(NtStatus::kInsufficientResources);
  }
  co_return co_await answered->wait(executor);
}

void Questions::answer(const Question& question, ByteView payload) {
  // Whoever asked is not left waiting for one that is too long.
  if (!send(question.from, question.number, 0, payload, -1)) {
    send(question.from, question.number, 0, {}, -1);
  }
}

// `answers`: the number of a question of `to`; 0 when this is one. Both lives are named: the next
// life of a worker counts from the start again.
bool Questions::send(store::WorkerTag to, uint64_t answers, uint64_t number, ByteView payload,
                     int fd) {
  Bytes message;
  wire::Writer w(message);
  w.u32(to.value);
  w.u64(answers);
  w.u64(number);
  w.bytes(payload);
  return group_->bus().send(to.index(), topic_, message, fd, store::IfFull::kWait);
}

void Questions::on_message(store::BusMessage& message) {
  wire::Reader r(message.payload);
  const store::WorkerTag to{r.u32()};
  const uint64_t answers = r.u64();
  Question received{.from = message.from,
                    .number = r.u64(),
                    .payload = {},
                    .fd = std::move(message.fd),
                    .is_fd_lost = message.is_fd_lost};
  if (!r.ok() || to != group_->own_tag()) return;
  const ByteView payload = r.bytes(r.remaining());
  received.payload.assign(payload.begin(), payload.end());
  if (answers == 0) return on_question_(std::move(received));
  if (const auto answered = take(answers)) {
    answered->set(std::make_shared<Question>(std::move(received)));
  } else if (received.number != 0) {
    answer(received, {});  // it was given up
  }
}

std::shared_ptr<OneShot<Questions::Answer>> Questions::Waiting::take(Place asked) {
  auto answered = std::move(asked->second.answer);
  bytes -= asked->second.size;
  by_number.erase(asked);
  return answered;
}

std::shared_ptr<OneShot<Questions::Answer>> Questions::take(uint64_t number) {
  auto waiting = waiting_.lock();
  const auto found = waiting->by_number.find(number);
  return found == waiting->by_number.end() ? nullptr : waiting->take(found);
}

void Questions::give_up_waiting(bool all, bool stop) {
  std::vector<std::shared_ptr<OneShot<Answer>>> given_up;
  {
    auto waiting = waiting_.lock();
    waiting->stopped |= stop;
    for (auto each = waiting->by_number.begin(); each != waiting->by_number.end();) {
      const auto here = each++;
      if (all || !group_->is_alive(here->second.worker)) given_up.push_back(waiting->take(here));
    }
  }
  for (const auto& answered : given_up) answered->set(nullptr);
}

}  // namespace braid::smb2

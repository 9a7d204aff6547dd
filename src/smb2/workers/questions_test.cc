#include "smb2/workers/questions.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "runtime/task_scope.h"
#include "runtime/worker_pool.h"
#include "smb2/workers/no_descriptors_testing.h"
#include "store/worker_group_testing.h"

namespace braid::smb2 {
namespace {

using store::Topic;

struct QuestionsTest : testing::Test {
  ~QuestionsTest() override {
    for (const auto& group : workers.groups) group->stop();
    for (const auto& each : questions) each->stop();
    scope.wait();
  }
  void answers(size_t worker, std::function<void(Question)> how) {
    questions[worker] = std::make_unique<Questions>(others[worker], Topic::kClaims, std::move(how));
  }
  // What worker 1 says to worker 0: "null" if it says nothing any more.
  std::shared_future<std::string> ask(std::string what) {
    auto said = std::make_shared<std::promise<std::string>>();
    asked.push_back(said->get_future().share());
    scope.spawn(ask_task(std::move(what), said));
    return asked.back();
  }
  Task<void> ask_task(std::string what, std::shared_ptr<std::promise<std::string>> said) {
    const ByteView bytes = as_bytes(what);
    WorkerPool::Seat seat(pool, {});
    const auto answer = co_await questions[0]->ask(1, Bytes(bytes.begin(), bytes.end()), seat, fd);
    if (!answer) co_return said->set_value("no room");
    said->set_value(*answer ? std::string(as_text((*answer)->payload)) : "null");
  }
  static std::string soon(const std::shared_future<std::string>& future) {
    if (future.wait_for(std::chrono::seconds(20)) != std::future_status::ready) return "nothing";
    return future.get();
  }

  int fd = -1;  // goes with what is asked
  store::TestGroup workers{2};
  std::array<OtherWorkers, 2> others{OtherWorkers(workers.groups[0].get()),
                                     OtherWorkers(workers.groups[1].get())};
  WorkerPool pool{1};
  TaskScope scope;
  std::array<std::unique_ptr<Questions>, 2> questions;
  std::vector<std::shared_future<std::string>> asked;
};

TEST_F(QuestionsTest, QuestionsForWhichThereIsNoRoomAreAskedLater) {
  answers(0, {});
  answers(1, [&](Question question) { questions[1]->answer(question, question.payload); });
  workers.groups[0]->start();
  // Worker 1 takes none yet.
  const std::string text(1'000, 'x');
  while (workers.groups[0]->bus().send(1, Topic::kRecords, as_bytes(text))) {
  }
  for (int i = 0; i < 1000; ++i) ask(std::to_string(i));
  EXPECT_EQ(asked[0].wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  workers.groups[1]->start();
  for (size_t i = 0; i < asked.size(); ++i) ASSERT_EQ(soon(asked[i]), std::to_string(i));
}

TEST_F(QuestionsTest, AnswersForWhichThereIsNoRoomAreGivenLater) {
  answers(0, {});
  answers(1, [&](Question question) { questions[1]->answer(question, question.payload); });
  const auto answer = ask("what");  // worker 0 takes none yet
  const std::string text(1'000, 'x');
  while (workers.groups[1]->bus().send(0, Topic::kRecords, as_bytes(text))) {
  }
  workers.groups[1]->start();
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  workers.groups[0]->start();
  EXPECT_EQ(soon(answer), "what");
}

TEST_F(QuestionsTest, MessagesThatOthersMissedDoNotEndAQuestion) {
  std::promise<Question> heard;
  answers(0, {});
  answers(1, [&](Question question) { heard.set_value(std::move(question)); });
  std::promise<void> missed;
  workers.groups[0]->bus().handle(
      Topic::kRecords, [](store::BusMessage&) {}, [&] { missed.set_value(); });
  for (const auto& group : workers.groups) group->start();
  const auto answer = ask("what");
  const Question question = heard.get_future().get();
  const std::string too_large(store::MessageBus::kPayloadMax + 1, 'x');
  EXPECT_FALSE(workers.groups[1]->bus().send(0, Topic::kRecords, as_bytes(too_large)));
  missed.get_future().wait();
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  questions[1]->answer(question, as_bytes("that"));
  EXPECT_EQ(soon(answer), "that");
}

TEST_F(QuestionsTest, WorkerThatEndsAnswersNothing) {
  answers(0, {});
  answers(1, {});
  workers.groups[0]->start();
  const auto answer = ask("what");
  workers.kill(1);
  workers.groups[0]->ended(0);
  EXPECT_EQ(soon(answer), "null");
  EXPECT_EQ(soon(ask("again")), "null");
}

TEST_F(QuestionsTest, AnswerThatIsTooLongIsAnEmptyOne) {
  answers(0, {});
  answers(1, [&](Question question) {
    questions[1]->answer(question, Bytes(store::MessageBus::kPayloadMax));
  });
  for (const auto& group : workers.groups) group->start();
  EXPECT_EQ(soon(ask("what")), "");
}

TEST_F(QuestionsTest, WhatWaitsForAnswersIsBounded) {
  // The first three; others arrive until the group stops, after this test's own things have gone.
  const auto heard = std::make_shared<std::vector<Question>>();
  std::promise<void> all;
  answers(0, {});
  answers(1, [heard, &all](Question question) {
    if (heard->size() == 3) return;
    heard->push_back(std::move(question));
    if (heard->size() == 3) all.set_value();
  });
  for (const auto& group : workers.groups) group->start();
  constexpr size_t kLong = store::MessageBus::kPayloadMax - 100;
  constexpr size_t kFit = Questions::kUnansweredMax / (kLong + Questions::kQuestionSize);
  static_assert(kFit > 3);
  const std::string text(kLong, 'x');
  for (size_t i = 0; i < kFit; ++i) ask(text);
  EXPECT_EQ(soon(ask(text)), "no room");
  all.get_future().wait();
  EXPECT_EQ(asked[0].wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  questions[1]->answer((*heard)[0], as_bytes("that"));
  EXPECT_EQ(soon(asked[0]), "that");
  const auto again = ask(text);
  questions[1]->answer((*heard)[1], as_bytes("this"));
  EXPECT_EQ(soon(asked[1]), "this");
  questions[0]->stop();
  EXPECT_EQ(soon(again), "null");
}

// One that has to wait needs a descriptor of its own.
TEST_F(QuestionsTest, QuestionWithADescriptorIsNotAskedWhenThereIsNoRoomForIt) {
  answers(0, {});
  answers(1, [&](Question question) { questions[1]->answer(question, question.payload); });
  workers.groups[0]->start();
  const std::string text(1'000, 'x');
  while (workers.groups[0]->bus().send(1, Topic::kRecords, as_bytes(text))) {
  }
  fd = workers.resources.region.get();
  {
    const NoDescriptors none;
    EXPECT_EQ(soon(ask("refused")), "no room");
  }
  const auto asked_later = ask("later");
  workers.groups[1]->start();
  EXPECT_EQ(soon(asked_later), "later");
}

TEST_F(QuestionsTest, QuestionThatCameWithoutItsDescriptorSaysSo) {
  // No promise: to check the types of its parts the sanitizer would need descriptors.
  std::atomic<int> is_lost = -1;
  answers(0, {});
  answers(1, [&](Question question) {
    is_lost = question.is_fd_lost ? 1 : 0;
    is_lost.notify_all();
  });
  workers.groups[0]->start();
  fd = workers.resources.region.get();
  const NoDescriptors none;
  ask("what");
  workers.groups[1]->start();
  is_lost.wait(-1);
  EXPECT_EQ(is_lost, 1);
}

TEST_F(QuestionsTest, QuestionThatIsTooLongIsNotAsked) {
  answers(0, {});
  answers(1, {});
  for (const auto& group : workers.groups) group->start();
  EXPECT_EQ(soon(ask(std::string(store::MessageBus::kPayloadMax, 'x'))), "no room");
}

}  // namespace
}  // namespace braid::smb2

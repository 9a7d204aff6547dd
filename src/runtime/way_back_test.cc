#include "runtime/way_back.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "runtime/reactor.h"
#include "runtime/task_scope.h"

namespace braid {
namespace {

// Keeps what is posted until it is run.
class Later final : public Executor {
 public:
  void post(std::move_only_function<void()> work) override { posted.push_back(std::move(work)); }
  bool is_current() const override { return false; }
  void run_all() {
    for (auto& each : std::exchange(posted, {})) each();
  }
  std::vector<std::move_only_function<void()>> posted;
};

Task<void> come_back(Executor& home, std::string& text, char name) {
  co_await WayBack(home);
  text += name;
  text += Returns::come_behind() ? '+' : '.';
}

TEST(WayBack, IsAPostWhereNobodyCollects) {
  Later home;
  std::string text;
  TaskScope scope;
  scope.spawn(come_back(home, text, 'a'));
  EXPECT_EQ(home.posted.size(), 1u);
  home.run_all();
  EXPECT_EQ(text, "a.");
}

TEST(WayBack, DoesNotSuspendWhereItLeads) {
  Reactor reactor;
  std::string text;
  TaskScope scope;
  reactor.post([&] {
    scope.spawn(come_back(reactor, text, 'a'));
    EXPECT_EQ(text, "a.");
    reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(text, "a.");
}

TEST(WayBack, ThoseOfOneHomeComeTogetherAndInOrder) {
  Later one, other;
  std::string text;
  TaskScope scope;
  Returns returns;
  Returns::collect_into(&returns);
  scope.spawn(come_back(one, text, 'a'));
  scope.spawn(come_back(one, text, 'b'));
  scope.spawn(come_back(other, text, 'c'));
  scope.spawn(come_back(one, text, 'd'));
  Returns::collect_into(nullptr);
  EXPECT_EQ(returns.size(), 4u);
  EXPECT_TRUE(one.posted.empty());
  returns.send();
  EXPECT_TRUE(returns.empty());
  EXPECT_EQ(one.posted.size(), 2u);
  EXPECT_EQ(other.posted.size(), 1u);
  one.run_all();
  other.run_all();
  EXPECT_EQ(text, "a+b.d.c.");
  EXPECT_FALSE(Returns::come_behind());
}

TEST(WayBack, OneListTakesAnother) {
  Later home;
  std::string text;
  TaskScope scope;
  Returns first, second;
  Returns::collect_into(&first);
  scope.spawn(come_back(home, text, 'a'));
  Returns::collect_into(&second);
  scope.spawn(come_back(home, text, 'b'));
  Returns::collect_into(nullptr);
  first.take(second);
  EXPECT_TRUE(second.empty());
  first.take(second);
  EXPECT_EQ(first.size(), 2u);
  Returns moved(std::move(first));
  EXPECT_TRUE(first.empty());
  moved.send();
  home.run_all();
  EXPECT_EQ(text, "a+b.");
}

TEST(WayBack, ListThatTakesItselfHasAllOfIt) {
  Later home;
  std::string text;
  TaskScope scope;
  Returns returns;
  Returns::collect_into(&returns);
  for (const char name : {'a', 'b'}) scope.spawn(come_back(home, text, name));
  Returns::collect_into(nullptr);
  returns.take(returns);
  EXPECT_EQ(returns.size(), 2u);
  returns.send();
  home.run_all();
  EXPECT_EQ(text, "a+b.");
}

Task<void> leave_work(Executor& home, std::string& text, char name) {
  co_await WayBack(home);
  text += name;
  if (!Returns::come_behind()) co_return;
  Returns::run_behind([&text, name] {
    text += static_cast<char>(name - 'a' + 'A');
    EXPECT_FALSE(Returns::come_behind());
  });
}

TEST(WayBack, WhatIsLeftForTheEndRunsBehindAll) {
  Later home;
  std::string text;
  TaskScope scope;
  Returns returns;
  Returns::collect_into(&returns);
  for (const char name : {'a', 'b', 'c'}) scope.spawn(leave_work(home, text, name));
  Returns::collect_into(nullptr);
  returns.send();
  home.run_all();
  EXPECT_EQ(text, "abcAB");
}

}  // namespace
}  // namespace braid

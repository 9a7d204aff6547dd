#include "store/worker_group.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <future>
#include <map>
#include <mutex>
#include <ranges>
#include <thread>

#include "store/worker_group_testing.h"

namespace braid::store {
namespace {

TEST(GroupResources, WhoTakesAPlaceHasItsTag) {
  TestGroup before(3);
  before.join(1);
  before.join(1);
  TestGroup after(3, {.buckets = 256, .arena_bytes = 8 << 20}, &before.resources);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(after.groups[i]->own_tag(), before.groups[i]->own_tag()) << i;
  }
  after.join(1);
  EXPECT_NE(after.groups[1]->own_tag(), before.groups[1]->own_tag());
}

// What a handler was given, waited for.
struct Inbox {
  std::mutex mutex;
  std::condition_variable arrived;
  std::vector<std::string> messages;
  std::vector<UniqueFd> fds;
  int missed = 0;

  void take_from(WorkerGroup& group, Topic topic) {
    handle(group, topic);
    group.start();
  }
  void handle(WorkerGroup& group, Topic topic) {
    group.bus().handle(
        topic,
        [this](BusMessage& message) {
          const std::lock_guard lock(mutex);
          messages.emplace_back(as_text(message.payload));
          if (message.fd) fds.push_back(std::move(message.fd));
          arrived.notify_all();
        },
        [this] {
          const std::lock_guard lock(mutex);
          missed++;
          arrived.notify_all();
        });
  }
  template <class Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex);
    return arrived.wait_for(lock, std::chrono::seconds(20), condition);
  }
};

TEST(WorkerGroup, MessageReachesTheHandlerOfItsTopicWithItsDescriptor) {
  TestGroup workers(2);
  Inbox inbox;
  inbox.take_from(*workers.groups[1], Topic::kOpens);
  EXPECT_TRUE(workers.groups[0]->bus().send(1, Topic::kSessions, as_bytes("nobody's")));
  EXPECT_TRUE(workers.groups[0]->bus().send(1, Topic::kOpens, as_bytes("hello"),
                                            workers.resources.region.get()));
  ASSERT_TRUE(inbox.wait_for([&] { return inbox.messages.size() == 1; }));
  EXPECT_EQ(inbox.messages[0], "hello");
  ASSERT_EQ(inbox.fds.size(), 1u);
  struct stat given{}, own{};
  ::fstat(inbox.fds[0].get(), &given);
  ::fstat(workers.resources.region.get(), &own);
  EXPECT_EQ(given.st_ino, own.st_ino);
}

TEST(WorkerGroup, WorkerThatIsBehindIsToldThatItMissedMessages) {
  TestGroup workers(2);
  const std::string text(1'000, 'x');
  size_t sent = 0;
  while (workers.groups[0]->bus().send(1, Topic::kChanges, as_bytes(text))) sent++;
  Inbox inbox;
  inbox.take_from(*workers.groups[1], Topic::kChanges);
  EXPECT_TRUE(inbox.wait_for([&] { return inbox.messages.size() == sent && inbox.missed == 1; }));
}

TEST(WorkerGroup, WorkerIsToldOfAMessageThatIsTooLarge) {
  TestGroup workers(2);
  Inbox inbox;
  inbox.take_from(*workers.groups[1], Topic::kChanges);
  const std::string largest(MessageBus::kPayloadMax, 'x');
  EXPECT_TRUE(workers.groups[0]->bus().send(1, Topic::kChanges, as_bytes(largest)));
  EXPECT_TRUE(inbox.wait_for([&] { return inbox.messages.size() == 1; }));
  EXPECT_EQ(inbox.messages[0].size(), largest.size());
  EXPECT_FALSE(workers.groups[0]->bus().send(1, Topic::kChanges, as_bytes(largest + "x")));
  EXPECT_TRUE(inbox.wait_for([&] { return inbox.missed == 1; }));
}

// A sender that is never done, as one that is faster than the handler.
TEST(WorkerGroup, WhatWasMissedIsToldWhileMessagesKeepComing) {
  TestGroup workers(1);
  WorkerGroup& group = *workers.groups[0];
  std::atomic<bool> stops = false;
  std::promise<void> missed;
  group.bus().handle(
      Topic::kRecords,
      [&](BusMessage&) {
        if (!stops) group.bus().send(0, Topic::kRecords, as_bytes("next"));
      },
      [&] {
        if (!stops.exchange(true)) missed.set_value();
      });
  EXPECT_TRUE(group.bus().send(0, Topic::kRecords, as_bytes("first")));
  const std::string too_large(MessageBus::kPayloadMax + 1, 'x');
  EXPECT_FALSE(group.bus().send(0, Topic::kRecords, as_bytes(too_large)));
  group.start();
  EXPECT_EQ(missed.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  stops = true;
}

TEST(WorkerGroup, MissedIsToldToTheTopicConcernedAlone) {
  TestGroup workers(2);
  Inbox opens, records;
  const std::string too_large(MessageBus::kPayloadMax + 1, 'x');
  EXPECT_FALSE(workers.groups[0]->bus().send(1, Topic::kRecords, as_bytes(too_large)));
  opens.handle(*workers.groups[1], Topic::kOpens);
  records.take_from(*workers.groups[1], Topic::kRecords);
  EXPECT_TRUE(records.wait_for([&] { return records.missed == 1; }));
  EXPECT_EQ(opens.missed, 0);
}

TEST(WorkerGroup, ChangesThatFillTheirLaneLeaveTheOthersTheirs) {
  TestGroup workers(2);
  MessageBus& bus = workers.groups[0]->bus();
  const std::string text(1'000, 'x');
  while (bus.send(1, Topic::kChanges, as_bytes(text))) {
  }
  EXPECT_TRUE(bus.send(1, Topic::kRecords, as_bytes("record")));
  EXPECT_TRUE(bus.send(1, Topic::kClaims, as_bytes("claim")));
}

TEST(WorkerGroup, MessagesThatMayWaitArriveInOrderOnceThereIsRoom) {
  TestGroup workers(2);
  MessageBus& bus = workers.groups[0]->bus();
  workers.groups[0]->start();
  const std::string text(1'000, 'x');
  while (bus.send(1, Topic::kRecords, as_bytes(text))) {
  }
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(bus.send(1, Topic::kClaims, as_bytes(std::to_string(i)),
                         i == 4999 ? workers.resources.region.get() : -1, IfFull::kWait));
  }
  EXPECT_FALSE(bus.send(1, Topic::kRecords, as_bytes("would overtake them")));
  Inbox inbox;
  inbox.take_from(*workers.groups[1], Topic::kClaims);
  ASSERT_TRUE(inbox.wait_for([&] { return inbox.messages.size() == 5000; }));
  for (size_t i = 0; i < 5000; ++i) EXPECT_EQ(inbox.messages[i], std::to_string(i));
  EXPECT_EQ(inbox.fds.size(), 1u);
}

TEST(WorkerGroup, WhatWaitsIsBoundedUnlessItIsBoundedAnyway) {
  TestGroup workers(2);
  MessageBus& bus = workers.groups[0]->bus();
  const std::string text(100'000, 'x');
  size_t sent = 0;
  while (bus.send(1, Topic::kLogons, as_bytes(text), -1, IfFull::kWaitBounded)) ++sent;
  EXPECT_GE(sent * text.size(), MessageBus::kWaitingMax);
  EXPECT_LE(sent * text.size(), MessageBus::kWaitingMax + (16u << 20));
  EXPECT_TRUE(bus.send(1, Topic::kClaims, as_bytes(text), -1, IfFull::kWait));
}

// Who tells itself what was lost is told when that can be told, and the receiver not before.
TEST(WorkerGroup, RoomIsToldToWhoWantsIt) {
  TestGroup workers(2);
  MessageBus& bus = workers.groups[0]->bus();
  std::promise<size_t> room;
  bus.on_room(Topic::kChanges, [&](size_t worker) { room.set_value(worker); });
  workers.groups[0]->start();
  const std::string text(1'000, 'x');
  size_t sent = 0;
  while (bus.send(1, Topic::kChanges, as_bytes(text))) ++sent;
  bus.want_room(1, Topic::kChanges);
  auto told = room.get_future();
  EXPECT_EQ(told.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  Inbox inbox;
  inbox.take_from(*workers.groups[1], Topic::kChanges);
  ASSERT_EQ(told.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(told.get(), 1u);
  EXPECT_TRUE(bus.send(1, Topic::kChanges, as_bytes("last")));
  EXPECT_TRUE(inbox.wait_for([&] { return inbox.messages.size() == sent + 1; }));
  EXPECT_EQ(inbox.missed, 0);
  workers.groups[0]->stop();
}

TEST(WorkerGroup, WhatAWorkerThatEndedHadYetToTellIsMissed) {
  TestGroup workers(2);
  Inbox inbox;
  inbox.take_from(*workers.groups[1], Topic::kChanges);
  MessageBus& bus = workers.groups[0]->bus();
  bus.on_room(Topic::kChanges, [](size_t) {});
  bus.want_room(1, Topic::kChanges);  // its threads do not run, so it will not be told
  workers.kill(0);
  workers.groups[1]->ended(0);
  EXPECT_TRUE(inbox.wait_for([&] { return inbox.missed == 1; }));
  workers.region(0).slot(0).owed = 2;  // and by one whose next life is the first to know
  workers.join(0);
  EXPECT_TRUE(inbox.wait_for([&] { return inbox.missed == 2; }));
}

TEST(WorkerGroup, BroadcastReachesTheOthersAndNotOneself) {
  TestGroup workers(3);
  Inbox own, second, third;
  own.take_from(*workers.groups[0], Topic::kChanges);
  second.take_from(*workers.groups[1], Topic::kChanges);
  third.take_from(*workers.groups[2], Topic::kChanges);
  workers.groups[0]->bus().broadcast(Topic::kChanges, as_bytes("all"));
  EXPECT_TRUE(second.wait_for([&] { return !second.messages.empty(); }));
  EXPECT_TRUE(third.wait_for([&] { return !third.messages.empty(); }));
  EXPECT_TRUE(own.messages.empty());
}

TEST(WorkerGroup, WorkerLivesFromJoiningToItsEnd) {
  TestGroup workers(2);
  const WorkerTag tag = workers.groups[1]->own_tag();
  EXPECT_TRUE(workers.groups[0]->is_alive(tag));
  workers.groups[1].reset();
  EXPECT_FALSE(workers.groups[0]->is_alive(tag));
  workers.join(1);
  EXPECT_NE(workers.groups[1]->own_tag(), tag);
  EXPECT_FALSE(workers.groups[0]->is_alive(tag));
  EXPECT_TRUE(workers.groups[0]->is_alive(workers.groups[1]->own_tag()));
}

TEST(WorkerGroup, KilledWorkerIsDeadOnceItsEndIsKnown) {
  TestGroup workers(2);
  workers.groups[1].reset();
  const pid_t pid = ::fork();
  if (pid == 0) {
    workers.join(1);
    while (true) ::pause();
  }
  WorkerGroup& group = *workers.groups[0];
  while (!group.has_member(pid)) ::usleep(1'000);
  const WorkerTag tag = group.living(1);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_TRUE(group.is_alive(tag));
  int told = 0;
  group.on_ended([&] { told++; });
  group.ended(pid);
  EXPECT_FALSE(group.is_alive(tag));
  EXPECT_FALSE(group.has_member(pid));
  EXPECT_EQ(told, 1);
}

TEST(WorkerTag, NumbersCarryIt) {
  const WorkerTag tag = WorkerTag::make(63, 12'345);
  EXPECT_EQ(tag.index(), 63u);
  EXPECT_EQ(WorkerTag::of(tag.tagged(123'456'789)), tag);
  EXPECT_NE(tag.tagged(1), tag.tagged(2));
  for (uint32_t life = 0; life < 10'000; ++life) EXPECT_NE(WorkerTag::make(0, life).value, 0u);
  EXPECT_EQ(WorkerTag{}.tagged(7), 7u);
}

// A disk that hangs: whoever works there has all of its locks, for ever.
TEST(WorkerGroup, LocksOfADeviceHoldUpNoOther) {
  TestGroup workers(2);
  constexpr uint64_t kHangs = 7;
  DeviceLocks& held = workers.region(0).locks_of(kHangs);
  for (pthread_mutex_t& mutex : held.mutexes) RobustMutex::lock(mutex);
  std::promise<void> done;
  std::thread other([&] {
    for (uint64_t device = 0; device < 20; ++device) {
      if (device == kHangs) continue;
      for (uint64_t inode = 0; inode < 1000; ++inode) {
        workers.groups[1]->lock_metadata({device, inode});
        workers.groups[1]->unlock_metadata({device, inode});
      }
    }
    done.set_value();
  });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  for (pthread_mutex_t& mutex : held.mutexes) RobustMutex::unlock(mutex);
  other.join();
}

TEST(WorkerGroup, LocksOfADeviceStayTheirsHoweverManyCome) {
  TestGroup workers(2);
  const auto place_of = [&](size_t worker, uint64_t device) {
    const SharedRegion& region = workers.region(worker);
    return reinterpret_cast<uint8_t*>(&region.locks_of(device)) -
           reinterpret_cast<uint8_t*>(&region.slot(0));
  };
  std::map<ptrdiff_t, size_t> devices;  // by where their locks are
  for (uint64_t device = 0; device < SharedRegion::kDevicesMax + 9; ++device) {
    const size_t asks_first = device % 2;
    const ptrdiff_t place = place_of(asks_first, device * 0x10001);
    EXPECT_EQ(place_of(1 - asks_first, device * 0x10001), place);
    ++devices[place];
  }
  EXPECT_EQ(devices.size(), SharedRegion::kDevicesMax);
  // The last ones have one set together, and it works.
  EXPECT_EQ(std::ranges::max(devices | std::views::values), 10u);
  workers.groups[0]->lock_metadata({~uint64_t{0} - 1, 1});
  workers.groups[0]->unlock_metadata({~uint64_t{0} - 1, 1});
}

TEST(WorkerGroup, WhichFilesShareALockNobodyCanTell) {
  const TestGroup workers(1), others(1);
  size_t same = 0;
  for (uint64_t inode = 0; inode < 640; ++inode) {
    if (workers.lock_of({1, inode}) == others.lock_of({1, inode})) ++same;
  }
  EXPECT_LT(same, 100u) << "10 of 640 are by chance";
}

}  // namespace
}  // namespace braid::store

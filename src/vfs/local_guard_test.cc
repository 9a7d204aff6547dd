// LocalGuard: who is held off, for how long, and what clients are asked for.
#include "vfs/local_guard.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace braid::vfs {
namespace {

constexpr FileKey kFile{1, 10, 0};
constexpr FileKey kOther{1, 11, 0};
constexpr FileKey kThird{1, 12, 0};
constexpr FileKey kFourth{1, 13, 0};
constexpr GuardedUser kUser{7}, kAnother{8};

// The kernel: what is lent on which descriptor, and what it has asked for.
class FakeLeases final : public KernelLeases {
 public:
  Result<Held> take(int descriptor, GuardLevel wanted) override {
    if (refuses) return fail_os(EAGAIN);
    const GuardLevel level = std::min(wanted, allowed);
    if (level == GuardLevel::kNone) return fail_os(EAGAIN);
    UniqueFd own(::dup(descriptor));
    last = own.get();
    leases[last] = due_levels[last] = level;
    return Held{std::move(own), level, may_be_read};
  }
  Result<UniqueFd> inherit(int descriptor) override {
    UniqueFd own(::dup(descriptor));
    last = own.get();
    leases[last] = GuardLevel::kWrite;
    due_levels[last] = GuardLevel::kNone;
    return own;
  }
  Result<void> set(int descriptor, GuardLevel level) override {
    if (level > allowed) return fail_os(EAGAIN);
    leases[descriptor] = due_levels[descriptor] = level;
    return {};
  }
  GuardLevel due(int descriptor) override { return due_levels[descriptor]; }
  void wake() override { ++woken; }

  // Somebody opens the file: the kernel wants the lease down to `level`.
  void ask(int descriptor, GuardLevel level) { due_levels[descriptor] = level; }

  GuardLevel allowed = GuardLevel::kWrite;
  bool refuses = false;
  bool may_be_read = true;
  int last = -1;
  int woken = 0;
  std::map<int, GuardLevel> leases;
  std::map<int, GuardLevel> due_levels;
};

// The clients: what they hold, and whether they answer.
class FakeCaching final : public GuardedCaching {
 public:
  GuardLevel held(const FileKey& file) override { return levels[file]; }
  std::vector<GuardedUser> holders(const FileKey& file, GuardLevel level) override {
    return levels[file] > level ? users[file] : std::vector<GuardedUser>{};
  }
  void take_down(const FileKey& file, GuardLevel level) override {
    ++asked;
    if (answers) levels[file] = std::min(levels[file], level);
  }
  std::map<FileKey, GuardLevel> levels;
  std::map<FileKey, std::vector<GuardedUser>> users;
  int asked = 0;
  bool answers = true;
};

struct LocalGuards : testing::Test {
  // A client is granted `level` and keeps what is guarded of it.
  GuardLevel grant(GuardLevel level, const FileKey& file = kFile, GuardedUser user = kUser) {
    caching.levels[file] = std::max(caching.levels[file], level);
    caching.users[file].push_back(user);
    const GuardLevel kept = guard.guard(file, opened, level, user);
    if (kept < level) caching.levels[file] = kept;
    return kept;
  }
  // Somebody local comes; the clients that answer have done so afterwards.
  void come(GuardLevel level) {
    kernel.ask(kernel.last, level);
    guard.asked_for(kernel.last);
    guard.advance();
  }

  FakeLeases kernel;
  FakeCaching caching;
  VirtualClock clock;
  int opened = 0;
  LocalGuard guard{kernel, caching, clock, 4};
};

TEST_F(LocalGuards, WhatTheKernelDoesNotGuardIsNotKept) {
  kernel.allowed = GuardLevel::kRead;
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kRead);
  kernel.allowed = GuardLevel::kNone;
  EXPECT_EQ(grant(GuardLevel::kRead, kOther), GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 1u);
  EXPECT_EQ(guard.guard({1, 10, 77}, opened, GuardLevel::kRead, kUser), GuardLevel::kNone)
      << "a stream";
  opened = -1;
  kernel.allowed = GuardLevel::kWrite;
  EXPECT_EQ(grant(GuardLevel::kRead, kOther), GuardLevel::kNone) << "no descriptor";
}

TEST_F(LocalGuards, SecondHolderSharesTheGuardAndWriteIsTriedAgain) {
  kernel.allowed = GuardLevel::kRead;
  EXPECT_EQ(grant(GuardLevel::kRead), GuardLevel::kRead);
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kRead);
  kernel.allowed = GuardLevel::kWrite;
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kWrite);
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kWrite);
  EXPECT_EQ(guard.guarded(), 1u);
}

TEST_F(LocalGuards, WhatTheProcessBeforeHasGuardedStaysGuarded) {
  kernel.leases[opened] = GuardLevel::kWrite;
  caching.levels[kFile] = GuardLevel::kWrite;
  EXPECT_EQ(guard.inherit(kFile, opened, GuardLevel::kWrite, kUser), GuardLevel::kWrite);
  EXPECT_EQ(guard.guarded(), 1u);
  EXPECT_EQ(kernel.leases[opened], GuardLevel::kWrite);
  // By a second open: one guard is enough, and this one may have been the first's in that process.
  const int other = ::dup(opened);
  kernel.leases[other] = GuardLevel::kRead;
  EXPECT_EQ(guard.inherit(kFile, other, GuardLevel::kRead, kUser), GuardLevel::kRead);
  EXPECT_EQ(kernel.leases[other], GuardLevel::kNone);
  EXPECT_EQ(guard.inherit(kOther, other, GuardLevel::kNone, kUser), GuardLevel::kNone);
  EXPECT_EQ(kernel.leases[other], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 1u);
  ::close(other);
}

TEST_F(LocalGuards, WhomTheProcessBeforeHeldOffIsLetInOnceClientsHaveGivenWay) {
  kernel.refuses = true;
  caching.answers = false;
  caching.levels[kFile] = GuardLevel::kWrite;
  EXPECT_EQ(guard.inherit(kFile, opened, GuardLevel::kWrite, kUser), GuardLevel::kNone);
  EXPECT_GT(kernel.woken, 0);
  EXPECT_TRUE(guard.advance());
  EXPECT_EQ(caching.asked, 1);
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kWrite) << "clients have not answered";
  caching.levels[kFile] = GuardLevel::kNone;
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
  kernel.refuses = false;
  EXPECT_EQ(grant(GuardLevel::kRead), GuardLevel::kNone) << "he has just been let in";
}

TEST_F(LocalGuards, LastCloseGivesItBack) {
  grant(GuardLevel::kWrite);
  guard.look(kFile);
  EXPECT_EQ(guard.guarded(), 1u) << "it is held";
  caching.levels[kFile] = GuardLevel::kNone;
  guard.look({1, 10, 5});  // by a stream of it
  EXPECT_EQ(guard.guarded(), 0u);
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kNone);
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kWrite) << "no local program was there";
}

TEST_F(LocalGuards, ReaderIsLetInOnceWhatWasWrittenIsThere) {
  grant(GuardLevel::kWrite);
  caching.answers = false;
  come(GuardLevel::kRead);
  EXPECT_EQ(caching.asked, 1);
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kWrite) << "clients have not answered";
  EXPECT_EQ(grant(GuardLevel::kRead, kFile), GuardLevel::kNone) << "it is breaking";
  caching.levels[kFile] = GuardLevel::kWrite;
  EXPECT_TRUE(guard.advance());
  caching.levels[kFile] = GuardLevel::kRead;
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kRead);
  EXPECT_EQ(guard.guarded(), 1u);
}

TEST_F(LocalGuards, WhoMayWriteTheFileCannotGoDownToReading) {
  kernel.may_be_read = false;
  grant(GuardLevel::kWrite);
  come(GuardLevel::kRead);
  EXPECT_EQ(caching.levels[kFile], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
}

TEST_F(LocalGuards, WriterTakesAll) {
  grant(GuardLevel::kRead);
  come(GuardLevel::kNone);
  EXPECT_EQ(caching.levels[kFile], GuardLevel::kNone);
  EXPECT_EQ(kernel.leases[kernel.last], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
}

TEST_F(LocalGuards, WriterWhoComesBehindAReaderTakesTheRest) {
  grant(GuardLevel::kWrite);
  caching.answers = false;
  come(GuardLevel::kRead);
  kernel.ask(kernel.last, GuardLevel::kNone);
  caching.levels[kFile] = GuardLevel::kRead;
  caching.answers = true;
  guard.advance();
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(caching.levels[kFile], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
}

TEST_F(LocalGuards, AfterALocalProgramNothingIsGuardedForAWhile) {
  grant(GuardLevel::kWrite);
  come(GuardLevel::kNone);
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kNone);
  EXPECT_EQ(grant(GuardLevel::kWrite, kOther), GuardLevel::kWrite) << "another file";
  clock.advance(LocalGuard::kRest);
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kWrite);
}

TEST_F(LocalGuards, WhatTheServerOpensItselfIsNoLocalProgram) {
  grant(GuardLevel::kWrite);
  const auto opening = guard.opening(kFile);
  come(GuardLevel::kNone);
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kWrite);
}

TEST_F(LocalGuards, WhatGoesOnBreakingOnceTheServerHasOpenedItIsALocalProgram) {
  grant(GuardLevel::kWrite);
  auto opening = guard.opening(kFile);
  caching.answers = false;
  come(GuardLevel::kNone);
  opening.reset();
  caching.levels[kFile] = GuardLevel::kNone;
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kNone);
  clock.advance(LocalGuard::kRest);
  EXPECT_EQ(grant(GuardLevel::kWrite), GuardLevel::kWrite);
}

TEST_F(LocalGuards, WhoseClientsDoNotAnswerIsNotGuardedForLong) {
  for (const auto took : {std::chrono::seconds(35), std::chrono::seconds(6)}) {
    grant(GuardLevel::kRead);
    caching.answers = false;
    come(GuardLevel::kNone);
    clock.advance(took);
    caching.levels[kFile] = GuardLevel::kNone;  // as it was not answered
    EXPECT_FALSE(guard.advance());
    clock.advance(took * (LocalGuard::kRestAfterSlow - 1));
    EXPECT_EQ(grant(GuardLevel::kRead), GuardLevel::kNone);
    clock.advance(took);
    EXPECT_EQ(grant(GuardLevel::kRead), GuardLevel::kRead);
    caching.answers = true;
    come(GuardLevel::kNone);
    clock.advance(LocalGuard::kRest);
  }
}

// One user's files, of which he gives back nothing.
TEST_F(LocalGuards, WhoDoesNotAnswerHoldsNobodyOffBySeveralFiles) {
  grant(GuardLevel::kRead);
  const int first = kernel.last;
  grant(GuardLevel::kRead, kOther);
  const int second = kernel.last;
  caching.answers = false;
  kernel.ask(first, GuardLevel::kNone);
  guard.asked_for(first);
  EXPECT_TRUE(guard.advance());
  clock.advance(LocalGuard::kSlow);
  guard.advance();
  EXPECT_EQ(caching.asked, 2) << "of the one file only";
  clock.advance(std::chrono::milliseconds(1));
  guard.advance();
  guard.advance();
  EXPECT_EQ(caching.asked, 5) << "of both";
  guard.advance();
  EXPECT_EQ(caching.asked, 6) << "nobody is held off from the other";
  EXPECT_EQ(grant(GuardLevel::kRead, kThird), GuardLevel::kNone);
  EXPECT_EQ(grant(GuardLevel::kRead, kThird, kAnother), GuardLevel::kRead) << "is nobody's fault";
  // Now both are taken from him, as he has not answered.
  clock.advance(std::chrono::seconds(35) - LocalGuard::kSlow);
  caching.levels[kFile] = caching.levels[kOther] = GuardLevel::kNone;
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(kernel.leases[second], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 1u);
  clock.advance(LocalGuard::kRest);
  caching.users.clear();
  EXPECT_EQ(grant(GuardLevel::kRead, kFile, kAnother), GuardLevel::kRead);
  EXPECT_EQ(grant(GuardLevel::kRead, kOther), GuardLevel::kNone);
  clock.advance(std::chrono::seconds(35) * LocalGuard::kRestAfterSlow);
  EXPECT_EQ(grant(GuardLevel::kRead, kOther), GuardLevel::kRead);
}

TEST_F(LocalGuards, WhatIsTakenFromWhoWasSlowElsewhereStaysHeldOffWhenALocalProgramComes) {
  grant(GuardLevel::kWrite);
  const int first = kernel.last;
  grant(GuardLevel::kWrite, kOther);
  const int second = kernel.last;
  caching.answers = false;
  kernel.ask(first, GuardLevel::kNone);
  guard.asked_for(first);
  guard.advance();
  clock.advance(LocalGuard::kSlow * 2);
  guard.advance();
  EXPECT_EQ(caching.asked, 2) << "it may be writing back";
  clock.advance(LocalGuard::kSlowToWrite);
  guard.advance();
  guard.advance();
  EXPECT_EQ(caching.asked, 5);
  // A reader comes, to whom the rest of it would do no harm; but all is under way already.
  kernel.ask(second, GuardLevel::kRead);
  guard.asked_for(second);
  caching.answers = true;
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(caching.levels[kOther], GuardLevel::kNone);
  EXPECT_EQ(kernel.leases[second], GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 0u);
  EXPECT_EQ(grant(GuardLevel::kRead, kOther, kAnother), GuardLevel::kNone) << "it rests";
}

TEST_F(LocalGuards, LostSignalsAreFoundByLookingAtAll) {
  grant(GuardLevel::kWrite);
  const int first = kernel.last;
  grant(GuardLevel::kWrite, kOther);
  kernel.ask(first, GuardLevel::kNone);
  guard.asked_for(12345);  // nobody's
  EXPECT_FALSE(guard.advance());
  guard.look_at_all();
  EXPECT_FALSE(guard.advance());
  EXPECT_EQ(caching.levels[kFile], GuardLevel::kNone);
  EXPECT_EQ(caching.levels[kOther], GuardLevel::kWrite);
}

TEST_F(LocalGuards, NumberOfFilesIsLimited) {
  grant(GuardLevel::kRead);
  grant(GuardLevel::kRead, kOther);
  EXPECT_EQ(grant(GuardLevel::kRead, kThird), GuardLevel::kRead);
  EXPECT_EQ(grant(GuardLevel::kRead, kFourth), GuardLevel::kNone) << "more than three quarters";
  EXPECT_EQ(grant(GuardLevel::kRead, kFourth, kAnother), GuardLevel::kRead);
  EXPECT_EQ(grant(GuardLevel::kRead, {1, 14, 0}, kAnother), GuardLevel::kNone);
  EXPECT_EQ(guard.guarded(), 4u);
  caching.levels[kFile] = GuardLevel::kNone;
  guard.look(kFile);
  EXPECT_EQ(grant(GuardLevel::kRead), GuardLevel::kRead) << "there is room again";
}

}  // namespace
}  // namespace braid::vfs

#include "store/cluster/keeper_link.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <future>
#include <memory>

namespace braid::store::cluster {
namespace {

struct Ends {
  Ends() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    one = std::make_unique<KeeperLink>(UniqueFd(ends[0]));
    other = std::make_unique<KeeperLink>(UniqueFd(ends[1]));
  }
  std::unique_ptr<KeeperLink> one;
  std::unique_ptr<KeeperLink> other;
};

// A socket has room for some hundreds.
TEST(KeeperLink, WhoSendsDoesNotWaitForTheOtherEnd) {
  constexpr uint64_t kMany = 5'000;
  Ends ends;
  for (uint64_t i = 0; i < kMany; ++i) {
    ends.one->send({.kind = KeeperMessage::Kind::kHere, .number = i});
  }
  auto read = std::async(std::launch::async, [&] { return ends.one->receive(); });
  for (uint64_t i = 0; i < kMany; ++i) {
    const auto got = ends.other->receive();
    ASSERT_TRUE(got);
    ASSERT_EQ(got->number, i);
  }
  ends.other->send({.kind = KeeperMessage::Kind::kUsed, .number = 7});
  EXPECT_EQ(read.get()->number, 7u);
}

TEST(KeeperLink, WhoTakesNothingIsToldOf) {
  Ends ends;
  auto read = std::async(std::launch::async, [&] { return ends.one->receive(); });
  for (size_t i = 0; i < KeeperLink::kKeptMax + 1'000; ++i) ends.one->send({});
  EXPECT_TRUE(read.get().error().is_os(ENOBUFS));
}

TEST(KeeperLink, EndOfTheOtherIsHeard) {
  Ends ends;
  auto read = std::async(std::launch::async, [&] { return ends.one->receive(); });
  ends.other.reset();
  EXPECT_FALSE(read.get());
  Ends others;
  auto stopped = std::async(std::launch::async, [&] { return others.one->receive(); });
  others.one->stop();
  EXPECT_TRUE(stopped.get().error().is_os(ECANCELED));
}

}  // namespace
}  // namespace braid::store::cluster

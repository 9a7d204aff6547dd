#include "apps/braidd/passed_on.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "apps/braidd/first_frame.h"
#include "apps/braidd/limits.h"
#include "apps/braidd/link.h"

namespace braid::braidd {
namespace {

ClientGuid guid_of(uint8_t byte) {
  ClientGuid guid;
  guid.bytes.fill(byte);
  return guid;
}

UniqueFd some_socket() { return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
Buffer some_frame() { return Buffer::copy_of(as_bytes("frame")); }

TEST(PassedOn, EveryClientBelongsToOneWorker) {
  for (uint8_t byte = 1; byte < 50; ++byte) {
    size_t owners = 0;
    for (size_t i = 0; i < 4; ++i) owners += !PassedOn(i, 4).belongs_elsewhere(guid_of(byte));
    EXPECT_EQ(owners, 1u);
    EXPECT_FALSE(PassedOn(0, 1).belongs_elsewhere(guid_of(byte)));
  }
}

TEST(PassedOn, WaitsForAFrontAndWakesTheMainThread) {
  PassedOn passed_on(0, 2);
  passed_on.pass_on(some_socket(), some_frame());
  pollfd wake{passed_on.wake_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&wake, 1, 0), 1);
  EXPECT_FALSE(passed_on.send(-1));
  EXPECT_EQ(::poll(&wake, 1, 0), 0);

  auto dead = make_link();
  dead->second.reset();
  EXPECT_FALSE(passed_on.send(dead->first.get()));

  auto link = make_link();
  EXPECT_TRUE(passed_on.send(link->first.get()));
  const auto message = receive_message(link->second.get());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->kind, MessageKind::kPassedOn);
  EXPECT_TRUE(message->fd);
  EXPECT_EQ(as_text(message->payload.view()), "frame");
}

TEST(PassedOn, KeepsSoManyAndNoMore) {
  PassedOn passed_on(0, 2);
  for (size_t i = 0; i < kPassedOnMax; ++i) passed_on.pass_on(UniqueFd(), some_frame());
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]);
  passed_on.pass_on(UniqueFd(ends[1]), some_frame());
  char byte;
  EXPECT_EQ(::recv(ours.get(), &byte, 1, MSG_DONTWAIT), 0);
}

}  // namespace
}  // namespace braid::braidd

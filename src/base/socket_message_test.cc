#include "base/socket_message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

namespace braid {
namespace {

struct Pair {
  explicit Pair(int type) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    a.reset(ends[0]);
    b.reset(ends[1]);
  }
  UniqueFd a, b;
};

Result<void> send(int socket, std::string_view text, int fd = -1) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  return send_socket_message(socket, {&part, 1}, fd);
}

TEST(SocketMessage, PartsArriveAsOneWithTheDescriptor) {
  Pair pair(SOCK_SEQPACKET);
  std::string_view first = "one ", second = "two";
  std::array<iovec, 2> parts{{{const_cast<char*>(first.data()), first.size()},
                              {const_cast<char*>(second.data()), second.size()}}};
  ASSERT_TRUE(send_socket_message(pair.a.get(), parts, pair.a.get()));
  std::array<uint8_t, 64> bytes;
  const auto got = receive_socket_message(pair.b.get(), bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(as_text(ByteView(bytes).first(got->size)), "one two");
  EXPECT_FALSE(got->is_cut);
  struct stat passed{}, own{};
  ASSERT_EQ(::fstat(got->fd.get(), &passed), 0);
  ASSERT_EQ(::fstat(pair.a.get(), &own), 0);
  EXPECT_EQ(passed.st_ino, own.st_ino);
  EXPECT_EQ(::fcntl(got->fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST(SocketMessage, WhatDoesNotFitIsSaidToBeCut) {
  Pair pair(SOCK_DGRAM);
  ASSERT_TRUE(send(pair.a.get(), "too long"));
  std::array<uint8_t, 3> bytes;
  const auto got = receive_socket_message(pair.b.get(), bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size, 3u);
  EXPECT_TRUE(got->is_cut);
  EXPECT_FALSE(got->fd);
}

// As in a process that has used up its limit: the message must not look like one without.
TEST(SocketMessage, DescriptorWithoutRoomIsSaidToBeLost) {
  Pair pair(SOCK_SEQPACKET);
  ASSERT_TRUE(send(pair.a.get(), "with", pair.a.get()));
  ASSERT_TRUE(send(pair.a.get(), "without"));
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  std::array<uint8_t, 16> bytes;
  const auto with = receive_socket_message(pair.b.get(), bytes);
  const auto without = receive_socket_message(pair.b.get(), bytes);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(with && without);
  EXPECT_EQ(with->size, 4u);
  EXPECT_FALSE(with->fd);
  EXPECT_TRUE(with->is_fd_lost);
  EXPECT_FALSE(without->is_fd_lost);
}

TEST(SocketMessage, NothingThereAndNobodyThereAreErrors) {
  Pair pair(SOCK_SEQPACKET);
  std::array<uint8_t, 3> bytes;
  EXPECT_TRUE(receive_socket_message(pair.b.get(), bytes).error().is_os(EAGAIN));
  pair.b.reset();
  EXPECT_TRUE(send(pair.a.get(), "x").error().is_os(EPIPE));
}

}  // namespace
}  // namespace braid

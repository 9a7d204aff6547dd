#include "apps/braidd/handed_part.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <thread>

#include "apps/braidd/link.h"
#include "apps/braidd/memory_file.h"

namespace braid::braidd {
namespace {

ino_t inode_of(int fd) {
  struct stat status{};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status.st_ino;
}

TEST(HandedPart, ArrivesWithItsDescriptorsInOrder) {
  auto link = make_link();
  std::vector<UniqueFd> files;
  smb2::OpensHandover::Part part{.state = Bytes(100'000, 7), .descriptors = {}};
  for (int i = 0; i < 2000; ++i) {  // more than the link has room for
    files.emplace_back(::memfd_create("file", MFD_CLOEXEC));
    part.descriptors.push_back(files.back().get());
  }
  std::jthread sender([&] { EXPECT_TRUE(send_part(link->first.get(), part)); });
  const auto received = receive_part(link->second.get());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->state, part.state);
  ASSERT_EQ(received->descriptors.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(inode_of(received->descriptors[i].get()), inode_of(files[i].get()));
  }
}

TEST(HandedPart, WhoSendsMayHaveEnded) {
  auto link = make_link();
  const auto state = make_sealed_file(Bytes(10, 1));
  ASSERT_TRUE(send_message(link->first.get(), MessageKind::kState, 3, state->get()));
  ASSERT_TRUE(send_message(link->first.get(), MessageKind::kFile, 0, state->get()));
  link->first.reset();
  EXPECT_EQ(receive_part(link->second.get()).error(), Error::os(EPIPE));
}

TEST(HandedPart, WhatMayStillChangeIsNotRead) {
  auto link = make_link();
  const auto state = make_memory_file("not sealed");
  ASSERT_TRUE(send_message(link->first.get(), MessageKind::kState, 0, state->get()));
  EXPECT_EQ(receive_part(link->second.get()).error(), Error::os(EPERM));
}

TEST(HandedPart, OfAnotherKindIsRefused) {
  auto link = make_link();
  const smb2::OpensHandover::Part part{.state = Bytes(10, 1), .descriptors = {}};
  ASSERT_TRUE(send_part(link->first.get(), part, MessageKind::kLive));
  EXPECT_EQ(receive_part(link->second.get()).error(), Error::malformed());
  ASSERT_TRUE(send_part(link->first.get(), part, MessageKind::kLive));
  EXPECT_TRUE(receive_part(link->second.get(), MessageKind::kLive));
}

TEST(HandedPart, SealedBytesStay) {
  const auto state = make_sealed_file(Bytes(10, 1));
  ASSERT_TRUE(state);
  EXPECT_LT(::pwrite(state->get(), "x", 1, 0), 0);
  EXPECT_NE(::ftruncate(state->get(), 5), 0);
  EXPECT_EQ(read_sealed_file(state->get()), Bytes(10, 1));
}

}  // namespace
}  // namespace braid::braidd

#include "transport/relay/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <random>
#include <thread>

#include "transport/relay/doorbell.h"
#include "transport/relay/shared_memory.h"

namespace braid::transport::relay {
namespace {

constexpr size_t kCapacity = 1024;
constexpr size_t kMessageMax = 500;

Bytes message_of(size_t size, uint64_t seed) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(seed * 31 + i);
  return bytes;
}

struct RingTest : testing::Test {
  // Two mappings, as two processes have them.
  SharedMemory memory = SharedMemory::make(ring_size(kCapacity)).value();
  SharedMemory other =
      SharedMemory::map(UniqueFd(::dup(memory.fd())), ring_size(kCapacity)).value();
  RingWriter writer{memory.view()};
  RingReader reader{other.view(), kMessageMax};
  RingHead& head = *reinterpret_cast<RingHead*>(memory.view().data());

  void expect_broken() {
    EXPECT_EQ(reader.take().error(), Error::malformed());
    EXPECT_EQ(reader.sleep().error(), Error::malformed());
    EXPECT_EQ(head.reader_sleeps, 0u);
  }
};

TEST_F(RingTest, MessagesComeAsTheyWerePutHoweverTheyLie) {
  std::mt19937_64 random(7);
  std::deque<Bytes> under_way;
  for (uint64_t i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      Bytes message = message_of(random() % 20 == 0 ? random() % kMessageMax : random() % 40, i);
      const size_t cut = random() % (message.size() + 1);
      const ByteView parts[] = {ByteView(message).first(cut), ByteView(message).subspan(cut)};
      const auto put = writer.put(parts);
      ASSERT_TRUE(put);
      if (*put) under_way.push_back(std::move(message));
    } else {
      const auto taken = reader.take();
      ASSERT_TRUE(taken);
      ASSERT_EQ(taken->has_value(), !under_way.empty());
      if (under_way.empty()) continue;
      ASSERT_EQ(**taken, under_way.front()) << i;
      under_way.pop_front();
    }
  }
}

TEST_F(RingTest, FullIsFullAndWhatNeverFitsIsAnError) {
  const Bytes message = message_of(252, 1);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(*writer.put(message));
  EXPECT_FALSE(*writer.put(ByteView{}));
  EXPECT_TRUE(reader.take()->has_value());
  EXPECT_TRUE(*writer.put(message));
  EXPECT_EQ(writer.put(message_of(kCapacity - 3, 1)).error(), Error(NtStatus::kInvalidBufferSize));
  const Bytes all = message_of(kCapacity - 4, 1);
  EXPECT_FALSE(*writer.put(all));
}

TEST_F(RingTest, OnlyWhoSleepsIsWokenAndOnce) {
  EXPECT_FALSE(writer.must_wake());
  EXPECT_TRUE(*reader.sleep());
  EXPECT_TRUE(*writer.put(message_of(10, 1)));
  EXPECT_TRUE(writer.must_wake());
  EXPECT_FALSE(writer.must_wake());
  EXPECT_FALSE(*reader.sleep());  // there is something
  EXPECT_FALSE(writer.must_wake());
  EXPECT_FALSE(*writer.sleep(10));  // there is room
  EXPECT_TRUE(*writer.sleep(kCapacity - 4));
  EXPECT_TRUE(reader.take()->has_value());
  EXPECT_TRUE(reader.must_wake());
  EXPECT_FALSE(reader.must_wake());
}

TEST_F(RingTest, AWriterThatLiesAboutHowMuchThereIsHasBrokenIt) {
  for (const uint64_t written : {uint64_t{kCapacity + 8}, ~uint64_t{0}, uint64_t{7}}) {
    RingReader fresh(other.view(), kMessageMax);
    head.written = written;
    EXPECT_EQ(fresh.take().error(), Error::malformed()) << written;
    // Also when it says something else afterwards.
    head.written = 0;
    EXPECT_EQ(fresh.take().error(), Error::malformed()) << written;
  }
}

TEST_F(RingTest, AMessageLongerThanAllowedOrThanThereIsHasBrokenIt) {
  EXPECT_TRUE(*writer.put(message_of(kMessageMax + 1, 1)));
  expect_broken();
  for (const uint32_t length : {13u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    RingReader fresh(other.view(), 1u << 31);
    head.written = 16;
    memcpy(memory.view().data() + sizeof(RingHead), &length, sizeof length);
    EXPECT_EQ(fresh.take().error(), Error::malformed()) << length;
  }
}

TEST_F(RingTest, AReaderThatLiesAboutWhatItHasReadHasBrokenIt) {
  EXPECT_TRUE(*writer.put(message_of(10, 1)));
  head.read = 24;
  EXPECT_EQ(writer.put(message_of(10, 1)).error(), Error::malformed());
  EXPECT_EQ(writer.sleep(10).error(), Error::malformed());
  head.read = 0;
  EXPECT_EQ(writer.put(message_of(10, 1)).error(), Error::malformed());
}

void wait_for(const Doorbell& bell) {
  pollfd wait{bell.hear_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 20'000), 1) << "nobody rang";
  bell.clear();
}

// Who waits for the other is woken each time, whoever is the faster one.
TEST_F(RingTest, NoWakeIsMissed) {
  constexpr uint64_t kMessages = 100'000;
  const Doorbell for_reader = Doorbell::make().value();
  const Doorbell for_writer = Doorbell::make().value();
  std::thread puts([&] {
    for (uint64_t i = 0; i < kMessages; ++i) {
      const Bytes message = message_of(i % 97, i);
      while (!writer.put(message).value()) {
        if (writer.sleep(message.size()).value()) wait_for(for_writer);
      }
      if (writer.must_wake()) for_reader.ring();
    }
  });
  for (uint64_t i = 0; i < kMessages;) {
    const auto taken = reader.take();
    ASSERT_TRUE(taken);
    if (*taken) {
      EXPECT_TRUE(**taken == message_of(i % 97, i)) << i;
      ++i;
      if (reader.must_wake()) for_writer.ring();
    } else if (reader.sleep().value()) {
      wait_for(for_reader);
    }
  }
  puts.join();
}

// What a process that dies has put is there, whole; what it was about to put is not.
TEST_F(RingTest, TheDeathOfTheOtherLeavesWholeMessages) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (uint64_t i = 0;; ++i) {
      if (!writer.put(message_of(i % 97, i)).value_or(false)) --i;
    }
  }
  uint64_t count = 0;
  const auto take_all = [&] {
    for (;;) {
      const auto taken = reader.take();
      ASSERT_TRUE(taken);
      if (!*taken) return;
      ASSERT_TRUE(**taken == message_of(count % 97, count)) << count;
      ++count;
    }
  };
  while (count < 10'000) take_all();
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  take_all();
  EXPECT_EQ(reader.take().value(), std::nullopt);
}

TEST(SharedMemoryTest, OneThatMayShrinkOrHasAnotherSizeIsRefused) {
  const auto made = SharedMemory::make(8192);
  ASSERT_TRUE(made);
  EXPECT_NE(::ftruncate(made->fd(), 4096), 0);
  EXPECT_EQ(SharedMemory::map(UniqueFd(::dup(made->fd())), 4096).error(), Error::malformed());
  UniqueFd open(::memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(open.get(), 8192), 0);
  EXPECT_EQ(SharedMemory::map(UniqueFd(::dup(open.get())), 8192).error(), Error::malformed());
  ASSERT_EQ(::fcntl(open.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL), 0);
  EXPECT_EQ(SharedMemory::map(std::move(open), 8192).error(), Error::malformed());
  EXPECT_EQ(SharedMemory::map(UniqueFd(::open("/dev/null", O_RDWR)), 8192).error(),
            Error::malformed());
}

}  // namespace
}  // namespace braid::transport::relay

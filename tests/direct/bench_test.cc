// How fast data goes over the card, and what the server's processes spend on it, beside TCP in the
// same place. Only when BRAID_DIRECT_BENCH says how many MiB each way.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "direct.h"
#include "runtime/task_scope.h"

namespace braid::e2e {
namespace {

constexpr size_t kInFlight = 8;

// Of processor time, by those that serve; seconds. A card that the kernel plays works in the
// kernel's part of it.
struct Spent {
  double own = 0;
  double kernel = 0;

  double all() const { return own + kernel; }
  Spent operator-(const Spent& before) const { return {own - before.own, kernel - before.kernel}; }
};

Spent spent() {
  uint64_t own = 0;
  uint64_t kernel = 0;
  for (const char* name : {"braidd-worker", "braidd-rdma"}) {
    std::ifstream stat("/proc/" + std::to_string(process(name)) + "/stat");
    std::string word;
    for (int field = 1; field <= 15 && stat >> word; ++field) {
      if (field == 14) own += std::strtoull(word.c_str(), nullptr, 10);
      if (field == 15) kernel += std::strtoull(word.c_str(), nullptr, 10);
    }
  }
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return {static_cast<double>(own) / ticks, static_cast<double>(kernel) / ticks};
}

struct Transfer {
  client::FilePtr file;
  bool is_write;
  size_t count;
  size_t next = 0;
  bool is_whole = true;
};

Task<void> move(Transfer& transfer) {
  while (transfer.next < transfer.count) {
    const uint64_t offset = uint64_t{transfer.next++ % 64} * kMiB;
    if (transfer.is_write) {
      const auto count = co_await transfer.file->write(offset, Buffer(kMiB));
      transfer.is_whole &= count && *count == kMiB;
    } else {
      const auto reply = co_await transfer.file->read(offset, kMiB);
      transfer.is_whole &= reply && reply->body.data.size() == kMiB;
    }
  }
}

Task<void> measure(const char* what, client::FilePtr file, size_t count) {
  for (const bool is_write : {true, false}) {
    Transfer transfer{.file = file, .is_write = is_write, .count = count};
    const Spent before = spent();
    const auto start = std::chrono::steady_clock::now();
    TaskScope scope;
    for (size_t i = 0; i < kInFlight; ++i) scope.spawn(move(transfer));
    co_await scope.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_TRUE(transfer.is_whole);
    const auto size = static_cast<double>(count);
    const Spent now = spent() - before;
    std::printf("bench %s, %s of 1 MiB: %.1f MiB/s, server %.0f us/MiB, %.0f outside the kernel\n",
                what, is_write ? "WRITE" : "READ", size / took.count(), now.all() / size * 1e6,
                now.own / size * 1e6);
    std::fflush(stdout);
  }
}

BRAID_E2E(DirectBench, CardAndTcp) {
  const size_t count = std::strtoul(environment("BRAID_DIRECT_BENCH").c_str(), nullptr, 10);
  if (count == 0) co_return;
  const auto open = [&](client::TreePtr tree) {
    return tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOpenIf);
  };
  client::SessionOptions plain;
  plain.security = client::SessionOptions::Security::kAsServerWants;
  for (int round = 0; round < 2; ++round) {
    E2E_TRY(const auto tree, co_await env.mount("share", {}, plain));
    E2E_TRY(const auto over_tcp, co_await open(tree));
    co_await measure("TCP", over_tcp, count);
    E2E_TRY(const Direct direct, co_await mount_direct(env, "share", plain));
    E2E_TRY(const auto over_card, co_await open(direct.tree));
    co_await measure("card", over_card, count);
    co_await direct.connection->close();
  }
}

}  // namespace
}  // namespace braid::e2e

#include "vfs/posix/patient_open.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

namespace braid::vfs {
namespace {

using namespace std::chrono_literals;

// What hangs until it is let go.
struct Gate {
  std::promise<void> promise;
  std::shared_future<void> opened{promise.get_future()};
  std::atomic<int> entered = 0;
};

Result<UniqueFd> open_root() {
  UniqueFd fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_last_os();
  return fd;
}

TEST(PatientOpen, GivesWhatIsThereAndSaysWhyNot) {
  PatientOpen there(open_root, 1h);
  EXPECT_TRUE(there.ask());
  EXPECT_TRUE(there.ask());
  PatientOpen absent([]() -> Result<UniqueFd> { return fail_os(ENOENT); }, 1h);
  EXPECT_TRUE(absent.ask().error().is_os(ENOENT));
}

TEST(PatientOpen, OneThreadHangsAndNobodyElse) {
  const auto gate = std::make_shared<Gate>();
  PatientOpen patient(
      [gate] {
        ++gate->entered;
        gate->opened.wait();
        return open_root();
      },
      10ms);
  std::vector<std::thread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] { EXPECT_TRUE(patient.ask().error().is_os(ETIMEDOUT)); });
  }
  for (auto& asker : askers) asker.join();
  EXPECT_TRUE(patient.ask().error().is_os(ETIMEDOUT));
  EXPECT_LE(gate->entered, 1);
  gate->promise.set_value();
  // It answers again, with what it finds now.
  while (!patient.ask()) std::this_thread::yield();
}

}  // namespace
}  // namespace braid::vfs

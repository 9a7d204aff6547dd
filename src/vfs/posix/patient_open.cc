#include "vfs/posix/patient_open.h"

#include <fcntl.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace braid::vfs {
namespace {

using SteadyClock = std::chrono::steady_clock;

Result<UniqueFd> duplicate(const Result<UniqueFd>& opened) {
  if (!opened) return fail(opened.error());
  UniqueFd own(::fcntl(opened->get(), F_DUPFD_CLOEXEC, 0));
  if (!own) return fail_last_os();
  return own;
}

}  // namespace

struct PatientOpen::State {
  const Open open;
  const std::chrono::milliseconds patience;
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t began = 0;  // how many went in, and came out
  uint64_t ended = 0;
  SteadyClock::time_point began_at;
  size_t askers = 0;
  std::optional<Result<UniqueFd>> latest;  // until the last asker has it

  static void run(std::shared_ptr<State> state) {
    Result<UniqueFd> opened = state->open();
    std::lock_guard lock(state->mutex);
    if (state->askers != 0) state->latest = std::move(opened);
    ++state->ended;
    state->changed.notify_all();
  }
};

PatientOpen::PatientOpen(Open open, std::chrono::milliseconds patience)
    : state_(std::make_shared<State>(std::move(open), patience)) {}

Result<UniqueFd> PatientOpen::ask() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.began == state.ended) {
    try {
      std::thread(State::run, state_).detach();
    } catch (const std::system_error&) {
      return fail_os(EAGAIN);
    }
    ++state.began;
    state.began_at = SteadyClock::now();
  }
  const uint64_t wanted = state.began;
  ++state.askers;
  Result<UniqueFd> own = fail_os(ETIMEDOUT);
  if (state.changed.wait_until(lock, state.began_at + state.patience,
                               [&] { return state.ended >= wanted; })) {
    own = duplicate(*state.latest);
  }
  if (--state.askers == 0) state.latest.reset();
  return own;
}

}  // namespace braid::vfs

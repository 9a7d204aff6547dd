#include "runtime/take_memory.h"

#include <algorithm>

#include "runtime/one_shot.h"

namespace braid {
namespace {

// How often to look what others gave back: rarer and rarer, as many may wait at the same time.
constexpr std::chrono::milliseconds kFirstLook{5};
constexpr std::chrono::milliseconds kLookMax{320};

}  // namespace

Task<std::optional<MemoryCharge>> take_memory(Reactor& reactor,
                                              std::shared_ptr<MemoryAccount> account, size_t size,
                                              MemoryUse use, std::chrono::nanoseconds patience,
                                              std::function<bool()> given_up) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::chrono::milliseconds delay = kFirstLook;
  for (;;) {
    if (auto charge = account->try_take(size, use)) co_return charge;
    if (given_up() || std::chrono::steady_clock::now() >= deadline) co_return std::nullopt;
    auto look = std::make_shared<OneShot<bool>>();
    const uint64_t id = account->when_given_back([look] { look->set(true); });
    Timer timer(reactor);
    timer.start(delay, [look] { look->set(false); });
    // What was given back before the account knew of this wait is not told any more.
    auto charge = account->try_take(size, use);
    if (!charge) co_await look->wait(reactor);
    account->forget(id);
    if (charge) co_return charge;
    delay = std::min(2 * delay, kLookMax);
  }
}

}  // namespace braid

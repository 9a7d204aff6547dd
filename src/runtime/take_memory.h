// take_memory(): memory of an account, waiting for it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "base/memory_budget.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace braid {

// Continues as soon as the account has room: at once, when it gets something back, or some time
// after others did. None when it had none for `patience`, or `given_up` says so meanwhile.
// REQUIRES: on `reactor`, which it continues on.
Task<std::optional<MemoryCharge>> take_memory(Reactor& reactor,
                                              std::shared_ptr<MemoryAccount> account, size_t size,
                                              MemoryUse use, std::chrono::nanoseconds patience,
                                              std::function<bool()> given_up);

}  // namespace braid

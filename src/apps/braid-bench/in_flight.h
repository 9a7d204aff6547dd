// Many requests at once on one connection.
#pragma once

#include <functional>
#include <optional>

#include "runtime/task_scope.h"

namespace braid::bench {

// Calls `one` for 0 to count - 1, so many at a time. The first error ends it and is the result.
// Thread: the reactor's.
inline Task<Result<void>> for_each_in_flight(size_t count, size_t in_flight,
                                             std::function<Task<Result<void>>(size_t)> one) {
  TaskScope scope;
  size_t next = 0;
  std::optional<Error> error;
  const auto runner = [&]() -> Task<void> {
    while (next < count && !error) {
      const auto result = co_await one(next++);
      if (!result && !error) error = result.error();
    }
  };
  for (size_t started = 0; started < in_flight; ++started) scope.spawn(runner());
  co_await scope.join();
  if (error) co_return std::unexpected(*error);
  co_return Result<void>();
}

}  // namespace braid::bench

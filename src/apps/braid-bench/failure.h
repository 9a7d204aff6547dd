// Failure: why a run could not be made, as a line for who started it.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace braid::bench {

// A value. An Error becomes one by itself, with its own message.
struct Failure {
  Failure(Error error) : text(error.message()) {}
  explicit Failure(std::string line) : text(std::move(line)) {}

  std::string text;
};

template <class T>
using Outcome = std::expected<T, Failure>;

inline std::unexpected<Failure> failure(std::string line) {
  return std::unexpected(Failure(std::move(line)));
}
// "cannot reach 192.0.2.1:445: Connection refused"
inline std::unexpected<Failure> failure(std::string_view what, Error why) {
  return failure(fmt::format("{}: {}", what, why.message()));
}

}  // namespace braid::bench

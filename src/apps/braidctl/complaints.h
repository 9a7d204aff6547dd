// Complaints: what each address is complained of, once a minute.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace braid::braidctl {

// A stranger must not fill the log. Thread: one at a time.
class Complaints {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kEvery{1};
  // Further addresses within a minute are not complained of.
  static constexpr size_t kAddressesMax = 1'024;

  // How often it was, since it was said last, this time included; none: it was within a minute.
  std::optional<uint64_t> count(const std::string& address, Instant now);

 private:
  struct Known {
    Instant said{};
    uint64_t since = 0;
  };
  std::unordered_map<std::string, Known> known_;
};

}  // namespace braid::braidctl

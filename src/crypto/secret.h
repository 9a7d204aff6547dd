// Secret: key material that wipes itself and cannot be printed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace braid::crypto {

// Up to 64 bytes of key material, held inline. Copies are allowed and each wipes itself when it
// dies or is overwritten. There is no formatter and no iteration, so a log line cannot take one by
// accident; reveal() is the one way to the bytes.
class Secret {
 public:
  static constexpr size_t kSizeMax = 64;  // a SHA-512 output, the longest value ever kept in one

  Secret() = default;
  // What is longer than kSizeMax is cut off.
  explicit Secret(ByteView bytes);
  Secret(const Secret& other) = default;
  Secret& operator=(const Secret& other) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  // `size` bytes of which as many as there are come from `bytes` and the rest are zero: what
  // [MS-SMB2] 3.3.1.8 asks of Session.SessionKey.
  static Secret padded(ByteView bytes, size_t size);
  static Secret random(size_t size);

  ByteView reveal() const { return {bytes_.data(), size_}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void wipe();

  // Constant time for equal sizes.
  friend bool operator==(const Secret& a, const Secret& b) { return a.same_as(b); }

 private:
  bool same_as(const Secret& other) const;

  std::array<uint8_t, kSizeMax> bytes_{};
  size_t size_ = 0;
};

// Constant time for equal sizes; false for different ones.
bool equal_constant_time(ByteView a, ByteView b);

// Overwrites memory that held a secret, in a way the optimiser leaves alone.
void wipe(MutableByteView bytes);

// From the system's generator. Ends the process if there is none: nothing safe can follow.
void random_bytes(MutableByteView out);

}  // namespace braid::crypto

// Which LOCK requests of an open have been carried out, so that a repeated one is not done twice.
#pragma once

#include <array>
#include <cstdint>

#include "filestate/types.h"

namespace braid::filestate {

// Open.LockSequenceArray, [MS-SMB2] 3.3.5.14 "Receiving an SMB2 LOCK Request": 64 entries of a
// 4-bit number, each valid or not. Thread: its FileState's.
class LockSequences {
 public:
  static constexpr uint8_t kEntries = 64;

  LockSequences() { numbers_.fill(kNever); }
  // As they were when numbers() was asked.
  explicit LockSequences(const std::array<uint8_t, kEntries>& numbers) : numbers_(numbers) {}
  const std::array<uint8_t, kEntries>& numbers() const { return numbers_; }
  static constexpr bool is_checked(const LockSequence& sequence) {
    return sequence.index >= 1 && sequence.index <= kEntries;
  }
  // True: this request was carried out before. Otherwise the entry is invalid until done().
  // REQUIRES: is_checked(sequence).
  bool begin(const LockSequence& sequence) {
    uint8_t& entry = numbers_[sequence.index - 1];
    if (entry == (sequence.number & 0xF)) return true;
    entry = kNever;
    return false;
  }
  void done(const LockSequence& sequence) { numbers_[sequence.index - 1] = sequence.number & 0xF; }

 private:
  static constexpr uint8_t kNever = 0xFF;  // equals no 4-bit number

  std::array<uint8_t, kEntries> numbers_;
};

}  // namespace braid::filestate

// Which LOCK requests of an open have been carried out, so that a repeated one is not done twice.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/wrapping.h"
#include "filestate/types.h"

namespace braid::filestate {

// Open.LockSequenceArray, [MS-SMB2] 3.3.5.14 "Receiving an SMB2 LOCK Request": 64 entries of a
// 4-bit number, each valid or not. Thread: its FileState's.
//
// Besides, each entry knows the ChannelSequence it was last used with. A client has one request at
// a time for an entry and takes the next number when it has the answer, so a request that is older
// than its entry was sent on a channel that is lost, sent again on another, answered there, and has
// only now been read: carried out, it would undo what came after it.
class LockSequences {
 public:
  static constexpr uint8_t kEntries = 64;
  enum class Standing : uint8_t { kNew, kDone, kOvertaken };
  struct Entry {
    uint8_t number = kInvalid;
    std::optional<uint16_t> channel_sequence;  // absent: not used since the client came
  };

  // Of each entry that is valid.
  using Numbers = std::array<std::optional<uint8_t>, kEntries>;

  LockSequences() = default;
  // As an earlier life of the server left them.
  explicit LockSequences(const Numbers& numbers) {
    for (size_t i = 0; i < kEntries; ++i) entries_[i].number = numbers[i].value_or(kInvalid);
  }

  static constexpr bool is_checked(const LockSequence& sequence) {
    return sequence.index >= 1 && sequence.index <= kEntries;
  }
  // kNew: the entry is invalid until done(). REQUIRES: is_checked(sequence).
  Standing begin(const LockSequence& sequence) {
    Entry& entry = entries_[sequence.index - 1];
    if (entry.number == (sequence.number & 0xF)) return Standing::kDone;
    if (entry.channel_sequence && is_behind(sequence.channel_sequence, *entry.channel_sequence)) {
      return Standing::kOvertaken;
    }
    entry = {kInvalid, sequence.channel_sequence};
    return Standing::kNew;
  }
  void done(const LockSequence& sequence) {
    entries_[sequence.index - 1].number = sequence.number & 0xF;
  }

  // The client came back with a new session, whose ChannelSequence begins anew. What was carried
  // out stays so.
  void forget_channels() {
    for (Entry& entry : entries_) entry.channel_sequence.reset();
  }

  Numbers numbers() const {
    Numbers numbers;
    for (size_t i = 0; i < kEntries; ++i) {
      if (entries_[i].number != kInvalid) numbers[i] = entries_[i].number;
    }
    return numbers;
  }
  const std::array<Entry, kEntries>& entries() const { return entries_; }
  void restore(uint8_t index, Entry entry) { entries_[index - 1] = entry; }

 private:
  static constexpr uint8_t kInvalid = 0xFF;  // equals no 4-bit number

  std::array<Entry, kEntries> entries_;
};

}  // namespace braid::filestate

// Connection.CommandSequenceWindow and the credits that widen it.
#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "smb2/common/limits.h"

namespace braid::smb2 {

// [MS-SMB2] 3.3.1.1 "Algorithm for Handling Available Message Sequence Numbers by the Server".
//
// The window holds the MessageIds [low, high). Each is usable once; low moves up when the lowest
// has been used. Credits granted add to high. The width never exceeds kCreditsMax, so a client that
// leaves one id unused for ever runs dry instead of making the server remember more.
// Owned by its Connection. Thread: the connection's reactor.
class CommandSequenceWindow {
 public:
  // Takes `count` ids from `first`; false, and nothing taken, unless all are usable.
  bool take(MessageId first, uint32_t count);

  // How much of what a client asks for can be granted: at least 1 while the window would otherwise
  // be empty. `charge` is what the request being answered used.
  uint16_t grant(uint16_t requested, uint16_t charge, bool may_grow);

  // Makes `first` the lowest expected id; for a connection whose SMB1 negotiate took id 0.
  void restart(MessageId first, uint32_t width);

  // For another process. `used`: a bit for each id of [low, high), which are kCreditsMax at most.
  struct Image {
    uint64_t low = 0;
    uint64_t high = 0;
    std::vector<bool> used;
  };
  Image image() const;
  // REQUIRES: it is one that image() may give.
  void restore(const Image& image);
  static bool is_valid(const Image& image);

  uint64_t low() const { return low_; }
  uint64_t high() const { return high_; }

 private:
  uint64_t low_ = 0;
  uint64_t high_ = 1;              // one credit before NEGOTIATE
  std::bitset<kCreditsMax> used_;  // bit id % kCreditsMax, for ids in [low, high)
};

}  // namespace braid::smb2

// ChannelSequence of an Open: tells what a client sent before it lost a channel from what it sent
// afterwards. [MS-SMB2] 3.3.1.10 "Per Open" and 3.3.5.2.10 "Verifying the Channel Sequence Number".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/guarded.h"

namespace braid::smb2 {

// Thread: any. Part of an Open.
class ChannelSequence {
 public:
  // Times the number moved on, in 64 bits: a request that waits for long may see all 16 bits of the
  // protocol's number pass.
  using Generation = uint64_t;

  struct Admission {
    // False: a request that changes something must fail with STATUS_FILE_NOT_AVAILABLE, as it is
    // older than what came meanwhile, or repeats what may still be under way.
    bool is_admitted = true;
    // Where it is counted until end(). None: it is not counted.
    std::optional<Generation> counted_in;
  };

  // That of the CREATE.
  void start_from(uint16_t sequence);
  Admission begin(uint16_t sequence, bool is_replay);
  void end(Generation counted_in);

  struct Counts {
    uint16_t sequence = 0;         // Open.ChannelSequence
    uint32_t outstanding = 0;      // Open.OutstandingRequestCount
    uint32_t outstanding_pre = 0;  // Open.OutstandingPreRequestCount
  };
  Counts counts() const { return state_.lock()->counts; }

 private:
  struct State {
    Counts counts;
    Generation generation = 0;
  };
  Guarded<State> state_;
};

class Open;

// A request counted in its Open, until it is answered: the counts drop before the answer is queued.
class SequenceUse {
 public:
  SequenceUse() = default;
  SequenceUse(std::shared_ptr<Open> open, ChannelSequence::Generation counted_in)
      : open_(std::move(open)), counted_in_(counted_in) {}
  SequenceUse(SequenceUse&& other) noexcept = default;
  SequenceUse& operator=(SequenceUse&& other) noexcept {
    release();
    open_ = std::move(other.open_);
    counted_in_ = other.counted_in_;
    return *this;
  }
  ~SequenceUse() { release(); }
  void release();

 private:
  std::shared_ptr<Open> open_;
  ChannelSequence::Generation counted_in_ = 0;
};

}  // namespace braid::smb2

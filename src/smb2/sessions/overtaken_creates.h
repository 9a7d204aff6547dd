// CREATEs that were sent again on another channel before their first sending was read.
#pragma once

#include <cstdint>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"

namespace braid::smb2 {

// Part of a Session. [MS-SMB2] 3.3.5.9 knows a repeated CREATE by the CreateGuid of an Open that
// nobody has used yet. The other order it leaves open: the repetition is answered, the handle used
// or closed, and then the first sending, from the lost channel, is read and would open the file
// again, truncating it perhaps. So what came as a repetition is remembered with its
// ChannelSequence, and what is older than that is not carried out. Thread: any.
class OvertakenCreates {
 public:
  // Of one session, the oldest are forgotten: what a client can have in flight when it loses a
  // channel, several times over.
  static constexpr size_t kRememberedMax = 1024;

  // False: too late. REQUIRES: the caller holds the CreateReservations::Reservation of this
  // CreateGuid, so that of two sendings the second sees what the first did here.
  [[nodiscard]] bool admit(const CreateGuid& guid, uint16_t channel_sequence, bool is_replay);

  struct Sending {
    CreateGuid guid;
    uint16_t channel_sequence = 0;  // of the latest
  };
  // What is remembered, oldest first, and the same again: for another process.
  std::vector<Sending> remembered() const { return *repeated_.lock(); }
  void remember(std::vector<Sending> sendings) { *repeated_.lock() = std::move(sendings); }

 private:
  Guarded<std::vector<Sending>> repeated_;  // oldest first
};

}  // namespace braid::smb2

// ProtectionSeat: turns for decrypting, verifying, encrypting and signing what is long.
#pragma once

#include <cstddef>

#include "runtime/worker_pool.h"
#include "smb2/sessions/session.h"

namespace braid::smb2 {

class Connection;
struct Negotiated;

// The largest frame, received or to be sent, for which nobody needs one: it is encrypted, or else
// signed if its messages are. The way to the pool and back costs as much as AES-GCM of 128 KiB.
size_t protected_inline_max(const Negotiated& negotiated, bool is_encrypted);

// A turn on the pool for that, of the user whose session it is: whoever sends much waits for
// himself. Not behind work of the user that waits for a disk. With an error once the connection is
// lost. Thread: see Seat.
class ProtectionSeat final : public WorkerPool::Seat {
 public:
  // Without a session: of the connection.
  ProtectionSeat(Connection& connection, const Session* session);
  Result<void> check_wanted() const override;

 private:
  Connection& connection_;
};

}  // namespace braid::smb2

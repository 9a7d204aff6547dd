// ProtectionSeat: turns for decrypting, verifying, encrypting and signing what is long.
#pragma once

#include "runtime/worker_pool.h"
#include "smb2/sessions/session.h"

namespace braid::smb2 {

class Connection;

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

#include "smb2/connections/protection_seat.h"

#include "smb2/connections/connection.h"
#include "smb2/opens/work_owner.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

WorkOwner owner_of(const Connection& connection, const Session* session) {
  if (!session) return work_of_protection(connection.number);
  const auto principal = session->principal();
  return work_of_protection(principal.identity.get());
}

}  // namespace

ProtectionSeat::ProtectionSeat(Connection& connection, const Session* session)
    : Seat(connection.server().files.pool, owner_of(connection, session),
           &connection.waiting_requests),
      connection_(connection) {}

Result<void> ProtectionSeat::check_wanted() const {
  return connection_.is_ending() ? fail(NtStatus::kCancelled) : Result<void>();
}

}  // namespace braid::smb2

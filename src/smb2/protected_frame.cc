#include "smb2/protected_frame.h"

#include "smb2/connection.h"
#include "smb2/server.h"
#include "smb2/work_owner.h"

namespace braid::smb2 {
namespace {

WorkOwner owner_of(const Connection& connection, const Session* session) {
  if (!session) return work_of_protection(connection.number);
  const auto principal = session->principal();
  return work_of_protection(principal.identity.get());
}

}  // namespace

ProtectionSeat::ProtectionSeat(Connection& connection, const Session* session)
    : Seat(connection.server().pool(), owner_of(connection, session),
           &connection.waiting_requests),
      connection_(connection) {}

Result<void> ProtectionSeat::check_wanted() const {
  return connection_.is_ending() ? fail(NtStatus::kCancelled) : Result<void>();
}

crypto::SigningNonce nonce_of(const wire::Header& request) {
  return {.message_id = request.message_id.value,
          .from_server = false,
          .is_cancel = request.command == wire::Command::kCancel};
}

bool SealedFrame::open(MutableByteView frame) const {
  const ByteView authenticated =
      frame.subspan(wire::TransformHeader::kAuthenticatedOffset,
                    wire::TransformHeader::kSize - wire::TransformHeader::kAuthenticatedOffset);
  const auto opened = session_->security()->decryption_key->open(
      transform_.nonce, authenticated, frame.subspan(wire::TransformHeader::kSize),
      transform_.signature);
  return opened.has_value();
}

}  // namespace braid::smb2

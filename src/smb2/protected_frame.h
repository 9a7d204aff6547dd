// Decrypting, verifying, encrypting and signing what is long, for whichever thread has the time.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "crypto/signing.h"
#include "runtime/worker_pool.h"
#include "smb2/session.h"
#include "wire/smb2/header.h"
#include "wire/smb2/transform_header.h"

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

// What the signature of a message of a long frame was found to be, and with which key: the gates of
// dispatch.cc decide whether that is the key that counts.
struct VerifiedSignature {
  std::shared_ptr<const crypto::SigningKey> key;  // null: nobody has looked
  bool is_valid = false;
};

// One message of a frame.
struct CompoundElement {
  wire::Header header;
  ByteView message;                 // into the frame
  uint16_t credits_charged;         // as the window counted it
  VerifiedSignature verified = {};  // in a long frame
};

crypto::SigningNonce nonce_of(const wire::Header& request);

// [MS-SMB2] 3.3.5.2.1.1 "Decrypting the Message".
class SealedFrame {
 public:
  // Nothing when it cannot be decrypted, so that the connection must end. `session` finds the one
  // that an id names on the connection.
  template <class FindSession>
  static std::optional<SealedFrame> of(ByteView frame, FindSession session) {
    wire::Reader reader(frame);
    const auto transform = wire::TransformHeader::decode(reader);
    if (!transform || transform->flags != wire::TransformHeader::kFlagEncrypted) return {};
    SealedFrame sealed(*transform, session(transform->session_id));
    const SessionSecurity* security = sealed.session_ ? sealed.session_->security() : nullptr;
    if (!security || !security->decryption_key) return {};
    if (transform->original_message_size != frame.size() - wire::TransformHeader::kSize) return {};
    return sealed;
  }
  // In place, behind the header. False: it was not encrypted with that key.
  bool open(MutableByteView frame) const;
  const std::shared_ptr<Session>& session() const { return session_; }

 private:
  SealedFrame(const wire::TransformHeader& transform, std::shared_ptr<Session> session)
      : transform_(transform), session_(std::move(session)) {}

  wire::TransformHeader transform_;
  std::shared_ptr<Session> session_;
};

}  // namespace braid::smb2

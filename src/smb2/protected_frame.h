// The work of decrypting or verifying one received frame, for whichever thread has the time.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.h"
#include "crypto/signing.h"
#include "smb2/session.h"
#include "wire/smb2/header.h"
#include "wire/smb2/transform_header.h"

namespace braid::smb2 {

// What the signature of a frame's only message was found to be, and with which key: the gates of
// dispatch.cc decide whether that is the key that counts.
struct VerifiedSignature {
  std::shared_ptr<const crypto::SigningKey> key;  // null: nobody has looked
  bool is_valid = false;
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

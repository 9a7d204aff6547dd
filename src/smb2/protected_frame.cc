#include "smb2/protected_frame.h"

namespace braid::smb2 {

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

#include "auth/ntlm_security.h"

namespace braid::auth {

NtlmSecurity::NtlmSecurity(const crypto::Secret& exported_session_key, uint32_t negotiate_flags,
                           uint32_t received, uint32_t sent)
    : can_seal_((negotiate_flags & wire::ntlm::flags::kSeal) != 0),
      receiving_(exported_session_key, negotiate_flags, NtlmSide::kClient, received),
      sending_(exported_session_key, negotiate_flags, NtlmSide::kServer, sent) {}

Result<Bytes> NtlmSecurity::protect(Protection protection, const MessageSegments& message) {
  // The signature is of what is readable, and its checksum is sealed after the message.
  const Bytes readable(message.body.begin(), message.body.end());
  if (protection == Protection::kSeal) sending_.apply(message.body);
  const ByteView parts[] = {message.header, readable, message.trailer};
  return sending_.signature(parts);
}

Result<void> NtlmSecurity::check(Protection protection, const MessageSegments& message,
                                 ByteView verifier) {
  if (protection == Protection::kSeal) receiving_.apply(message.body);
  const ByteView parts[] = {message.header, message.body, message.trailer};
  if (!crypto::equal_constant_time(receiving_.signature(parts), verifier)) {
    return fail(NtStatus::kAccessDenied);
  }
  return {};
}

}  // namespace braid::auth

#include "auth/krb5_security.h"

#include <array>
#include <utility>

#include "base/log.h"

namespace braid::auth {
namespace {

gss_iov_buffer_desc iov_of(OM_uint32 type, MutableByteView bytes) {
  return {type, {bytes.size(), bytes.data()}};
}

// HEADER, which is the verifier, and the message behind it.
struct SealedMessage {
  SealedMessage(const MessageSegments& message, MutableByteView verifier) {
    buffers[count++] = iov_of(GSS_IOV_BUFFER_TYPE_HEADER, verifier);
    if (message.header_signing) {
      buffers[count++] = iov_of(GSS_IOV_BUFFER_TYPE_SIGN_ONLY, message.header);
    }
    buffers[count++] = iov_of(GSS_IOV_BUFFER_TYPE_DATA, message.body);
    if (message.header_signing) {
      buffers[count++] = iov_of(GSS_IOV_BUFFER_TYPE_SIGN_ONLY, message.trailer);
    }
  }
  std::array<gss_iov_buffer_desc, 4> buffers;
  int count = 0;
};

Bytes signed_bytes(const MessageSegments& message) {
  Bytes bytes;
  if (message.header_signing) bytes.assign(message.header.begin(), message.header.end());
  bytes.insert(bytes.end(), message.body.begin(), message.body.end());
  if (message.header_signing) {
    bytes.insert(bytes.end(), message.trailer.begin(), message.trailer.end());
  }
  return bytes;
}

std::unexpected<Error> refused(OM_uint32 major, OM_uint32 minor) {
  log::info("a message that Kerberos protects: {}", gss_error_text(major, minor));
  return fail(NtStatus::kAccessDenied);
}

}  // namespace

Krb5Security::Krb5Security(GssContext& context, OM_uint32 granted)
    : can_seal_((granted & GSS_C_CONF_FLAG) != 0) {
  std::swap(*context_.out(), *context.out());
}

bool Krb5Security::is_possible(OM_uint32 granted) {
  constexpr OM_uint32 kNeeded =
      GSS_C_DCE_STYLE | GSS_C_INTEG_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;
  return (granted & kNeeded) == kNeeded;
}

Result<size_t> Krb5Security::verifier_size(Protection protection) {
  OM_uint32 minor = 0;
  std::array<uint8_t, 16> body{};
  if (protection == Protection::kSign) {
    std::array<gss_iov_buffer_desc, 2> iov = {iov_of(GSS_IOV_BUFFER_TYPE_DATA, body),
                                              iov_of(GSS_IOV_BUFFER_TYPE_MIC_TOKEN, {})};
    const OM_uint32 major = gss_get_mic_iov_length(&minor, context_.get(), GSS_C_QOP_DEFAULT,
                                                   iov.data(), static_cast<int>(iov.size()));
    if (major != GSS_S_COMPLETE) return refused(major, minor);
    return iov[1].buffer.length;
  }
  SealedMessage sealed({.header = {}, .body = body, .trailer = {}}, {});
  const OM_uint32 major = gss_wrap_iov_length(&minor, context_.get(), 1, GSS_C_QOP_DEFAULT, nullptr,
                                              sealed.buffers.data(), sealed.count);
  if (major != GSS_S_COMPLETE) return refused(major, minor);
  return sealed.buffers[0].buffer.length;
}

Result<Bytes> Krb5Security::protect(Protection protection, const MessageSegments& message) {
  if (protection == Protection::kSign) return gss_make_mic(context_.get(), signed_bytes(message));
  BRAID_TRY(const size_t size, verifier_size(protection));
  Bytes verifier(size);
  SealedMessage sealed(message, verifier);
  OM_uint32 minor = 0;
  int is_sealed = 0;
  const OM_uint32 major = gss_wrap_iov(&minor, context_.get(), 1, GSS_C_QOP_DEFAULT, &is_sealed,
                                       sealed.buffers.data(), sealed.count);
  if (major != GSS_S_COMPLETE || is_sealed == 0) return refused(major, minor);
  verifier.resize(sealed.buffers[0].buffer.length);
  return verifier;
}

Result<void> Krb5Security::check(Protection protection, const MessageSegments& message,
                                 ByteView verifier) {
  if (protection == Protection::kSign) {
    // Anything but COMPLETE is an error here: one that is old or came twice, too.
    if (gss_check_mic(context_.get(), signed_bytes(message), verifier)) return {};
    return fail(NtStatus::kAccessDenied);
  }
  Bytes token(verifier.begin(), verifier.end());
  SealedMessage sealed(message, token);
  OM_uint32 minor = 0;
  int is_sealed = 0;
  const OM_uint32 major = gss_unwrap_iov(&minor, context_.get(), &is_sealed, nullptr,
                                         sealed.buffers.data(), sealed.count);
  if (major != GSS_S_COMPLETE || is_sealed == 0) return refused(major, minor);
  return {};
}

}  // namespace braid::auth

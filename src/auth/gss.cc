#include "auth/gss.h"

#include <gssapi/gssapi_krb5.h>

namespace braid::auth {

const gss_OID kGssKrb5 = const_cast<gss_OID>(gss_mech_krb5);

gss_buffer_desc gss_view(ByteView bytes) {
  return {bytes.size(), const_cast<uint8_t*>(bytes.data())};
}

gss_OID_set gss_krb5_set() {
  static gss_OID_set_desc set = {1, const_cast<gss_OID>(gss_mech_krb5)};
  return &set;
}

std::string gss_error_text(OM_uint32 major, OM_uint32 minor) {
  std::string text;
  const auto append = [&](OM_uint32 code, int type) {
    OM_uint32 message_context = 0;
    do {
      GssBuffer message;
      OM_uint32 ignored = 0;
      if (GSS_ERROR(gss_display_status(&ignored, code, type, kGssKrb5, &message_context,
                                       message.out()))) {
        return;
      }
      if (!text.empty()) text += ": ";
      text += as_text(message.view());
    } while (message_context != 0);
  };
  append(major, GSS_C_GSS_CODE);
  if (minor != 0) append(minor, GSS_C_MECH_CODE);
  return text;
}

crypto::Secret gss_session_key(gss_ctx_id_t context) {
  OM_uint32 minor = 0;
  gss_buffer_set_t buffers = GSS_C_NO_BUFFER_SET;
  const OM_uint32 major =
      gss_inquire_sec_context_by_oid(&minor, context, GSS_C_INQ_SSPI_SESSION_KEY, &buffers);
  crypto::Secret key;
  if (!GSS_ERROR(major) && buffers != nullptr && buffers->count > 0) {
    const gss_buffer_desc& first = buffers->elements[0];
    const MutableByteView bytes(static_cast<uint8_t*>(first.value), first.length);
    key = crypto::Secret(bytes);
    crypto::wipe(bytes);
  }
  if (buffers != nullptr) gss_release_buffer_set(&minor, &buffers);
  return key;
}

Result<Bytes> gss_make_mic(gss_ctx_id_t context, ByteView message) {
  OM_uint32 minor = 0;
  gss_buffer_desc in = gss_view(message);
  GssBuffer out;
  const OM_uint32 major = gss_get_mic(&minor, context, GSS_C_QOP_DEFAULT, &in, out.out());
  if (GSS_ERROR(major)) return fail(NtStatus::kLogonFailure);
  return out.copy();
}

bool gss_check_mic(gss_ctx_id_t context, ByteView message, ByteView mic) {
  OM_uint32 minor = 0;
  gss_buffer_desc in = gss_view(message);
  gss_buffer_desc token = gss_view(mic);
  return gss_verify_mic(&minor, context, &in, &token, nullptr) == GSS_S_COMPLETE;
}

}  // namespace braid::auth

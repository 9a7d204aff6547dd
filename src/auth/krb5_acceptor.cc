#include "auth/krb5_acceptor.h"

#include <fcntl.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>
#include <profile.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "auth/krb5_security.h"
#include "auth/state_file.h"
#include "base/ask_apart.h"
#include "base/log.h"

namespace braid::auth {
namespace {

// What the library adds to the lifetime of an acceptor's context: tickets count as good for that
// much longer, which is right when one is presented and wrong for the end of a session.
OM_uint32 clock_skew_s() {
  int skew = 300;  // the library's own default
  krb5_context context = nullptr;
  if (krb5_init_context(&context) != 0) return static_cast<OM_uint32>(skew);
  profile_t profile = nullptr;
  if (krb5_get_profile(context, &profile) == 0) {
    int configured = 0;
    if (profile_get_integer(profile, "libdefaults", "clockskew", nullptr, skew, &configured) == 0) {
      skew = configured;
    }
    profile_release(profile);
  }
  krb5_free_context(context);
  return static_cast<OM_uint32>(std::max(skew, 0));
}

NtStatus status_of(OM_uint32 major, OM_uint32 minor) {
  if (minor == static_cast<OM_uint32>(KRB5KRB_AP_ERR_SKEW) ||
      minor == static_cast<OM_uint32>(KRB5KRB_AP_ERR_TKT_NYV)) {
    return NtStatus::kTimeDifferenceAtDc;
  }
  if (GSS_ROUTINE_ERROR(major) == GSS_S_DEFECTIVE_TOKEN) return NtStatus::kInvalidParameter;
  return NtStatus::kLogonFailure;
}

}  // namespace

struct Krb5Credential::Reading {
  const std::string path;
  std::mutex mutex;  // for what follows
  std::condition_variable done;
  bool is_looking = false;
  std::chrono::steady_clock::time_point look_until{};
  bool is_done = false;
  bool is_late = false;
  std::string error;  // why there are no keys
  GssCred keys;
};

namespace {

// Why not; empty when `keys` are those of the keytab.
std::string read_keytab(const std::string& path, GssCred& keys) {
  if (access(path.c_str(), R_OK) != 0) return Error::last_os_error().message();
  const std::string location = "FILE:" + path;
  gss_key_value_element_desc element = {"keytab", location.c_str()};
  const gss_key_value_set_desc store = {1, &element};
  OM_uint32 minor = 0;
  const OM_uint32 major =
      gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, gss_krb5_set(), GSS_C_ACCEPT,
                            &store, keys.out(), nullptr, nullptr);
  return GSS_ERROR(major) ? gss_error_text(major, minor) : std::string();
}

void read_a_byte(const std::string& path) {
  const FileHandle file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  char byte = 0;
  if (file.get() >= 0) (void)!read(file.get(), &byte, 1);
}

}  // namespace

std::expected<std::unique_ptr<Krb5Credential>, std::string> Krb5Credential::from_keytab(
    const std::string& path) {
  auto reading = std::make_shared<Reading>(path);
  std::thread([reading, path] {
    GssCred keys;
    std::string error = read_keytab(path, keys);
    const std::lock_guard lock(reading->mutex);
    std::swap(*reading->keys.out(), *keys.out());
    reading->error = std::move(error);
    reading->is_done = true;
    if (reading->is_late && reading->error.empty()) log::info("keytab {}: it answers again", path);
    if (reading->is_late && !reading->error.empty())
      log::error("keytab {}: {}", path, reading->error);
    reading->done.notify_all();
  }).detach();
  std::unique_lock lock(reading->mutex);
  if (!reading->done.wait_for(lock, kAskTime, [&] { return reading->is_done; })) {
    reading->is_late = true;
    log::warn("keytab {}: it does not answer; Kerberos logons fail until it does", path);
  } else if (!reading->error.empty()) {
    return std::unexpected(reading->error);
  }
  return std::unique_ptr<Krb5Credential>(new Krb5Credential(reading));
}

gss_cred_id_t Krb5Credential::get() const {
  const std::lock_guard lock(reading_->mutex);
  return reading_->keys.get();
}

bool Krb5Credential::answers() const {
  std::unique_lock lock(reading_->mutex);
  if (!reading_->is_looking) {
    reading_->is_looking = true;
    reading_->look_until = std::chrono::steady_clock::now() + kAskTime;
    try {
      std::thread([reading = reading_] {
        read_a_byte(reading->path);
        const std::lock_guard held(reading->mutex);
        reading->is_looking = false;
        reading->done.notify_all();
      }).detach();
    } catch (const std::system_error&) {
      reading_->is_looking = false;
    }
  }
  return reading_->done.wait_until(lock, reading_->look_until,
                                   [&] { return !reading_->is_looking; });
}

Result<MechStep> Krb5Acceptor::step(ByteView token) {
  const gss_cred_id_t keys = credential_.get();
  if (keys == GSS_C_NO_CREDENTIAL) {  // which the library takes for the machine's own keytab
    log::info("Kerberos logon refused: the keytab has not been read");
    return fail(NtStatus::kLogonFailure);
  }
  if (!credential_.answers()) {
    log::warn("Kerberos logon refused: the disk of the keytab does not answer");
    return fail(NtStatus::kLogonFailure);
  }
  gss_buffer_desc in = gss_view(style_ == Krb5Style::kDce ? wire::krb5_ap_req(token) : token);
  GssBuffer out;
  GssName client;
  OM_uint32 minor = 0;
  OM_uint32 granted = 0;
  OM_uint32 lifetime = 0;
  const OM_uint32 major =
      gss_accept_sec_context(&minor, context_.out(), keys, &in, GSS_C_NO_CHANNEL_BINDINGS,
                             client.out(), nullptr, out.out(), &granted, &lifetime, nullptr);
  if (GSS_ERROR(major)) {
    log::info("Kerberos logon refused: {}", gss_error_text(major, minor));
    return fail(status_of(major, minor));
  }
  MechStep step{.done = major == GSS_S_COMPLETE, .token = out.copy()};
  if (!step.done) return step;

  BRAID_CHECK(take_name(client.get()));
  granted_ = granted;
  if (lifetime != GSS_C_INDEFINITE) {
    const OM_uint32 ticket = lifetime - std::min(lifetime, clock_skew_s());
    expires_at_ = FileTime{clock_.now().ticks + uint64_t{ticket} * kTicksPerSecond};
  }
  if (gss_session_key(context_.get()).empty()) return fail(NtStatus::kLogonFailure);
  return step;
}

// "alice@REALM" and what the library's rules (auth_to_local) make of it. Principals of other realms
// map to nothing unless those rules say so.
Result<void> Krb5Acceptor::take_name(gss_name_t name) {
  OM_uint32 minor = 0;
  GssBuffer display;
  if (GSS_ERROR(gss_display_name(&minor, name, display.out(), nullptr))) {
    return fail(NtStatus::kLogonFailure);
  }
  principal_ = as_text(display.view());
  GssBuffer local;
  if (GSS_ERROR(gss_localname(&minor, name, kGssKrb5, local.out()))) {
    log::info("no local name for the principal '{}'", principal_);
    return fail(NtStatus::kLogonFailure);
  }
  const size_t at = principal_.rfind('@');
  const std::string realm = at == std::string::npos ? "" : principal_.substr(at + 1);
  BRAID_TRY(identity_, identities_.of_principal(std::string(as_text(local.view())), realm));
  return {};
}

void Krb5Acceptor::take_outcome(AuthStep& out) {
  out.identity = identity_;
  out.method = "Kerberos";
  out.full_session_key = gss_session_key(context_.get());
  out.session_key = crypto::Secret::padded(out.full_session_key.reveal(), kSessionKeySize);
  out.expires_at = expires_at_;
}

std::unique_ptr<MessageSecurity> Krb5Acceptor::take_message_security() {
  if (!has_integrity() || !Krb5Security::is_possible(granted_)) return nullptr;
  return std::make_unique<Krb5Security>(context_, granted_);
}

}  // namespace braid::auth

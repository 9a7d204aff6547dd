#include "smb2/connections/protection_seat.h"

#include <chrono>

#include "crypto/gcm_speed.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/opens/work_owner.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

// A MiB of data and what is around it, where that takes a quarter of a user's turn at most.
constexpr size_t kQuickInlineMax = (1u << 20) + (4u << 10);
constexpr auto kQuickPer64KiB = std::chrono::nanoseconds(kQuickTurn) / 4 / 17;

WorkOwner owner_of(const Connection& connection, const Session* session) {
  if (!session) return work_of_protection(connection.number);
  const auto principal = session->principal();
  return work_of_protection(principal.identity.get());
}

}  // namespace

size_t protected_inline_max(const Negotiated& negotiated, bool is_encrypted) {
  using crypto::Cipher;
  const bool is_gcm =
      is_encrypted
          ? negotiated.cipher == Cipher::kAes128Gcm || negotiated.cipher == Cipher::kAes256Gcm
          : negotiated.signing_algorithm == crypto::SigningAlgorithm::kAesGmac;
  if (!is_gcm) return kProtectedInlineMax;
  static const bool is_quick = crypto::gcm_time_of_64_kib() <= kQuickPer64KiB;
  return is_quick ? kQuickInlineMax : kProtectedInlineMax;
}

ProtectionSeat::ProtectionSeat(Connection& connection, const Session* session)
    : Seat(connection.server().files.pool, owner_of(connection, session),
           &connection.waiting_requests),
      connection_(connection) {}

Result<void> ProtectionSeat::check_wanted() const {
  return connection_.is_ending() ? fail(NtStatus::kCancelled) : Result<void>();
}

}  // namespace braid::smb2

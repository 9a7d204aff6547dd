// SMB2 NEGOTIATE.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/negotiate_context.h"
#include "wire/writer.h"

namespace braid::wire {

enum class Dialect : uint16_t {
  kNone = 0x0000,
  kSmb202 = 0x0202,
  kSmb210 = 0x0210,
  kWildcard = 0x02FF,  // only in the answer to an SMB1 negotiate that offered "SMB 2.???"
  kSmb300 = 0x0300,
  kSmb302 = 0x0302,
  kSmb311 = 0x0311,
};
// "3.1.1"; "unknown".
std::string_view name_of(Dialect dialect);

struct SecurityMode {
  static constexpr uint16_t kSigningEnabled = 0x0001;
  static constexpr uint16_t kSigningRequired = 0x0002;
};

// SMB2_GLOBAL_CAP_*
struct Capabilities {
  static constexpr uint32_t kDfs = 0x00000001;
  static constexpr uint32_t kLeasing = 0x00000002;
  static constexpr uint32_t kLargeMtu = 0x00000004;
  static constexpr uint32_t kMultiChannel = 0x00000008;
  static constexpr uint32_t kPersistentHandles = 0x00000010;
  static constexpr uint32_t kDirectoryLeasing = 0x00000020;
  static constexpr uint32_t kEncryption = 0x00000040;
  static constexpr uint32_t kNotifications = 0x00000080;
};

// [MS-SMB2] 2.2.3 "SMB2 NEGOTIATE Request".
struct NegotiateRequest {
  uint16_t security_mode = 0;
  uint32_t capabilities = 0;
  ClientGuid client_guid;
  uint64_t client_start_time = 0;             // only without kSmb311 in dialects
  std::vector<Dialect> dialects;              // in the client's order; unknown values kept
  std::optional<NegotiateContexts> contexts;  // exactly if dialects holds kSmb311

  bool offers(Dialect dialect) const;

  // Malformed: no dialect at all, a context list inside the fixed part or off its alignment, and
  // what NegotiateContexts::decode says. The salt points into the message.
  static Result<NegotiateRequest> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-SMB2] 2.2.4 "SMB2 NEGOTIATE Response".
struct NegotiateResponse {
  uint16_t security_mode = 0;
  Dialect dialect_revision = Dialect::kNone;
  Guid server_guid;
  uint32_t capabilities = 0;
  uint32_t max_transact_size = 0;
  uint32_t max_read_size = 0;
  uint32_t max_write_size = 0;
  FileTime system_time;
  FileTime server_start_time;
  ByteView security_buffer;                   // SPNEGO token; into the message when decoded
  std::optional<NegotiateContexts> contexts;  // exactly if dialect_revision is kSmb311

  static Result<NegotiateResponse> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

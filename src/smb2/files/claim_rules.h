// Whose a disconnected open is: what a CREATE that comes back for one says, and what is answered.
// [MS-SMB2] 3.3.5.9.7, 3.3.5.9.12 and, for one that is sent again, 3.3.5.9.10 and 3.3.5.9.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "auth/identity.h"
#include "base/ids.h"
#include "base/result.h"
#include "filestate/types.h"
#include "smb2/opens/open_table.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

class FileServices;

// Everything that is compared, so that whichever worker keeps the open can judge before anything is
// done with it: who asks for another's may not keep its owner waiting.
struct ClaimQuestion {
  enum class Why : uint8_t {
    kReconnect,  // DHnC
    kReconnectV2,
    kReplay,  // it is nobody's unless it is this one's
  };
  uint64_t persistent_id = 0;
  Why why{};
  auth::Identity user;  // worker_messages.h says how much of it
  filestate::UserId user_id;
  ClientGuid client;
  CreateGuid create_guid;   // kReconnectV2, kReplay
  bool persistent = false;  // kReconnectV2: flagged so
  std::optional<LeaseKey> lease_key;
  uint8_t lease_version = 0;
  std::string name;  // of the file, as it came
  // kReplay: as the CREATE has them.
  uint32_t desired_access = 0;
  uint32_t share_access = 0;
  uint32_t create_options = 0;

  void encode(wire::Writer& w) const;
  static Result<ClaimQuestion> decode(wire::Reader& r);
};

// STATUS_SUCCESS: the open is the asker's, as far as that does not depend on its tree connect.
// STATUS_OBJECT_NAME_NOT_FOUND, STATUS_INVALID_PARAMETER, STATUS_ACCESS_DENIED,
// STATUS_CONTEXT_MISMATCH.
NtStatus judge_claim(FileServices& files, const ClaimQuestion& asked,
                     const OpenTable::Look::Waiting& open);

}  // namespace braid::smb2

// OffloadToken: the bytes of a file that FSCTL_OFFLOAD_WRITE copies without the client.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/smb2/offload.h"

namespace braid::smb2 {

// What a token of this server says: where the data is and how the file was when the token was
// made. [MS-FSCC] 2.1.11 leaves the form to the maker.
//
// Nothing is kept for a token, so there is none too many and none that outlives its file. It works
// only in the session that got it, on a file that session still has open for reading: a forged one
// gives its forger nothing that a READ would not.
struct OffloadToken {
  static constexpr uint32_t kType = 0x62726169;  // "brai": not among the well-known types

  SessionId session_id;
  FileId file_id;
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // may lead beyond the end of the file, where it stands for zeros
  // The file must still be like this: a token is of the data as it was.
  uint64_t file_size = 0;
  FileTime changed;
  FileTime expires;

  // STATUS_INVALID_TOKEN for what this server did not make.
  static Result<OffloadToken> decode(const wire::StorageOffloadToken& token);
  wire::StorageOffloadToken encode() const;
  bool operator==(const OffloadToken&) const = default;
};

}  // namespace braid::smb2

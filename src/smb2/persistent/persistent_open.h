// PersistentOpen: an open as a record of the handle log has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "filestate/open_image.h"
#include "smb2/opens/open_values.h"

namespace braid::smb2 {

// What a file is like.
struct FileStamp {
  uint64_t size = 0;
  FileTime write_time;
  bool operator==(const FileStamp&) const = default;
};

// All of an open that its client may rely on: [MS-SMB2] 3.3.1.10 "Per Open", with IsPersistent.
// Plain values; docs/records.md draws the bytes.
//
// What `state` and the rest both have (client, user, access, path) is written once and is the same
// in both. Names are below the share, so that the volume may be mounted elsewhere, and of file_key
// the device is not kept: it is another one after a restart.
struct PersistentOpen : OpenValues {
  OpenChanges changes;
  std::string stream;     // its name; empty: none
  std::string moving_to;  // where it is, if a rename that was under way was done; empty: none was
  uint16_t channel_sequence = 0;  // Open.ChannelSequence
  // As long as nobody has changed its data by way of the server since: then who finds it otherwise
  // after a restart knows that a local program has.
  std::optional<FileStamp> stamp;
  filestate::OpenImage state;  // its path is null, and that of its deleters empty
};

inline constexpr uint16_t kOpenRecordVersion = 3;
inline constexpr uint16_t kLeaseRecordVersion = 1;
// A LOCK that an open would have more with is refused: each writes the record anew.
inline constexpr size_t kPersistentLocksMax = 4096;

// Of an open, by FileId.Persistent.
Bytes open_record_key(uint64_t persistent_id);
// The other way; nothing if it is no such key.
std::optional<uint64_t> persistent_id_in(ByteView key);
inline constexpr size_t kLeaseRecordKeySize = 1 + 16 + 16 + 8 + 8 + 8;
// Of a lease, which all opens with it share. REQUIRES: open.state.lease.
Bytes lease_record_key(const PersistentOpen& open);
enum class RecordKind : uint8_t { kOpen = 'o', kLease = 'l' };
// Nothing: it is no key of these.
std::optional<RecordKind> kind_of_record(ByteView key);

// Without the state of its lease, which lease_record_of() has.
Bytes open_record_of(const PersistentOpen& open);
// Of both what a client was promised. What it does without is where it was in a file or folder, and
// whether its CREATE may be replayed. No record: for comparing.
Bytes promises_of(const PersistentOpen& open);
Bytes lease_record_of(const filestate::LeaseImage& lease);
// kUnsupported: of a newer version; kMalformed, kTruncated: no record. Of the lease only the key is
// known, and `state` has it with no caching.
Result<PersistentOpen> read_open_record(ByteView value);
// Everything but the key, which the record's key has.
Result<filestate::LeaseImage> read_lease_record(ByteView value);

}  // namespace braid::smb2

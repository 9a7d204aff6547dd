// OpenImage: one open of a file as it can outlive the process that has it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "filestate/caching.h"
#include "filestate/deleter.h"
#include "filestate/lock_sequences.h"
#include "filestate/types.h"

namespace braid::filestate {

// That something is to be deleted, and with whose rights.
struct PendingDeletion {
  bool is_pending = false;
  bool by_posix = false;  // DeleteSemantics::kPosix
  Deleters deleters{};
};

// A lease of the open's file, as all opens with it have it.
struct LeaseImage {
  LeaseKey key;
  Caching state = Caching::kNone;
  uint8_t version = 1;
  uint16_t epoch = 0;
  std::optional<LeaseKey> parent_key{};
};

// All that filestate knows of an open that its client may rely on. Of what is under way nothing: a
// break that was not answered takes nothing from the open, and what waited is over.
struct OpenImage {
  uint64_t persistent_id = 0;  // FileId.Persistent
  ClientGuid client;
  UserId user{};
  uint32_t access = 0;
  uint32_t share = 0;
  bool is_directory = false;
  Durability durability = Durability::kNone;
  OplockLevel oplock = OplockLevel::kNone;  // kLease: `lease` says which
  std::optional<LeaseImage> lease{};

  SharedPath path{};  // the name by which it was opened; null when that is gone
  bool is_sole_name = true;
  PendingDeletion of_name{};
  PendingDeletion of_stream{};  // of a named stream
  bool delete_on_close = false;
  bool deletes_by_posix = false;
  Deleter deleter{};  // with whose rights, with delete_on_close

  std::vector<LockRange> locks{};  // held, in the order they were taken
  LockSequences::Numbers lock_sequences{};
};

// REQUIRES: image.lease.
inline LeaseId lease_of(const OpenImage& image) {
  return {.client = image.client, .key = image.lease->key, .user = image.user};
}

}  // namespace braid::filestate

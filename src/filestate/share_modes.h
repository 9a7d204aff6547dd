// The share modes of one file's opens, summed up so that a check does not look at each open.
#pragma once

#include <cstdint>

#include "filestate/types.h"

namespace braid::filestate {

// [MS-FSA] 2.1.5.1.2.2 "Algorithm to Check Sharing Access to an Existing Stream or Directory".
// An open with none of the five data rights neither conflicts nor denies.
// Thread: its FileState's.
class ShareModes {
 public:
  static constexpr uint32_t kReads = kFileReadData | kFileExecute;
  static constexpr uint32_t kWrites = kFileWriteData | kFileAppendData;
  static constexpr uint32_t kCounted = kReads | kWrites | kDelete;

  void add(uint32_t access, uint32_t share) { count(access, share, 1); }
  void remove(uint32_t access, uint32_t share) { count(access, share, ~uint32_t{0}); }

  // Would an open with these collide with one that is counted?
  bool conflicts(uint32_t access, uint32_t share) const {
    if ((access & kCounted) == 0) return false;
    return denies(access) || (!(share & kShareRead) && readers_) ||
           (!(share & kShareWrite) && writers_) || (!(share & kShareDelete) && deleters_);
  }
  // The part of conflicts() that is about the right to delete what is counted here.
  bool collides_with_deleter(uint32_t access, uint32_t share) const {
    return (access & kCounted) != 0 && !(share & kShareDelete) && deleters_ != 0;
  }
  // Has a counted open refused to share this access?
  bool denies(uint32_t access) const {
    return ((access & kReads) && deny_read_) || ((access & kWrites) && deny_write_) ||
           ((access & kDelete) && deny_delete_);
  }
  // Does a counted open have any of these rights?
  bool is_open_with(uint32_t access) const {
    return ((access & kReads) && readers_) || ((access & kWrites) && writers_) ||
           ((access & kDelete) && deleters_);
  }

 private:
  void count(uint32_t access, uint32_t share, uint32_t by) {
    if ((access & kCounted) == 0) return;
    if (access & kReads) readers_ += by;
    if (access & kWrites) writers_ += by;
    if (access & kDelete) deleters_ += by;
    if (!(share & kShareRead)) deny_read_ += by;
    if (!(share & kShareWrite)) deny_write_ += by;
    if (!(share & kShareDelete)) deny_delete_ += by;
  }

  uint32_t readers_ = 0;
  uint32_t writers_ = 0;
  uint32_t deleters_ = 0;
  uint32_t deny_read_ = 0;
  uint32_t deny_write_ = 0;
  uint32_t deny_delete_ = 0;
};

}  // namespace braid::filestate

// Faults that a test plants in the rules of files, to see that the simulator finds them.
#pragma once

#include <cstdint>

namespace braid::filestate {

enum class Defect : uint8_t {
  kNone,
  kBreaksOwnLease,  // a lease key is not exempt from its own breaks
  kForgetsWaiters,  // an acknowledgement releases nobody
  kGrantsWriteBesideOthers,
  kKeepsReadOnWrite,  // a write leaves others' read caching alone
  kNoFollowUpBreak,   // a demand made during a break is forgotten at its acknowledgement
  kEpochStandsStill,
  kSharedLockStopsNoWrite,
  kDeleteOnCloseIgnored,
  kOvertakenLockIsTaken,  // a LOCK from a lost channel counts though its repetition was answered
  kPendingForAllLinks,    // the other names of a file go with one that is deleted
  kPendingNameIsOpened,   // a name that is to be deleted can be opened
  kRenameIsForgotten,     // a name is deleted, and found, where it was before
};

#ifdef BRAID_PLANTED_DEFECTS
// The one that the rules of this program have: filestate_planted_test compiles them a second time.
inline Defect planted_defect = Defect::kNone;
inline bool is_planted(Defect defect) { return defect == planted_defect; }
#else
// Of the server nothing, and none of it leaves a trace in the code.
constexpr bool is_planted(Defect) { return false; }
#endif

}  // namespace braid::filestate

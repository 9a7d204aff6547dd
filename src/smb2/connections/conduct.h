// Conduct: what the gates, the waits and the end of a connection go by, of a command or an FSCTL.
#pragma once

#include <cstdint>

namespace braid::smb2 {

// What the Open that a request names may be.
enum class Target : uint8_t { kNone, kFileOnly, kFileOrPipe };

// What it may change, and so what becomes of a request that comes late or twice, where nothing may
// be changed, and when nobody is left to hear the answer. From least to most.
enum class Changes : uint8_t {
  kNothing,     // stops once its connection is lost
  kClient,      // a logon, a tree, a watch, the end of an open: done whoever hears of it
  kRepeatable,  // something of its own (CreateGuid, LockSequence) tells it from its repetition
  kOpen,  // the open or its pipe: [MS-SMB2] 3.3.5.2.10 fails what comes too late, or too early
  kFile,  // the same, and refused on a share that is read-only
};

// Whether it waits for what a client decides, with an interim response.
enum class Waits : uint8_t {
  kNever,
  kBounded,        // for a break, which ends within its time-out
  kForEverOnPipe,  // the same on a file; on a pipe as kForEver
  kForEver,  // as long as others like: the last of its compound only, and given up with the channel
};

// A row that leaves one out does not compile.
struct Conduct {
  constexpr Conduct(Target its_target, Changes its_changes, Waits its_waits)
      : target(its_target), changes(its_changes), waits(its_waits) {}

  Target target;
  Changes changes;
  Waits waits;
};

}  // namespace braid::smb2

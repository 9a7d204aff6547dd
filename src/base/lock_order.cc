#include "base/lock_order.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace braid {
namespace {

constexpr std::array kNames{
    "kPipe",           "kPlaces",    "kSleepers",  "kHandles", "kFiles",        "kRecord",
    "kLeaseKeys",      "kArena",     "kWatches",   "kCreates", "kLocalChanges", "kMetadata",
    "kSharedMetadata", "kNamePiece", "kNameIndex", "kLast",    "kLog",          "kBuffers"};
// In builds that do not check the order, too: else the one who adds a rank does not hear of it.
static_assert(kNames.size() == static_cast<size_t>(LockRank::kBuffers) + 1);

}  // namespace

#ifdef BRAID_CHECK_LOCK_ORDER

namespace {

// In the order in which they were taken, which is that of the ranks.
struct Held {
  std::array<LockRank, kNames.size()> ranks;
  size_t count;
};
constinit thread_local Held ranks_held{};

const char* name_of(LockRank rank) { return kNames[static_cast<size_t>(rank)]; }

}  // namespace

void take_rank(LockRank rank) {
  if (ranks_held.count > 0 && ranks_held.ranks[ranks_held.count - 1] >= rank) {
    std::fprintf(stderr, "lock order: %s is taken while %s is held\n", name_of(rank),
                 name_of(ranks_held.ranks[ranks_held.count - 1]));
    std::abort();
  }
  ranks_held.ranks[ranks_held.count++] = rank;
}

void drop_rank(LockRank rank) {
  for (size_t i = ranks_held.count; i > 0; --i) {
    if (ranks_held.ranks[i - 1] != rank) continue;
    for (; i < ranks_held.count; ++i) ranks_held.ranks[i - 1] = ranks_held.ranks[i];
    ranks_held.count--;
    return;
  }
  std::fprintf(stderr, "lock order: %s is let go of by a thread that does not hold it\n",
               name_of(rank));
  std::abort();
}

#endif

}  // namespace braid

#include "base/lock_order.h"

#ifdef BRAID_CHECK_LOCK_ORDER

#include <array>
#include <cstdio>
#include <cstdlib>

namespace braid {
namespace {

constexpr std::array kNames{
    "kPipe",      "kFiles",        "kRecord",   "kLeaseKeys",      "kArena",
    "kWatches",   "kLocalChanges", "kMetadata", "kSharedMetadata", "kNamePiece",
    "kNameIndex", "kLast",         "kLog",      "kBuffers"};
static_assert(kNames.size() == static_cast<size_t>(LockRank::kBuffers) + 1);

// In the order in which they were taken, which is that of the ranks.
struct Held {
  std::array<LockRank, kNames.size()> ranks;
  size_t count;
};
constinit thread_local Held held{};

const char* name_of(LockRank rank) { return kNames[static_cast<size_t>(rank)]; }

}  // namespace

void take_rank(LockRank rank) {
  if (held.count > 0 && held.ranks[held.count - 1] >= rank) {
    std::fprintf(stderr, "lock order: %s is taken while %s is held\n", name_of(rank),
                 name_of(held.ranks[held.count - 1]));
    std::abort();
  }
  held.ranks[held.count++] = rank;
}

void drop_rank(LockRank rank) {
  for (size_t i = held.count; i > 0; --i) {
    if (held.ranks[i - 1] != rank) continue;
    for (; i < held.count; ++i) held.ranks[i - 1] = held.ranks[i];
    held.count--;
    return;
  }
  std::fprintf(stderr, "lock order: %s is let go of by a thread that does not hold it\n",
               name_of(rank));
  std::abort();
}

}  // namespace braid

#endif

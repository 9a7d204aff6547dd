#include "filestate/indexed_set.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>

namespace braid::filestate {
namespace {

struct KeyedItem {
  uint64_t number = 0;
  size_t slot = ~size_t{0};
  uint64_t key() const { return number; }
};

// With an index and without, and from the one to the other.
TEST(IndexedSet, FindsWhatAMapFinds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    IndexedSet<KeyedItem, uint64_t> set;
    std::map<uint64_t, KeyedItem*> plain;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t key = random() % 40;
      const auto found = plain.find(key);
      ASSERT_EQ(set.find(key), found == plain.end() ? nullptr : found->second);
      const bool grows = (i / 100) % 2 == 0;
      if (found == plain.end() && (grows || random() % 4 == 0)) {
        auto made = std::make_unique<KeyedItem>();
        made->number = key;
        KeyedItem& added = set.insert(std::move(made));
        plain.emplace(key, &added);
        ASSERT_EQ(&set.back(), &added);
      } else if (found != plain.end() && !grows) {
        ASSERT_EQ(set.take(*found->second)->number, key);
        plain.erase(found);
      }
      ASSERT_EQ(set.size(), plain.size());
      ASSERT_EQ(set.empty(), plain.empty());
      size_t at = 0;
      for (const auto& each : set) {
        ASSERT_EQ(each->slot, at++);
        ASSERT_EQ(plain.at(each->number), each.get());
      }
    }
  }
}

}  // namespace
}  // namespace braid::filestate

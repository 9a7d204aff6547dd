#include "wire/upcase.h"

#include <array>

#include "wire/upcase_runs.h"

namespace braid::wire {
namespace {

constexpr std::array<char16_t, 0x10000> make_table() {
  std::array<char16_t, 0x10000> table{};
  for (uint32_t unit = 0; unit < table.size(); ++unit) table[unit] = static_cast<char16_t>(unit);
  for (const UpcaseRun& run : kUpcaseRuns) {
    for (uint32_t unit = run.first; unit <= run.last; unit += run.step) {
      table[unit] = static_cast<char16_t>(unit + run.up);
    }
  }
  return table;
}

// The 128 KiB that NTFS has, of which few are looked at.
constexpr std::array<char16_t, 0x10000> kTable = make_table();

}  // namespace

char16_t upcase(char16_t unit) { return kTable[unit]; }

}  // namespace braid::wire

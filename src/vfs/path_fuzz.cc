// Any text as a path: whatever is accepted names something below the root, and names survive the
// way to the disk and back.
#include <cstdlib>

#include "vfs/names.h"
#include "vfs/path.h"
#include "wire/fold.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(std::string_view text, braid::vfs::NameRules rules) {
  const auto parsed = braid::vfs::parse_path(text, rules);
  if (!parsed) return;
  for (const std::string_view name : parsed->path.components()) {
    require(!name.empty() && name != "." && name != "..");
    require(name.find('\0') == name.npos && name.find('/') == name.npos);
    const std::string disk = braid::vfs::to_disk(name);
    require(!disk.empty() && disk != "." && disk != "..");
    require(disk.find('\0') == disk.npos && disk.find('/') == disk.npos);
    // What a client is shown of a name on disk is always text it can send back.
    require(braid::vfs::is_plain(braid::vfs::to_client(disk)));
    require(braid::vfs::is_plain(braid::vfs::to_client(name)));
    require(braid::wire::equal_fold(name, braid::wire::fold(name)));
    require(braid::vfs::fold_hash(name) == braid::vfs::fold_hash(braid::wire::fold(name)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, braid::vfs::NameRules::kWindows);
  check(text, braid::vfs::NameRules::kPosix);
  check(text, braid::vfs::NameRules::kExact);
  return 0;
}

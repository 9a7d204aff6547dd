// Any text as a path: whatever is accepted names something below the root, and names survive the
// way to the disk and back.
#include <cstdlib>

#include "vfs/names.h"
#include "vfs/path.h"
#include "wire/fold.h"
#include "wire/utf16.h"

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
    require(braid::wire::equal_fold(name, braid::wire::fold(name)));
    require(braid::vfs::fold_hash(name) == braid::vfs::fold_hash(braid::wire::fold(name)));
  }
}

// A name on disk: what a client is shown of it is what it can send back, and is this name.
void check_disk(std::string_view disk) {
  if (disk.empty() || disk.size() > 255 || disk == "." || disk == ".." ||
      disk.find_first_of(std::string_view("\0/", 2)) != disk.npos) {
    return;
  }
  const std::string shown = braid::vfs::to_client(disk);
  require(braid::vfs::to_disk(shown) == disk);
  require(braid::vfs::to_disk(braid::vfs::to_posix_client(disk)) == disk);
  require(braid::vfs::is_plain(disk) == (shown == disk));
  // As it comes back from a client, which has it in UTF-16.
  const auto sent = braid::wire::utf16le_from_utf8(shown);
  require(sent && braid::wire::utf8_from_utf16le(*sent) == shown);
  const auto windows = braid::vfs::parse_path(shown);
  require(windows && windows->path.text() == shown && !windows->has_stream);
  const auto exact =
      braid::vfs::parse_path(braid::vfs::to_posix_client(disk), braid::vfs::NameRules::kExact);
  require(exact && exact->path.text() == shown);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, braid::vfs::NameRules::kWindows);
  check(text, braid::vfs::NameRules::kPosix);
  check(text, braid::vfs::NameRules::kExact);
  check_disk(text);
  return 0;
}

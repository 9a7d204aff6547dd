#include "vfs/compared_name.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "vfs/names.h"

namespace braid::vfs {
namespace {

// Normalization form D of Unicode; as it is where it is not UTF-8.
std::string decomposed(const std::string& name) {
  utf8proc_uint8_t* text = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                   static_cast<utf8proc_ssize_t>(name.size()), &text,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE));
  if (size < 0) return name;
  std::string out(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  ::free(text);
  return out;
}

}  // namespace

std::string compared_name(std::string_view client_name) {
  const auto is_ascii = [](char c) { return static_cast<uint8_t>(c) < 0x80; };
  if (std::ranges::all_of(client_name, is_ascii)) return fold(client_name);
  return composed(fold(decomposed(fold(composed(client_name)))));
}

}  // namespace braid::vfs

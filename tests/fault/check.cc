#include "check.h"

#include <algorithm>

#include "record.h"

namespace braid::fault {

namespace {

std::string on_wire(std::string name) {
  std::ranges::replace(name, '/', '\\');
  return name;
}

void check_records(Context& context, const std::string& name, const Expected& expected,
                   ByteView content) {
  const auto file = static_cast<uint32_t>(std::stoul(name.substr(name.find('-') + 1)));
  for (uint32_t slot = 0; slot < expected.generations.size(); ++slot) {
    const uint64_t generation = expected.generations[slot];
    if (generation == 0) continue;
    const Bytes record = make_record({.file = file, .slot = slot, .generation = generation},
                                     context.seed, expected.record_size);
    if (!std::ranges::equal(content.subspan(slot * expected.record_size, expected.record_size),
                            record)) {
      context.fail("{} slot {}: not generation {}", name, slot, generation);
    }
  }
}

}  // namespace

Task<void> check_all(Context& context, client::TreePtr tree) {
  for (const auto& [name, expected] : context.expected) {
    const auto content = co_await tree->read_file(on_wire(name));
    if (!context.went_well("check", name, content)) continue;
    if (content->size() != expected.size) {
      context.fail("{}: {} bytes, not {}", name, content->size(), expected.size);
    } else if (expected.record_size != 0) {
      check_records(context, name, expected, *content);
    } else if (crc32(*content) != expected.crc32) {
      context.fail("{}: another content", name);
    }
  }
}

bool write_expectations(const Context& context, const std::string& path) {
  std::FILE* const out = std::fopen(path.c_str(), "w");
  if (out == nullptr) return false;
  const char* separator = "";
  fmt::print(out, "{{\n");
  for (const auto& [name, expected] : context.expected) {
    fmt::print(out,
               R"({}"{}": {{"size": {}, "crc32": {}, "record_size": {}, "generations": [{}]}})",
               separator, name, expected.size, expected.crc32, expected.record_size,
               fmt::join(expected.generations, ", "));
    separator = ",\n";
  }
  fmt::print(out, "\n}}\n");
  return std::fclose(out) == 0;
}

}  // namespace braid::fault

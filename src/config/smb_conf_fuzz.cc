// An smb.conf, and what it becomes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "config/config.h"
#include "config/from_samba.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace braid::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto none = [](const std::string&) -> std::expected<std::string, std::string> {
    return std::unexpected("not here");
  };
  const FromSamba made = from_samba(parse_smb_conf(text, "smb.conf", none));
  if (made.shares != 0 && !parse(made.text, "braid.toml")) std::abort();
  return 0;
}

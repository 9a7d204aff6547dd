// What decodes must encode to something that decodes to the same value.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "wire/dtyp/guid.h"
#include "wire/dtyp/security_descriptor.h"

using namespace braid;
using namespace braid::wire;

static void require(bool condition) {
  if (!condition) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(data, size);
  if (const auto sd = SecurityDescriptor::decode(bytes)) {
    bool fits = true;
    for (const auto& acl : {sd->sacl, sd->dacl}) fits = fits && (!acl || acl->check());
    if (fits) {
      const Bytes encoded = sd->encode().value();
      require(encoded.size() == sd->encoded_size());
      require(SecurityDescriptor::decode(encoded) == *sd);
    }
  }
  Reader r(bytes);
  if (const auto sid = Sid::decode(r)) require(Sid::parse(sid->to_string()) == *sid);

  const std::string_view text = as_text(bytes);
  if (const auto sid = Sid::parse(text)) require(Sid::parse(sid->to_string()) == *sid);
  if (const auto guid = parse_guid(text)) require(parse_guid(to_string(*guid)) == *guid);
  return 0;
}

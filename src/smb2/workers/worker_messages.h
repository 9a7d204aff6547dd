// Parts of what workers tell each other. All of them are the same program, and trusted.
#pragma once

#include <string>
#include <string_view>

#include "auth/identity.h"
#include "base/bytes.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {

// A whole one.
template <class Message>
Bytes bytes_of(const Message& message) {
  Bytes bytes;
  wire::Writer w(bytes);
  message.encode(w);
  return bytes;
}

void encode_text(std::string_view text, wire::Writer& w);
std::string decode_text(wire::Reader& r);

// What Identity::is_same_user() looks at, and no more.
void encode_user(const auth::Identity& user, wire::Writer& w);
auth::Identity decode_user(wire::Reader& r);

}  // namespace braid::smb2

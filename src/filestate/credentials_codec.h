// Credentials as bytes, for what workers tell each other.
#pragma once

#include <memory>

#include "base/credentials.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::filestate {

inline void encode_credentials(const Credentials& who, wire::Writer& w) {
  w.u8(who != nullptr);
  if (!who) return;
  w.u32(who->uid);
  w.u32(who->gid);
  w.u32(static_cast<uint32_t>(who->groups.size()));
  for (const gid_t group : who->groups) w.u32(group);
}

inline Credentials decode_credentials(wire::Reader& r) {
  if (r.u8() == 0) return nullptr;
  auto who = std::make_shared<UnixCredentials>();
  who->uid = r.u32();
  who->gid = r.u32();
  const uint32_t count = r.u32();
  r.expect(count <= r.remaining() / sizeof(uint32_t));
  for (uint32_t i = 0; i < count && r.ok(); ++i) who->groups.push_back(r.u32());
  return who;
}

}  // namespace braid::filestate

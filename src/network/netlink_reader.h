// The two shapes that every message of netlink(7) and rtnetlink(7) is made of.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <bit>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "base/bytes.h"
#include "wire/reader.h"

namespace braid::network {

// The kernel writes in the order of the machine, the Reader reads little-endian.
static_assert(std::endian::native == std::endian::little);

// struct nlmsghdr and what follows it.
struct NetlinkMessage {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  ByteView body;
};

// The next message of a datagram; false at its end. A length that does not fit is an error of `r`.
inline bool next_message(wire::Reader& r, NetlinkMessage& message) {
  if (!r.ok() || r.remaining() == 0) return false;
  const uint32_t length = r.u32();
  message.type = r.u16();
  message.flags = r.u16();
  message.sequence = r.u32();
  r.skip(4);  // the sender's port
  r.expect(length >= NLMSG_HDRLEN);
  if (!r.ok()) return false;
  message.body = r.bytes(length - NLMSG_HDRLEN);
  r.align(NLMSG_ALIGNTO);
  return r.ok();
}

// struct rtattr.
struct NetlinkAttribute {
  uint16_t type = 0;
  ByteView value;

  uint32_t as_u32() const { return wire::Reader(value).u32(); }  // 0 when there are fewer bytes
};

// The next attribute; false at the end.
inline bool next_attribute(wire::Reader& r, NetlinkAttribute& attribute) {
  if (!r.ok() || r.remaining() == 0) return false;
  const uint16_t length = r.u16();
  attribute.type = static_cast<uint16_t>(r.u16() & NLA_TYPE_MASK);
  r.expect(length >= sizeof(rtattr));
  if (!r.ok()) return false;
  attribute.value = r.bytes(length - sizeof(rtattr));
  r.align(RTA_ALIGNTO);
  return r.ok();
}

// The errno that an NLMSG_ERROR carries; 0 is an acknowledgement. EPROTO for what is not an errno.
inline int error_of(const NetlinkMessage& message) {
  const uint32_t error = 0u - wire::Reader(message.body).u32();
  return error <= INT_MAX ? static_cast<int>(error) : EPROTO;
}

}  // namespace braid::network

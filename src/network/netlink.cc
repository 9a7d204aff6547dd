#include "network/netlink.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "network/netlink_reader.h"
#include "wire/writer.h"

namespace braid::network {
namespace {

// The kernel fills dumps in pieces of up to 32 KiB and never a larger datagram for these types.
constexpr size_t kDatagramMax = 64 * 1024;
// An interrupted dump means that somebody is changing addresses that moment.
constexpr int kDumpTries = 5;

}  // namespace

Result<Netlink> Netlink::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fail_last_os();
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_last_os();
  }
  return Netlink(std::move(fd));
}

Result<void> Netlink::ask(uint16_t type, uint16_t flags, ByteView body) {
  Bytes message;
  wire::Writer w(message);
  w.u32(static_cast<uint32_t>(NLMSG_HDRLEN + body.size()));
  w.u16(type);
  w.u16(static_cast<uint16_t>(NLM_F_REQUEST | flags));
  w.u32(++sequence_);
  w.u32(0);
  w.bytes(body);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent = ::sendto(fd_.get(), message.data(), message.size(), 0,
                                reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent < 0) return fail_last_os();
  return {};
}

Result<ByteView> Netlink::receive() {
  buffer_.resize(kDatagramMax);
  for (;;) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const ssize_t count = ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), 0,
                                     reinterpret_cast<sockaddr*>(&sender), &size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return ByteView{};
    if (count < 0) return fail_last_os();
    if (sender.nl_pid != 0) continue;  // not the kernel
    return ByteView(buffer_).first(static_cast<size_t>(count));
  }
}

Result<NetlinkOutcome> Netlink::dump(uint16_t type, NetworkState& state) {
  // struct ifinfomsg, which begins like struct ifaddrmsg: every family.
  const Bytes everything(sizeof(ifinfomsg));
  BRAID_CHECK(ask(type, NLM_F_DUMP, everything));
  bool interrupted = false;
  for (;;) {
    BRAID_TRY(const ByteView datagram, receive());
    if (datagram.empty()) return fail_os(EAGAIN);  // the kernel answers while it is asked
    BRAID_TRY(NetlinkOutcome outcome, apply_netlink(datagram, sequence_, state));
    interrupted = interrupted || outcome.interrupted;
    if (outcome.error != 0) return fail_os(outcome.error);
    if (!outcome.done) continue;
    outcome.interrupted = interrupted;
    return outcome;
  }
}

Result<void> Netlink::refresh(NetworkState& state) {
  while (complete_ && !missed_) {
    const auto datagram = receive();
    if (datagram && datagram->empty()) return {};
    // ENOBUFS: more changed than the socket could keep.
    if (!datagram || !apply_netlink(*datagram, sequence_, state)) complete_ = false;
  }
  complete_ = false;
  for (int tries = 0; tries < kDumpTries; ++tries) {
    // What is left of a dump that failed; changes are in the next one.
    for (auto rest = receive(); !rest || !rest->empty(); rest = receive()) {
      if (!rest && !rest.error().is_os(ENOBUFS)) return fail(rest.error());
    }
    NetworkState fresh;
    auto links = dump(RTM_GETLINK, fresh);
    if (!links) {
      if (links.error().is_os(ENOBUFS)) continue;
      return fail(links.error());
    }
    auto addresses = dump(RTM_GETADDR, fresh);
    if (!addresses) {
      if (addresses.error().is_os(ENOBUFS)) continue;
      return fail(addresses.error());
    }
    if (links->interrupted || addresses->interrupted) continue;
    state = std::move(fresh);
    complete_ = true;
    missed_ = false;
    return {};
  }
  return fail_os(EAGAIN);
}

Result<Route> Netlink::route(const IpAddress& from, const IpAddress& to, uint32_t link) {
  Bytes body;
  wire::Writer w(body);
  const auto bits = static_cast<uint8_t>(to.bytes().size() * 8);
  w.u8(static_cast<uint8_t>(to.family()));  // struct rtmsg
  w.u8(bits);
  w.u8(bits);
  w.zeros(sizeof(rtmsg) - 3);
  const auto attribute = [&](uint16_t type, ByteView value) {
    w.u16(static_cast<uint16_t>(sizeof(rtattr) + value.size()));
    w.u16(type);
    w.bytes(value);
  };
  attribute(RTA_DST, to.bytes());
  attribute(RTA_SRC, from.bytes());
  if (link != 0) {
    w.u16(sizeof(rtattr) + sizeof link);
    w.u16(RTA_OIF);
    w.u32(link);
  }
  BRAID_CHECK(ask(RTM_GETROUTE, 0, body));
  for (;;) {
    const auto datagram = receive();
    if (!datagram && datagram.error().is_os(ENOBUFS)) {
      missed_ = true;
      continue;
    }
    if (!datagram) return fail(datagram.error());
    if (datagram->empty()) return fail_os(EAGAIN);
    wire::Reader r(*datagram);
    NetlinkMessage message;
    while (next_message(r, message)) {
      if (message.sequence != sequence_) {
        missed_ = true;  // refresh() has not seen it
      } else if (message.type == RTM_NEWROUTE) {
        wire::Reader route(message.body);
        route.skip(7);
        switch (route.u8()) {
          case RTN_UNICAST:
            return Route::kOther;
          case RTN_LOCAL:
            return Route::kLocal;
          default:
            return Route::kNone;
        }
      } else if (message.type == NLMSG_ERROR) {
        return Route::kNone;
      }
    }
    if (!r.ok()) return fail(r.error());
  }
}

}  // namespace braid::network

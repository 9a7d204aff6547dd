// Netlink: the kernel's word on links, addresses and routes.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "network/network_state.h"

namespace braid::network {

// What the kernel would do with a packet to somewhere.
enum class Route : uint8_t {
  kNone,   // it could not send it
  kOther,  // to another machine
  kLocal,  // the address is one of this machine's
};

// A socket of rtnetlink(7) that hears of every change. Needs no privilege. Thread: one at a time.
class Netlink {
 public:
  static Result<Netlink> open();

  // Takes in what changed since the last call, without waiting; the first call, and one after
  // more changes than the socket holds, asks for everything. On an error the state is that of
  // before, or empty.
  Result<void> refresh(NetworkState& state);
  // Readable when refresh() has something to take in.
  int fd() const { return fd_.get(); }
  // Whether `from`, an address of this machine, can answer `to`. `link` is where `to` is when it
  // is link-local, 0 otherwise.
  Result<Route> route(const IpAddress& from, const IpAddress& to, uint32_t link = 0);

 private:
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<void> ask(uint16_t type, uint16_t flags, ByteView body);
  // One datagram of the kernel; empty when nothing is there.
  Result<ByteView> receive();
  Result<NetlinkOutcome> dump(uint16_t type, NetworkState& state);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
  bool complete_ = false;  // the caller's state was right after the last refresh()
  // Of changes that came in while a route was asked for.
  bool missed_ = false;
  Bytes buffer_;
};

}  // namespace braid::network

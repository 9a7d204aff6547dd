// PendingList: connections whose first message has not arrived, within their limits.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "apps/braidd/first_frame.h"
#include "apps/braidd/limits.h"
#include "apps/braidd/service.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fair_shares.h"
#include "base/peer_address.h"
#include "base/unique_fd.h"

namespace braid::braidd {

// Owned by the Front. Thread: the Front's.
class PendingList {
 public:
  explicit PendingList(const FrontLimits& limits) : limits_(limits), shares_(limits.pending_max) {}

  // The key of the new entry. Nothing when its address has enough of them already. When it has its
  // share of a list that fills, or all is taken, its own that has been silent longest makes room,
  // or else anybody's.
  std::optional<uint64_t> add(UniqueFd socket, const PeerAddress& address, Clock::Instant now,
                              Service service = Service::kSmb);

  enum class Progress { kWaiting, kComplete, kDropped };
  // Reads what is there, never a byte past the first message. On kDropped the entry is gone: the
  // client closed, broke the framing or announced too much.
  Progress read(uint64_t key);

  // `frame`: an SMB message without its transport header, a PDU of RPC with all of it.
  struct Complete {
    UniqueFd socket;
    Buffer frame;
    Service service;
  };
  // REQUIRES: read(key) said kComplete.
  Complete take(uint64_t key);

  // What this list has, for that of another front: each connection with what was read of it. The
  // list is to be used no more.
  struct Read {
    UniqueFd socket;
    Bytes got;  // from its first byte on
    Service service;
  };
  std::vector<Read> take_all();
  // The other side: `got` was read of it. False: it is dropped, as by read(). REQUIRES: add() has
  // just made it.
  bool resume(uint64_t key, ByteView got);

  // Drops those that have taken too long; how many.
  size_t expire(Clock::Instant now);
  // Drops the one that has been silent longest, if there is one.
  void drop_oldest();
  void clear();
  // When the next one expires.
  std::optional<Clock::Instant> next_deadline() const;

  size_t size() const { return entries_.size(); }
  int fd(uint64_t key) const;

 private:
  struct Entry {
    uint64_t key;
    UniqueFd socket;
    PeerAddress address;
    Clock::Instant deadline;
    Service service = Service::kSmb;
    std::array<uint8_t, kPduHeaderBytes> header{};  // as much of it as the service has
    size_t header_got = 0;
    Buffer frame;
    size_t frame_got = 0;
  };
  using Entries = std::list<Entry>;

  Progress fill(Entry& entry);
  // Makes the frame from the header. False: it is none.
  bool begin_frame(Entry& entry) const;
  void erase(Entries::iterator entry);

  const FrontLimits limits_;
  Entries entries_;  // oldest first, which is also by deadline
  std::unordered_map<uint64_t, Entries::iterator> by_key_;
  FairShares<PeerAddress> shares_;
  uint64_t next_key_ = 0;
};

}  // namespace braid::braidd

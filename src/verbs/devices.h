// Devices: the network cards with RDMA of this machine, and memory that they reach.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "base/result.h"

namespace braid::verbs {

// Blocks for Buffers, in memory that one card may read and write for this side, and nobody for the
// other. Up to kKeptMax of large ones are kept for the next Buffer, as of BufferMemory; small ones
// are cut from slabs that stay. Lives as long as its Device and each Buffer. Thread: any.
class RegisteredMemory final : public BufferOwner,
                               public std::enable_shared_from_this<RegisteredMemory> {
 public:
  static constexpr size_t kBlockMin = 2048;  // a packet
  static constexpr size_t kSlab = size_t{1} << 20;
  static constexpr size_t kKeptMax = size_t{64} << 20;

  RegisteredMemory(std::string device, std::shared_ptr<ibv_pd> domain)
      : device_(std::move(device)), domain_(std::move(domain)) {}
  ~RegisteredMemory();

  // In memory that the card does not reach, and said in the log, when none can be registered.
  Buffer take(size_t size);
  // Memory of somebody else's, as if it were of this, while what is returned is there. Asked for
  // again, the same is the same.
  Result<std::shared_ptr<void>> reach(MutableByteView memory);
  // What the card is to be told about memory of this; none for any other.
  std::optional<uint32_t> key_of(ByteView memory) const;
  void take_back(uint8_t* data, size_t size) noexcept override;

 private:
  struct Slab {
    size_t size;
    ibv_mr* region;
  };
  struct Lent;  // somebody else's memory
  struct LentPlace {
    size_t size;
    ibv_mr* region;
    std::weak_ptr<Lent> lent;
  };
  struct State {
    std::map<const uint8_t*, Slab> slabs;                    // by their first byte
    std::unordered_map<size_t, std::vector<uint8_t*>> free;  // by the size of a block
    size_t kept = 0;                           // bytes of free blocks that are slabs of their own
    size_t taken = 0;                          // blocks
    std::map<const uint8_t*, LentPlace> lent;  // to this, by their first byte
    std::shared_ptr<RegisteredMemory> self;    // while any is
  };
  // The block for a Buffer: a quarter of it at most is unused.
  static size_t block_of(size_t size);
  static void release(uint8_t* begin, const Slab& slab) noexcept;
  Result<void> add_slab(size_t block);

  const std::string device_;
  const std::shared_ptr<ibv_pd> domain_;
  Guarded<State> state_;
};

// One card. Lives as long as its connections. Thread: any.
struct Device {
  std::string name;
  std::shared_ptr<ibv_pd> domain;
  std::shared_ptr<RegisteredMemory> memory;
  // What one connection may have at most: [MS-SMBD] 3.1.1.1 has more receives than most need.
  size_t receives_max = 0;
  size_t requests_max = 0;
  uint8_t reads_max = 0;         // RDMA reads under way, of this side
  uint8_t reads_served_max = 0;  // of the peer's
};

// One port of a card, for an administrator.
struct Port {
  std::string device;
  unsigned number = 1;
  bool is_active = false;
  std::string state;      // "active", "down"
  bool is_iwarp = false;  // which is not served
};

// Those of the process; outlives all that uses them. Thread: any.
class Devices {
 public:
  // Whether there is any: ENODEV, of which `why` tells an administrator more.
  static Result<void> check(std::string& why);
  // Those of all cards. Fails as check() does, or as one of them does that cannot be opened.
  static Result<std::vector<Port>> ports();
  // What librdmacm has opened. Fails for iWARP, ENOTSUP, and as the card does.
  Result<std::shared_ptr<Device>> device_of(ibv_context* context);
  // What is done when the kernel wants to be rid of a card: it may wait for what this process has
  // of it, which is let go of only as the process ends. Before there are listeners; runs on the
  // reactor of what used the card.
  void on_removal(std::function<void()> callback) { on_removal_ = std::move(callback); }
  void removed() const {
    if (on_removal_) on_removal_();
  }

 private:
  std::function<void()> on_removal_;
  Guarded<std::map<ibv_context*, std::shared_ptr<Device>>> devices_;
};

}  // namespace braid::verbs

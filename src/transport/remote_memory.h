// RemoteMemory: what a network card can read and write in the memory of the peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/task.h"
#include "wire/smbdirect/messages.h"

namespace braid::transport {

// Memory of the peer's, one piece behind the other, as it described them in a READ or WRITE.
using BufferDescriptors = std::vector<wire::smbdirect::BufferDescriptorV1>;

// Part of a Transport, Transport::remote_memory(). Several transfers may be under way. Each fails
//   kInvalidParameter         the descriptors have not so many bytes, or leave the 64-bit
//   addresses;
//                             nothing was transferred
//   kInsufficientResources    there was no memory that the card reaches for so long; nothing was
//                             transferred
//   kConnectionDisconnected   the transport is closed, or the card has refused: a key that the peer
//                             did not give, or not for this. Then the transport ends, too
// and when it has returned, the peer's memory is left alone: what is sent then, for instance the
// answer, arrives after the data. Thread: the reactor's of the transport.
class RemoteMemory {
 public:
  // The first `size` bytes of what `from` describes. [MS-SMBD] 3.1.4.6 "RDMA Read from Peer
  // Buffer".
  virtual Task<Result<Buffer>> pull(BufferDescriptors from, size_t size) = 0;
  // To the first bytes of what `to` describes. [MS-SMBD] 3.1.4.5 "RDMA Write to Peer Buffer".
  virtual Task<Result<void>> push(Buffer data, BufferDescriptors to) = 0;
  // What one request may transfer. [MS-SMBD] 3.1.1.1: Connection.MaxReadWriteSize.
  virtual uint32_t max_transfer_size() const = 0;
  // Memory that the card reaches, or other if there is none now: what stands in it, push() does not
  // copy. Thread: any.
  virtual Buffer memory(size_t size) = 0;
  // Whether it does. Thread: any.
  virtual bool reaches(ByteView memory) const = 0;

  // The other way round, for a client: the peer's card reaches `memory` of this side, in the one
  // way, until take_back() or until the peer invalidates the key. [MS-SMBD] 3.1.4.3 "Register
  // Buffer" and 3.1.4.4 "Deregister Buffer". Fails where the card lends nothing, or nothing now.
  enum class Reach : uint8_t { kToRead, kToWrite };
  virtual Result<wire::smbdirect::BufferDescriptorV1> lend(MutableByteView memory, Reach reach) = 0;
  // Nothing reaches it from then on. A key that was invalidated may be taken back as well.
  virtual void take_back(uint32_t token) = 0;

 protected:
  ~RemoteMemory() = default;
};

// The pieces of the peer's memory that `size` bytes from `offset` within it are; none of them
// empty. Fails as RemoteMemory.
Result<BufferDescriptors> part_of(const BufferDescriptors& whole, uint64_t offset, uint64_t size);

}  // namespace braid::transport

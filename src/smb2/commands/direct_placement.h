// READ and WRITE whose data the network card moves, out of and into the client's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "transport/remote_memory.h"
#include "wire/smb2/read.h"

namespace braid::smb2 {

class Request;

// Memory of the client's, of the size that was asked for; or none: the data travels in the message.
struct ClientMemory {
  transport::RemoteMemory* card = nullptr;  // of the request's connection, and as long there
  transport::BufferDescriptors place;

  bool is_given() const { return card != nullptr; }
};

// What READ and WRITE give with `channel` for the `size` bytes of their data; before 3.0 nothing,
// as the field is reserved there. [MS-SMB2] 3.3.5.12 "Receiving an SMB2 READ Request" and 3.3.5.13
// "Receiving an SMB2 WRITE Request": STATUS_INVALID_PARAMETER for a channel that the dialect or the
// connection does not have, for no bytes, and for descriptors that have fewer, or leave the 64-bit
// addresses. STATUS_ACCESS_DENIED where the data would travel without the protection that the
// session or the message has.
Result<ClientMemory> client_memory(const Request& request, wire::Channel channel,
                                   ByteView channel_info, uint64_t size);

// What a request with a channel needs and does besides, known before its handler runs. Nothing for
// any other.
struct PlacementNeeds {
  // Of memory, beside the answer's: data that comes from the client, and the descriptors decoded.
  size_t memory = 0;
  // SMB2_CHANNEL_RDMA_V1_INVALIDATE: the key that goes with the final answer, whatever that says,
  // as a client that counts on it would use the key again.
  std::optional<uint32_t> invalidate;
};
PlacementNeeds placement_needs(const Request& request);

}  // namespace braid::smb2

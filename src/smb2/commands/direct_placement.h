// READ and WRITE whose data the network card moves, out of and into the client's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "transport/remote_memory.h"
#include "wire/smb2/rdma_transform.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {

// Memory of the client's, of the size that was asked for; or none: the data travels in the message.
struct ClientMemory {
  transport::RemoteMemory* card = nullptr;  // of the request's connection, and as long there
  transport::BufferDescriptors place;
  // How the data is protected in there, if it is; of a WRITE with what came for that, in its
  // message.
  std::optional<wire::RdmaCryptoTransform> protection;

  bool is_given() const { return card != nullptr; }
};

// What READ and WRITE give with their channel for all of their data; before 3.0 nothing, as the
// field is reserved there. [MS-SMB2] 3.3.5.12 "Receiving an SMB2 READ Request" and 3.3.5.13
// "Receiving an SMB2 WRITE Request": STATUS_INVALID_PARAMETER for a channel that the dialect or the
// connection does not have, for no bytes, for descriptors that have fewer, or leave the 64-bit
// addresses, and for a transform that was not agreed on, or that the message is not worth.
// STATUS_ACCESS_DENIED where the data would travel without the protection that the session or the
// message has. STATUS_AUTH_TAG_MISMATCH and STATUS_INVALID_SIGNATURE for sizes that nothing fits.
Result<ClientMemory> client_memory(const Request& request, const wire::ReadRequest& read);
Result<ClientMemory> client_memory(const Request& request, const wire::WriteRequest& write);

// Where `size` bytes for the client are to stand before place(): what is not protected in memory
// that its card reaches, and nothing else.
Buffer room_for(const ClientMemory& memory, size_t size);
// The answer to a READ, when the data is in the client's memory, which is left alone from then on.
// Continues on the reactor. REQUIRES: memory.is_given().
Task<Result<Reply>> place(Request& request, ClientMemory memory, Buffer data);
// The `size` bytes of a WRITE. What was protected, and that of pipes, in memory of this process's
// own; all else in the card's, where the process with the cards may write again.
// STATUS_AUTH_TAG_MISMATCH and STATUS_INVALID_SIGNATURE: they are not what the client has
// protected. Continues on the reactor. REQUIRES: on the reactor, memory.is_given().
Task<Result<Buffer>> fetch(Request& request, ClientMemory memory, size_t size);

// What a request with a channel needs and does besides, known before its handler runs. Nothing for
// any other.
struct PlacementNeeds {
  // Of memory, beside the answer's: data that comes from the client, the descriptors decoded, and
  // what is protected a second time.
  size_t memory = 0;
  // SMB2_CHANNEL_RDMA_V1_INVALIDATE: the key that goes with the final answer, whatever that says,
  // as a client that counts on it would use the key again.
  std::optional<uint32_t> invalidate;
};
PlacementNeeds placement_needs(const Request& request);

}  // namespace braid::smb2

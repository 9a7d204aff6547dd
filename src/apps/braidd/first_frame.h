// The first message of a connection, as far as the front looks into it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace braid::braidd {

// [MS-SMB2] 2.1 "Transport": Direct TCP puts a zero byte and a 24-bit big-endian length before each
// message.
inline constexpr size_t kTransportHeaderBytes = 4;

// The length of the message that follows. Malformed: the first byte is not zero, so this is not
// Direct TCP; or the length is 0 or over `bytes_max`.
Result<uint32_t> decode_transport_header(ByteView header, size_t bytes_max);

// [C706] 12.6.3.1 "Common Header Fields", of a PDU of RPC.
inline constexpr size_t kPduHeaderBytes = 16;

// The length of a whole PDU, of which this is the header. Unsupported: it is no bind, which every
// conversation begins with. Malformed: the length is less than the header's or over `bytes_max`.
// Which version it is of, the worker judges and answers.
Result<uint32_t> decode_bind_header(ByteView header, size_t bytes_max);

// What decides where the connection goes.
struct FirstFrame {
  // Absent in an SMB1 NEGOTIATE, in an SMB2 body too short to hold it, and when all zero, as
  // dialect 2.0.2 has it: such a connection can never join another, so any worker will do.
  std::optional<ClientGuid> client_guid;
};

// The index of the worker that every connection of a client goes to. A function of ClientGuid
// alone: the connections of a new client meet however they race, and nobody keeps a table of
// clients.
size_t worker_of(const ClientGuid& client, size_t workers);

// Unsupported: neither an SMB2 NEGOTIATE nor an SMB_COM_NEGOTIATE by its header; such a connection
// has nothing to say to a worker. The body is left for the worker to judge and to answer.
Result<FirstFrame> decode_first_frame(ByteView message);

}  // namespace braid::braidd

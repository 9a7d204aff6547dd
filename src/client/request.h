// Request: an SMB2 request before it has a place in the stream.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "wire/smb2/header.h"
#include "wire/writer.h"

namespace braid::client {

// How one request is protected.
enum class Protect : uint8_t {
  kDefault,  // as the session and the tree connect say
  kNothing,
  kSign,
  kEncrypt,
};

// A value; consumed by sending it. What is left at its default is filled in when it is sent:
// message id, credit charge and credits from the connection, session and tree id from where it is
// sent. Tests that want wrong values set the optional fields.
struct Request {
  wire::Header header;
  // 64 bytes for the header, then the body: offsets in the body count from the header.
  Bytes message = Bytes(wire::Header::kSize);
  Buffer payload;  // follows the message without a copy: data of WRITE
  Protect protect = Protect::kDefault;

  std::optional<MessageId> message_id;
  std::optional<uint16_t> credit_charge;
  std::optional<uint16_t> credits;
  std::optional<SessionId> session_id;
  std::optional<TreeId> tree_id;
  // Bytes the request or its response carries, of which the credit charge follows. [MS-SMB2]
  // 3.2.4.1.5 "Sending Multi-Credit Requests".
  uint64_t payload_size = 0;
  // Whether it may be sent again when its channel is lost and nobody knows how far it got.
  bool may_be_replayed = true;

  // What it would be before it was sent: sending consumes a request, encryption its payload.
  Request copy() const;
};

inline Request Request::copy() const {
  return {.header = header,
          .message = message,
          .payload = Buffer::copy_of(payload.view()),
          .protect = protect,
          .message_id = message_id,
          .credit_charge = credit_charge,
          .credits = credits,
          .session_id = session_id,
          .tree_id = tree_id,
          .payload_size = payload_size,
          .may_be_replayed = may_be_replayed};
}

// A request with `body` encoded.
template <class Body>
Request make_request(wire::Command command, const Body& body, uint64_t payload_size = 0) {
  Request request;
  request.header.command = command;
  request.payload_size = payload_size;
  wire::Writer writer(request.message, 0);
  body.encode(writer);
  return request;
}

}  // namespace braid::client

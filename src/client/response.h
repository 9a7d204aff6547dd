// Response: one received SMB2 response.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/smb2/error_response.h"
#include "wire/smb2/header.h"

namespace braid::client {

// A value; views decoded from it live as long as one copy does.
struct Response {
  wire::Header header;
  ByteView message;  // from its header to its end, decrypted
  std::shared_ptr<const Buffer> owner;
  // Data of a READ that came past the message.
  ByteView placed;
  std::shared_ptr<const Buffer> placed_owner;
  bool was_encrypted = false;
  bool was_verified = false;  // its own signature was checked
  // An earlier try of the request was lost with its channel and may have been carried out.
  bool was_replayed = false;

  NtStatus status() const { return header.status; }
  // Decodes the body, whatever the status.
  template <class Body>
  Result<Body> body() const {
    wire::Reader reader(message, wire::Header::kSize);
    return Body::decode(reader);
  }
  Result<wire::ErrorResponse> error() const { return body<wire::ErrorResponse>(); }
};

// True for statuses whose responses carry the command's own body: success, STATUS_BUFFER_OVERFLOW,
// STATUS_MORE_PROCESSING_REQUIRED and STATUS_NOTIFY_ENUM_DIR. [MS-SMB2] 3.3.4.4 "Sending an Error
// Response".
bool has_body(NtStatus status);

// A decoded body with the message its views point into.
template <class Body>
struct Reply {
  Response response;
  Body body;

  NtStatus status() const { return response.status(); }
  const Body* operator->() const { return &body; }
};

// The body, or the status as an error if the response has none.
template <class Body>
Result<Reply<Body>> reply_of(const Result<Response>& response) {
  if (!response) return fail(response.error());
  if (!has_body(response->status())) return fail(response->status());
  BRAID_TRY(Body body, response->template body<Body>());
  return Reply<Body>{*response, std::move(body)};
}

// The status as an error, unless it is success.
inline Result<void> success_of(const Result<Response>& response) {
  if (!response) return fail(response.error());
  if (response->status() != NtStatus::kSuccess) return fail(response->status());
  return {};
}

}  // namespace braid::client

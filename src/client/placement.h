// Placement: the data of one READ or WRITE, which a network card moves past the messages.
#pragma once

#include <memory>
#include <optional>

#include "client/connection.h"
#include "wire/smb2/rdma_transform.h"

namespace braid::client {

// [MS-SMB2] 3.2.4.6 "Application Requests Reading from a File or Named Pipe" and 3.2.4.7
// "Application Requests Writing to a File or Named Pipe". While it lives the server's card reaches
// the data: it goes when the response is there, or when none can come any more.
// Thread: the connection's.
class Placement {
 public:
  using Keys = std::shared_ptr<const ChannelKeys>;

  // Changes `request` so that its data goes that way, encrypted or signed for itself where that was
  // agreed on and the request is. Null, and nothing changed, for any other request, where the
  // transport has no card, and where the data has to be protected and cannot be.
  static std::unique_ptr<Placement> make(Connection& connection, Request& request,
                                         const Keys& keys);
  ~Placement() { take_back(); }
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  bool is_protected() const { return protection_.has_value(); }
  // With what the card has placed. Malformed: the server says that it is more than was asked for,
  // or speaks of protection other than the request's. STATUS_AUTH_TAG_MISMATCH or
  // STATUS_INVALID_SIGNATURE: it is not what the server has protected.
  Result<Response> finish(Result<Response> response);

 private:
  Placement(std::shared_ptr<Connection> connection, Buffer data, uint32_t token,
            std::optional<wire::RdmaTransformType> protection, Keys keys)
      : connection_(std::move(connection)),
        data_(std::make_shared<Buffer>(std::move(data))),
        token_(token),
        protection_(protection),
        keys_(std::move(keys)) {}

  void take_back();
  // [MS-SMB2] 3.2.5.11 "Receiving an SMB2 READ Response".
  Result<void> unprotect(const Response& response, const wire::ReadResponse& read);

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<Buffer> data_;
  std::optional<uint32_t> token_;  // none: the server's card reaches it no more
  const std::optional<wire::RdmaTransformType> protection_;
  const Keys keys_;
};

}  // namespace braid::client

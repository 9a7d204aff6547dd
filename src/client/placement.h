// Placement: the data of one READ or WRITE, which a network card moves past the messages.
#pragma once

#include <memory>

#include "client/connection.h"

namespace braid::client {

// [MS-SMB2] 3.2.4.6 "Application Requests Reading from a File or Named Pipe" and 3.2.4.7
// "Application Requests Writing to a File or Named Pipe". While it lives the server's card reaches
// the data: it goes when the response is there, or when none can come any more.
// Thread: the connection's.
class Placement {
 public:
  // Changes `request` so that its data goes that way. Null, and nothing changed, for any other
  // request, where the transport has no card, and where the data has to be protected.
  static std::unique_ptr<Placement> make(Connection& connection, Request& request);
  ~Placement();
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  // With what the card has placed. Malformed: the server says that it is more than was asked for.
  Result<Response> finish(Result<Response> response);

 private:
  Placement(std::shared_ptr<Connection> connection, Buffer data, uint32_t token)
      : connection_(std::move(connection)),
        data_(std::make_shared<Buffer>(std::move(data))),
        token_(token) {}

  const std::shared_ptr<Connection> connection_;
  const std::shared_ptr<Buffer> data_;
  const uint32_t token_;
};

}  // namespace braid::client

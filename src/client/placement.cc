#include "client/placement.h"

#include <array>

#include "client/request.h"
#include "transport/remote_memory.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::client {

namespace {

using transport::RemoteMemory;

// [MS-SMB2] 2.2.21 "SMB2 WRITE Request": where its fields are, of a request whose data follows.
constexpr size_t kOffsetAt = wire::Header::kSize + 8;
constexpr size_t kFlagsAt = wire::Header::kSize + 44;

wire::WriteRequest head_of(ByteView message) {
  wire::WriteRequest write;
  wire::Reader reader(message, kOffsetAt);
  write.offset = reader.u64();
  write.file_id = reader.file_id();
  reader.seek(kFlagsAt);
  write.flags = reader.u32();
  return write;
}

template <class Body>
Bytes message_of(const Body& body) {
  Bytes message(wire::Header::kSize);
  wire::Writer writer(message, 0);
  body.encode(writer);
  return message;
}

}  // namespace

std::unique_ptr<Placement> Placement::make(Connection& connection, Request& request) {
  const bool is_read = request.header.command == wire::Command::kRead;
  if (!is_read && request.header.command != wire::Command::kWrite) return nullptr;
  RemoteMemory* const card = connection.transport().remote_memory();
  const uint32_t least = connection.options().placed_from;
  if (!card || least == 0 || connection.dialect() < wire::Dialect::kSmb300) return nullptr;
  if (request.protect == Protect::kEncrypt ||
      (connection.server_security_mode() & wire::SecurityMode::kSigningRequired) != 0) {
    return nullptr;
  }
  wire::ReadRequest read;
  if (is_read) {
    wire::Reader reader(request.message, wire::Header::kSize);
    const auto decoded = wire::ReadRequest::decode(reader);
    if (!decoded || decoded->channel != wire::Channel::kNone) return nullptr;
    read = *decoded;
  }
  const size_t size = is_read ? read.length : request.payload.size();
  if (size < least || size > card->max_transfer_size()) return nullptr;

  // A heap block stays where it is when its Buffer moves.
  Buffer data = is_read ? Buffer(size) : std::move(request.payload);
  const auto lent = card->lend(
      data.view(), is_read ? RemoteMemory::Reach::kToWrite : RemoteMemory::Reach::kToRead);
  if (!lent) {
    if (!is_read) request.payload = std::move(data);
    return nullptr;
  }
  const wire::Channel channel = connection.dialect() >= wire::Dialect::kSmb302
                                    ? wire::Channel::kRdmaV1Invalidate
                                    : wire::Channel::kRdmaV1;
  const Bytes info = wire::smbdirect::encode_channel_info(std::array{*lent});
  if (is_read) {
    read.channel = channel;
    read.read_channel_info = info;
    request.message = message_of(read);
  } else {
    wire::WriteRequest write = head_of(request.message);
    write.channel = channel;
    write.remaining_bytes = static_cast<uint32_t>(size);
    write.write_channel_info = info;
    request.message = message_of(write);
    request.payload = Buffer();
  }
  return std::unique_ptr<Placement>(
      new Placement(connection.shared_from_this(), std::move(data), lent->token));
}

Placement::~Placement() { connection_->transport().remote_memory()->take_back(token_); }

Result<Response> Placement::finish(Result<Response> response) {
  if (!response || response->header.command != wire::Command::kRead ||
      !has_body(response->status())) {
    return response;
  }
  BRAID_TRY(const auto read, response->body<wire::ReadResponse>());
  if (read.data_remaining > data_->size()) return fail(Error::malformed());
  response->placed = std::as_const(*data_).view().first(read.data_remaining);
  response->placed_owner = data_;
  return response;
}

}  // namespace braid::client

#include "smb2/commands/direct_placement.h"

#include <algorithm>

#include "base/log.h"
#include "smb2/commands/rdma_transform.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "wire/smbdirect/messages.h"

namespace braid::smb2 {
namespace {

using Via = wire::Channel;
using wire::RdmaTransformType;

// Of descriptors, wherever they stand.
bool has_channel(const Negotiated& negotiated, Via channel) {
  switch (channel) {
    case Via::kRdmaV1:
      return true;
    case Via::kRdmaV1Invalidate:
      return negotiated.dialect >= wire::Dialect::kSmb302;
    case Via::kNone:
    case Via::kRdmaTransform:
      break;
  }
  return false;
}

template <class Body>
std::optional<Body> body_of(const Request& request) {
  wire::Reader reader = request.body();
  const auto body = Body::decode(reader);
  return body ? std::optional(*body) : std::nullopt;
}

Result<wire::RdmaTransform> transform_of(const wire::WriteRequest& write) {
  wire::Reader reader(write.write_channel_info);
  return wire::RdmaTransform::decode(reader);
}

bool has_to_be_protected(const Request& request) {
  const SessionSecurity* security = request.session->security();
  return request.is_encrypted || (security && security->signing_required);
}

// What a READ's data is protected with: as its request is, where both sides can do that.
std::optional<RdmaTransformType> protection_of_read(const Request& request) {
  const wire::RdmaTransforms& agreed = request.connection->negotiated.rdma_transforms;
  if (request.is_encrypted) {
    return agreed.encryption ? std::optional(RdmaTransformType::kEncryption) : std::nullopt;
  }
  const bool is_signed = request.header.is_signed() && agreed.signing;
  return is_signed ? std::optional(RdmaTransformType::kSigning) : std::nullopt;
}

// [MS-SMB2] 3.3.5.13 "Receiving an SMB2 WRITE Request": whether it may be used, for this message.
Result<void> check_transform(const Request& request, const wire::RdmaTransform& transform) {
  const wire::RdmaTransforms& agreed = request.connection->negotiated.rdma_transforms;
  const wire::RdmaCryptoTransform& crypto = transform.crypto_transform;
  if (crypto.transform_type == RdmaTransformType::kEncryption) {
    const bool fits = agreed.encryption && request.is_encrypted;
    return fits ? Result<void>() : fail(NtStatus::kInvalidParameter);
  }
  if (!agreed.signing || !request.header.is_signed()) return fail(NtStatus::kInvalidParameter);
  // Then everybody on the way may read what the message keeps from them.
  if (request.is_encrypted) return fail(NtStatus::kAccessDenied);
  return {};
}

Result<ClientMemory> described(const Request& request, Via channel, ByteView descriptors,
                               uint64_t size) {
  const Connection& connection = *request.connection;
  transport::RemoteMemory* card = connection.transport().remote_memory();
  if (!card || !has_channel(connection.negotiated, channel)) {
    return fail(NtStatus::kInvalidParameter);
  }
  if (size == 0 || size > card->max_transfer_size()) return fail(NtStatus::kInvalidParameter);
  BRAID_TRY(const auto list, wire::smbdirect::decode_channel_info(descriptors));
  if (list.front().length == 0) return fail(NtStatus::kInvalidParameter);
  BRAID_TRY(auto place, transport::part_of(list, 0, size));
  return ClientMemory{.card = card, .place = std::move(place), .protection = {}};
}

void count(Connection& connection, uint64_t size, bool is_copied) {
  ConnectionCounters::add(connection.counters.bytes_placed, size);
  if (is_copied) ConnectionCounters::add(connection.counters.bytes_copied, size);
}

bool has_none(const Request& request, Via channel) {
  return !request.connection->negotiated.is_smb3() || channel == Via::kNone;
}

}  // namespace

Result<ClientMemory> client_memory(const Request& request, const wire::ReadRequest& read) {
  if (has_none(request, read.channel)) return ClientMemory{};
  BRAID_TRY(ClientMemory memory,
            described(request, read.channel, read.read_channel_info, read.length));
  const auto type = protection_of_read(request);
  if (type) {
    memory.protection.emplace().transform_type = *type;
  } else if (has_to_be_protected(request)) {
    return fail(NtStatus::kAccessDenied);
  }
  return memory;
}

Result<ClientMemory> client_memory(const Request& request, const wire::WriteRequest& write) {
  if (has_none(request, write.channel)) return ClientMemory{};
  if (write.channel != Via::kRdmaTransform) {
    BRAID_TRY(ClientMemory memory,
              described(request, write.channel, write.write_channel_info, write.remaining_bytes));
    if (has_to_be_protected(request)) return fail(NtStatus::kAccessDenied);
    return memory;
  }
  if (!request.connection->negotiated.rdma_transforms.any()) {
    return fail(NtStatus::kInvalidParameter);
  }
  BRAID_TRY(const auto transform, transform_of(write));
  BRAID_TRY(ClientMemory memory, described(request, transform.channel, transform.rdma_descriptors,
                                           write.remaining_bytes));
  BRAID_CHECK(check_transform(request, transform));
  BRAID_CHECK(check_sizes(request, transform.crypto_transform));
  memory.protection = transform.crypto_transform;
  return memory;
}

Buffer room_for(const ClientMemory& memory, size_t size) {
  // What is signed must not change before it is, and what is encrypted must not be seen before: the
  // card's memory is another process's as well.
  const bool goes_from_there = memory.is_given() && !memory.protection;
  return goes_from_there ? memory.card->memory(size) : Buffer(size);
}

Task<Result<Reply>> place(Request& request, ClientMemory memory, Buffer data) {
  wire::ReadResponse response{.data_remaining = static_cast<uint32_t>(data.size())};
  Bytes transform;
  if (memory.protection) {
    transform = protect_placed(request, memory.protection->transform_type, data.view());
    response.flags = wire::ReadResponseFlags::kRdmaTransform;
    response.data = transform;
    // Here, and not by push() on the reactor.
    Buffer to_card = memory.card->memory(data.size());
    std::ranges::copy(std::as_const(data).view(), to_card.data());
    data = std::move(to_card);
  }
  const bool is_copied = memory.protection || !memory.card->reaches(data.view());
  co_await request.connection->reactor().schedule();
  count(*request.connection, response.data_remaining, is_copied);
  BRAID_CO_CHECK(co_await memory.card->push(std::move(data), std::move(memory.place)));
  co_return reply_with(response);
}

Task<Result<Buffer>> fetch(Request& request, ClientMemory memory, size_t size) {
  BRAID_CO_TRY(Buffer pulled, co_await memory.card->pull(std::move(memory.place), size));
  const bool stays = !memory.protection && !request.open->is_pipe();
  count(*request.connection, size, !stays);
  if (stays) co_return std::move(pulled);
  // What is looked at, and not only stored, is looked at where nobody writes meanwhile.
  if (size > kProtectedInlineMax) {
    request.may_take_long();
    BRAID_CO_CHECK(co_await request.seat.turn());
  }
  Buffer own = Buffer::copy_of(std::as_const(pulled).view());
  pulled = {};
  Result<void> is_the_clients;
  if (memory.protection) {
    is_the_clients = unprotect_placed(request, *memory.protection, own.view());
  }
  co_await request.connection->reactor().schedule();
  if (!is_the_clients) {
    log::info("{}: data of a WRITE over RDMA is not what the client has protected: {}",
              request.connection->peer_host(), is_the_clients.error().message());
    co_return fail(is_the_clients.error());
  }
  co_return std::move(own);
}

PlacementNeeds placement_needs(const Request& request) {
  const Connection& connection = *request.connection;
  if (!connection.transport().remote_memory()) return {};
  Via channel = Via::kNone;
  ByteView info;
  ByteView descriptors;
  size_t transferred = 0;
  if (request.header.command == wire::Command::kRead) {
    if (const auto read = body_of<wire::ReadRequest>(request)) {
      channel = read->channel;
      info = descriptors = read->read_channel_info;
      if (protection_of_read(request)) transferred = std::min(read->length, kMaxTransferSize);
    }
  } else if (request.header.command == wire::Command::kWrite) {
    if (const auto write = body_of<wire::WriteRequest>(request)) {
      channel = write->channel;
      info = descriptors = write->write_channel_info;
      transferred = std::min(write->remaining_bytes, kMaxTransferSize);
      if (channel == Via::kRdmaTransform && connection.negotiated.rdma_transforms.any()) {
        const auto transform = transform_of(*write);
        channel = transform ? transform->channel : Via::kNone;
        if (transform) descriptors = transform->rdma_descriptors;
        transferred *= 2;
      }
    }
  }
  if (!connection.negotiated.is_smb3() || !has_channel(connection.negotiated, channel)) return {};
  PlacementNeeds needs{.memory = transferred + 2 * info.size()};
  if (channel == Via::kRdmaV1Invalidate) {
    const auto list = wire::smbdirect::decode_channel_info(descriptors);
    if (list) needs.invalidate = list->front().token;
  }
  return needs;
}

}  // namespace braid::smb2

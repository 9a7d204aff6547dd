#include "smb2/commands/direct_placement.h"

#include <algorithm>

#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/connections/request.h"
#include "wire/smb2/write.h"
#include "wire/smbdirect/messages.h"

namespace braid::smb2 {
namespace {

bool has_channel(const Negotiated& negotiated, wire::Channel channel) {
  switch (channel) {
    case wire::Channel::kRdmaV1:
      return true;
    case wire::Channel::kRdmaV1Invalidate:
      return negotiated.dialect >= wire::Dialect::kSmb302;
    case wire::Channel::kNone:
    case wire::Channel::kRdmaTransform:  // not agreed on: NEGOTIATE does not answer its context
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

}  // namespace

Result<ClientMemory> client_memory(const Request& request, wire::Channel channel,
                                   ByteView channel_info, uint64_t size) {
  const Connection& connection = *request.connection;
  if (!connection.negotiated.is_smb3() || channel == wire::Channel::kNone) return ClientMemory{};
  transport::RemoteMemory* card = connection.transport().remote_memory();
  if (!card || !has_channel(connection.negotiated, channel)) {
    return fail(NtStatus::kInvalidParameter);
  }
  if (size == 0 || size > card->max_transfer_size()) return fail(NtStatus::kInvalidParameter);
  // [MS-SMB2] 3.2.4.6 and 3.2.4.7 keep clients from it where the session demands protection.
  const SessionSecurity* security = request.session->security();
  if (request.is_encrypted || (security && security->signing_required)) {
    return fail(NtStatus::kAccessDenied);
  }
  BRAID_TRY(const auto descriptors, wire::smbdirect::decode_channel_info(channel_info));
  if (descriptors.front().length == 0) return fail(NtStatus::kInvalidParameter);
  BRAID_TRY(auto place, transport::part_of(descriptors, 0, size));
  return ClientMemory{.card = card, .place = std::move(place)};
}

PlacementNeeds placement_needs(const Request& request) {
  const Connection& connection = *request.connection;
  if (!connection.transport().remote_memory()) return {};
  wire::Channel channel = wire::Channel::kNone;
  ByteView info;
  size_t pulled = 0;
  if (request.header.command == wire::Command::kRead) {
    if (const auto read = body_of<wire::ReadRequest>(request)) {
      channel = read->channel;
      info = read->read_channel_info;
    }
  } else if (request.header.command == wire::Command::kWrite) {
    if (const auto write = body_of<wire::WriteRequest>(request)) {
      channel = write->channel;
      info = write->write_channel_info;
      pulled = std::min(write->remaining_bytes, kMaxTransferSize);
    }
  }
  if (!connection.negotiated.is_smb3() || !has_channel(connection.negotiated, channel)) return {};
  PlacementNeeds needs{.memory = pulled + 2 * info.size()};
  if (channel == wire::Channel::kRdmaV1Invalidate) {
    const auto descriptors = wire::smbdirect::decode_channel_info(info);
    if (descriptors) needs.invalidate = descriptors->front().token;
  }
  return needs;
}

}  // namespace braid::smb2

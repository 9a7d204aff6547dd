// [MS-SMB2] 3.3.5.15.11 "Handling a Query Network Interface Request".
#include "wire/smb2/network_interface_info.h"

#include <algorithm>

#include "base/log.h"
#include "network/interfaces.h"
#include "smb2/commands/ioctl/ioctl.h"
#include "smb2/connections/connection.h"
#include "smb2/server.h"

namespace braid::smb2 {
namespace {

wire::NetworkInterfaceInfo record_of(const network::Offer& offer, bool has_rdma) {
  wire::NetworkInterfaceInfo info;
  info.if_index = offer.address.link;
  info.capability = offer.rss ? wire::NetworkInterfaceInfo::kRssCapable : 0;
  if (has_rdma) info.capability |= wire::NetworkInterfaceInfo::kRdmaCapable;
  info.link_speed = offer.speed;
  const IpAddress& address = offer.address.address;
  info.family =
      address.is_v4() ? wire::AddressFamily::kInterNetwork : wire::AddressFamily::kInterNetworkV6;
  std::ranges::copy(address.bytes(), info.address.begin());
  // The scope is a number of this machine, which means nothing on the client's.
  return info;
}

}  // namespace

Task<Result<IoctlAnswer>> ioctl_query_network_interface_info(Request& request,
                                                             const wire::IoctlRequest& ioctl) {
  if (ioctl.file_id != FileId::all_ones()) co_return fail(NtStatus::kInvalidParameter);
  // Whether the client could use them is for it to know: a 2.x client is told, too, as Windows does
  // (the text lets a server say STATUS_NOT_SUPPORTED).
  const transport::Transport& transport = request.connection->transport();
  const auto offers =
      request.server.interfaces().judge({.address = IpAddress::of(transport.peer().data()),
                                         .connected_to = IpAddress::of(transport.local().data())});
  if (!offers) {
    log::warn("cannot read this machine's addresses: {}", offers.error().message());
    co_return fail(offers.error());
  }
  wire::NetworkInterfaceInfoResponse response;
  for (const network::Offer& offer : *offers) {
    if (offer.verdict == network::Verdict::kOffered)
      response.interfaces.push_back(record_of(offer, request.server.rdma.covers(offer)));
  }
  IoctlAnswer answer;
  const size_t room = ioctl.max_output_response / wire::NetworkInterfaceInfo::kSize;
  if (room < response.interfaces.size()) {
    if (room == 0) co_return fail(NtStatus::kBufferTooSmall);
    response.interfaces.resize(room);
    answer.status = NtStatus::kBufferOverflow;
  }
  wire::Writer writer(answer.output);
  response.encode(writer);
  co_return answer;
}

}  // namespace braid::smb2

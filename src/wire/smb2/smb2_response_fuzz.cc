// Any response of any command, as our client library decodes them, and the error body.
#include <cstdlib>

#include "wire/smb2/header.h"
#include "wire/smb2/network_interface_info.h"
#include "wire/smb2/round_trip_testing.h"
#include "wire/smb2/srv_snapshot_array.h"

namespace {

using namespace braid;
using namespace braid::wire;

template <class T>
void check_payload(ByteView payload) {
  const auto once = reencode_payload_as<T>(payload);
  if (once && reencode_payload_as<T>(*once) != once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView message(data, size);
  check_payload<NetworkInterfaceInfoResponse>(message);
  check_payload<SrvSnapshotArray>(message);
  check_payload<SymbolicLinkErrorResponse>(message);
  Reader r(message);
  const auto header = Header::decode(r);
  if (!header) return 0;
  const auto once = reencode_response(header->command, message);
  if (once && reencode_response(header->command, *once) != once) std::abort();
  const auto error = reencode_as<ErrorResponse>(message);
  if (error && reencode_as<ErrorResponse>(*error) != error) std::abort();
  return 0;
}

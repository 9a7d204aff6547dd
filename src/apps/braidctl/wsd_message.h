// Messages of WS-Discovery (April 2005) and of WS-Transfer Get, as far as a computer that is to be
// found needs them: SOAP 1.2 in XML, read by local names, whatever their prefixes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace braid::braidctl {

// A datagram, and the body of a POST.
inline constexpr size_t kWsdMessageMax = 8'192;

struct WsdRequest {
  enum class Kind : uint8_t { kProbe, kResolve, kGet };
  Kind kind{};
  std::string message_id;      // of URI characters only, so it can be told back
  std::string endpoint;        // of kResolve: whom it looks for; of kGet: whom it is for
  bool is_of_our_kind = true;  // of kProbe: it looks for any device, or for computers
};

// Nothing for whatever is no request, or has what no such request needs: a document type,
// references, more than a few levels. Thread: any.
std::optional<WsdRequest> parse_wsd(std::string_view text);

// RFC 9562, 5.8 "UUID Version 8": of 16 bytes of our own making. REQUIRES so many.
std::string uuid_of(ByteView bytes);

// Who is found.
struct WsdIdentity {
  std::string id;    // "urn:uuid:..."
  std::string name;  // as the server calls itself
  std::string workgroup;
  uint64_t instance = 0;  // greater with each start
};

// `address`: what its metadata is at, "http://192.0.2.1:5357/...". `number`: of the message, in
// this instance. `message_id`: "urn:uuid:...", new each time.
struct WsdEnvelope {
  std::string message_id;
  uint64_t number = 0;
};
std::string wsd_hello(const WsdIdentity& who, const std::string& address, const WsdEnvelope& as);
std::string wsd_bye(const WsdIdentity& who, const WsdEnvelope& as);
// To a probe or a request to resolve.
std::string wsd_matches(const WsdIdentity& who, const std::string& address, const WsdEnvelope& as,
                        const WsdRequest& request);
// To kGet: what kind of thing it is.
std::string wsd_metadata(const WsdIdentity& who, const WsdEnvelope& as, const WsdRequest& request);

}  // namespace braid::braidctl

// Messages of Multicast DNS: RFC 6762, in the form of RFC 1035, 4 "MESSAGES".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace braid::braidctl {

// A datagram: RFC 6762, 17 "Multicast DNS Message Size".
inline constexpr size_t kMdnsMessageMax = 9'000;
inline constexpr size_t kDnsLabelMax = 63;  // RFC 1035, 2.3.4 "Size limits"

// The labels of a name, UTF-8 of up to 63 bytes each, without the root. Upper and lower case of
// ASCII are the same.
using DnsName = std::vector<std::string>;
bool is_same_name(const DnsName& a, const DnsName& b);
std::string show_name(const DnsName& name);  // "FILES._smb._tcp.local"

enum class DnsType : uint16_t {
  kA = 1,
  kPtr = 12,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kNsec = 47,
  kAny = 255,  // of questions
};

// Of the class IN, or of any.
struct MdnsQuestion {
  DnsName name;
  DnsType type{};
  bool wants_unicast = false;
};

// Of the class IN.
struct MdnsRecord {
  DnsName name;
  DnsType type{};
  bool flushes = false;  // there are no others of its name and type
  uint32_t ttl_s = 0;    // 0: it is no more
  Bytes data;            // names in it are written out
};

struct MdnsMessage {
  uint16_t id = 0;
  bool is_response = false;
  bool is_truncated = false;  // more of what its sender knows comes in another one
  std::vector<MdnsQuestion> questions;
  std::vector<MdnsRecord> answers, authorities, additionals;
};

// Nothing for what is no message, and for what Multicast DNS passes over: other operations, and
// errors. What is of other classes is left out. Thread: any.
std::optional<MdnsMessage> parse_mdns(ByteView datagram);

// Without compression of names. REQUIRES names of labels of 1 to 63 bytes.
Bytes mdns_datagram(const MdnsMessage& message);
size_t mdns_size(const MdnsRecord& record);

// The data of records.
Bytes name_data(const DnsName& name);                      // PTR
Bytes service_data(uint16_t port, const DnsName& host);    // SRV
Bytes text_data(const std::vector<std::string>& strings);  // TXT, of up to 255 bytes each
// NSEC, RFC 6762, 6.1 "Negative Responses": `name` has these types and no others.
Bytes only_types_data(const DnsName& name, const std::vector<DnsType>& types);

}  // namespace braid::braidctl

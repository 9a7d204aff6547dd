#include "apps/braidctl/wsd_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

namespace braid::braidctl {
namespace {

constexpr std::string_view kDiscovery = "http://schemas.xmlsoap.org/ws/2005/04/discovery";
constexpr std::string_view kTransfer = "http://schemas.xmlsoap.org/ws/2004/09/transfer";
constexpr std::string_view kAnonymous =
    "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
constexpr std::string_view kEverybody = "urn:schemas-xmlsoap-org:ws:2005:04:discovery";
constexpr std::string_view kProfile = "http://schemas.xmlsoap.org/ws/2006/02/devprof";

constexpr size_t kDepthMax = 12;
constexpr size_t kElementsMax = 128;
constexpr size_t kUriMax = 128;
constexpr std::string_view kBlank = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string_view local_name(std::string_view name) {
  const size_t colon = name.rfind(':');
  return colon == name.npos ? name : name.substr(colon + 1);
}

bool is_uri(std::string_view text) {
  return !text.empty() && text.size() <= kUriMax && std::ranges::all_of(text, [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~:/?#@!$()*+,;=%").contains(static_cast<char>(c));
  });
}

// What is told apart of a document, by where it stands.
struct SoapParts {
  std::string_view action, message_id, to, types, scopes, endpoint;
};

// Walks over a document; false as soon as it has what is not taken.
class DocumentWalk {
 public:
  DocumentWalk(std::string_view text, SoapParts& found) : text_(text), found_(found) {}

  bool run() {
    while (!text_.empty()) {
      const size_t tag = text_.find('<');
      if (!take_text(text_.substr(0, tag))) return false;
      if (tag == text_.npos) break;
      text_.remove_prefix(tag + 1);
      if (!take_tag()) return false;
    }
    return names_.empty() && elements_ > 0;
  }

 private:
  bool take_text(std::string_view text) {
    if (text.contains('&')) return false;
    const std::string_view value = trimmed(text);
    if (value.empty()) return true;
    if (names_.empty()) return false;
    const auto stands_at = [&](std::initializer_list<std::string_view> place) {
      return std::ranges::equal(names_, place);
    };
    if (stands_at({"Envelope", "Header", "Action"})) found_.action = value;
    if (stands_at({"Envelope", "Header", "MessageID"})) found_.message_id = value;
    if (stands_at({"Envelope", "Header", "To"})) found_.to = value;
    if (stands_at({"Envelope", "Body", "Probe", "Types"})) found_.types = value;
    if (stands_at({"Envelope", "Body", "Probe", "Scopes"})) found_.scopes = value;
    if (stands_at({"Envelope", "Body", "Resolve", "EndpointReference", "Address"})) {
      found_.endpoint = value;
    }
    return true;
  }

  bool skip_behind(std::string_view end) {
    const size_t at = text_.find(end);
    if (at == text_.npos) return false;
    text_.remove_prefix(at + end.size());
    return true;
  }

  // Behind its '<'.
  bool take_tag() {
    if (text_.starts_with('?')) return names_.empty() && elements_ == 0 && skip_behind("?>");
    if (text_.starts_with("!--")) return skip_behind("-->");
    const size_t end = end_of_tag();
    if (text_.starts_with('!') || end == text_.npos) return false;
    std::string_view tag = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    if (tag.starts_with('/')) {
      if (names_.empty() || local_name(trimmed(tag.substr(1))) != names_.back()) return false;
      names_.pop_back();
      return true;
    }
    const bool is_empty = tag.ends_with('/');
    if (is_empty) tag.remove_suffix(1);
    const std::string_view name = local_name(tag.substr(0, tag.find_first_of(kBlank)));
    if (name.empty() || names_.size() == kDepthMax || ++elements_ > kElementsMax) return false;
    if (names_.empty() && elements_ > 1) return false;
    if (!is_empty) names_.push_back(name);
    return true;
  }

  // A '>' in the value of an attribute is no end.
  size_t end_of_tag() const {
    char quote = 0;
    for (size_t at = 0; at < text_.size(); ++at) {
      const char c = text_[at];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (c == '>') {
        return at;
      } else if (c == '"' || c == '\'') {
        quote = c;
      }
    }
    return text_.npos;
  }

  std::string_view text_;
  SoapParts& found_;
  std::vector<std::string_view> names_;
  size_t elements_ = 0;
};

bool names_our_kind(std::string_view types) {
  while (!types.empty()) {
    const size_t end = std::min(types.find_first_of(kBlank), types.size());
    const std::string_view name = local_name(types.substr(0, end));
    if (name == "Device" || name == "Computer") return true;
    types.remove_prefix(std::min(types.size(), end + 1));
  }
  return false;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

std::string envelope(std::string_view to, const std::string& action, const WsdEnvelope& as,
                     const std::string& more_of_header, const std::string& body) {
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
      "<soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\""
      " xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:wsd=\"{}\""
      " xmlns:wsx=\"http://schemas.xmlsoap.org/ws/2004/09/mex\" xmlns:wsdp=\"{}\""
      " xmlns:pnpx=\"http://schemas.microsoft.com/windows/pnpx/2005/10\""
      " xmlns:pub=\"http://schemas.microsoft.com/windows/pub/2005/07\">"
      "<soap:Header><wsa:To>{}</wsa:To><wsa:Action>{}</wsa:Action>"
      "<wsa:MessageID>{}</wsa:MessageID>{}</soap:Header><soap:Body>{}</soap:Body></soap:Envelope>",
      kDiscovery, kProfile, to, action, as.message_id, more_of_header, body);
}

std::string relates_to(const WsdRequest& request) {
  return fmt::format("<wsa:RelatesTo>{}</wsa:RelatesTo>", escaped(request.message_id));
}

std::string sequence(const WsdIdentity& who, const WsdEnvelope& as) {
  return fmt::format("<wsd:AppSequence InstanceId=\"{}\" MessageNumber=\"{}\"/>", who.instance,
                     as.number);
}

std::string reference(const WsdIdentity& who) {
  return fmt::format("<wsa:EndpointReference><wsa:Address>{}</wsa:Address></wsa:EndpointReference>",
                     who.id);
}

std::string description(const WsdIdentity& who, const std::string& address) {
  return fmt::format(
      "{}<wsd:Types>wsdp:Device pub:Computer</wsd:Types><wsd:XAddrs>{}</wsd:XAddrs>"
      "<wsd:MetadataVersion>1</wsd:MetadataVersion>",
      reference(who), address);
}

std::string section(std::string_view kind, const std::string& content) {
  return fmt::format("<wsx:MetadataSection Dialect=\"{}/{}\">{}</wsx:MetadataSection>", kProfile,
                     kind, content);
}

}  // namespace

std::string uuid_of(ByteView bytes) {
  std::string out;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    uint8_t byte = bytes[i];
    if (i == 6) byte = (byte & 0x0F) | 0x80;
    if (i == 8) byte = (byte & 0x3F) | 0x80;
    fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  }
  return out;
}

std::optional<WsdRequest> parse_wsd(std::string_view text) {
  if (text.size() > kWsdMessageMax) return std::nullopt;
  SoapParts found;
  if (!DocumentWalk(text, found).run() || !is_uri(found.message_id)) return std::nullopt;
  WsdRequest request;
  request.message_id = found.message_id;
  if (found.action == fmt::format("{}/Probe", kDiscovery)) {
    request.kind = WsdRequest::Kind::kProbe;
    // There is nothing of any scope here.
    request.is_of_our_kind =
        found.scopes.empty() && (found.types.empty() || names_our_kind(found.types));
    return request;
  }
  const bool resolves = found.action == fmt::format("{}/Resolve", kDiscovery);
  if (!resolves && found.action != fmt::format("{}/Get", kTransfer)) return std::nullopt;
  request.kind = resolves ? WsdRequest::Kind::kResolve : WsdRequest::Kind::kGet;
  request.endpoint = resolves ? found.endpoint : found.to;
  if (!is_uri(request.endpoint)) return std::nullopt;
  return request;
}

std::string wsd_hello(const WsdIdentity& who, const std::string& address, const WsdEnvelope& as) {
  return envelope(kEverybody, fmt::format("{}/Hello", kDiscovery), as, sequence(who, as),
                  fmt::format("<wsd:Hello>{}</wsd:Hello>", description(who, address)));
}

std::string wsd_bye(const WsdIdentity& who, const WsdEnvelope& as) {
  return envelope(kEverybody, fmt::format("{}/Bye", kDiscovery), as, sequence(who, as),
                  fmt::format("<wsd:Bye>{}</wsd:Bye>", reference(who)));
}

std::string wsd_matches(const WsdIdentity& who, const std::string& address, const WsdEnvelope& as,
                        const WsdRequest& request) {
  const char* const word = request.kind == WsdRequest::Kind::kProbe ? "Probe" : "Resolve";
  return envelope(kAnonymous, fmt::format("{}/{}Matches", kDiscovery, word), as,
                  relates_to(request) + sequence(who, as),
                  fmt::format("<wsd:{0}Matches><wsd:{0}Match>{1}</wsd:{0}Match></wsd:{0}Matches>",
                              word, description(who, address)));
}

std::string wsd_metadata(const WsdIdentity& who, const WsdEnvelope& as, const WsdRequest& request) {
  const std::string name = escaped(who.name);
  const std::string device = section(
      "ThisDevice", fmt::format("<wsdp:ThisDevice><wsdp:FriendlyName>{}</wsdp:FriendlyName>"
                                "<wsdp:FirmwareVersion>1</wsdp:FirmwareVersion>"
                                "<wsdp:SerialNumber>1</wsdp:SerialNumber></wsdp:ThisDevice>",
                                name));
  const std::string model =
      section("ThisModel",
              "<wsdp:ThisModel><wsdp:Manufacturer>braid</wsdp:Manufacturer>"
              "<wsdp:ModelName>braid</wsdp:ModelName>"
              "<pnpx:DeviceCategory>Computers</pnpx:DeviceCategory></wsdp:ThisModel>");
  const std::string host = section(
      "Relationship",
      fmt::format("<wsdp:Relationship Type=\"{}/host\"><wsdp:Host>{}"
                  "<wsdp:Types>pub:Computer</wsdp:Types><wsdp:ServiceId>{}</wsdp:ServiceId>"
                  "<pub:Computer>{}/Workgroup:{}</pub:Computer></wsdp:Host></wsdp:Relationship>",
                  kProfile, reference(who), who.id, name, escaped(who.workgroup)));
  return envelope(kAnonymous, fmt::format("{}/GetResponse", kTransfer), as, relates_to(request),
                  fmt::format("<wsx:Metadata>{}{}{}</wsx:Metadata>", device, model, host));
}

}  // namespace braid::braidctl

#include "apps/braidctl/mdns_message.h"

#include <algorithm>

#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::braidctl {
namespace {

constexpr size_t kNameMax = 255;  // RFC 1035, 2.3.4 "Size limits"

constexpr size_t kQuestionsMax = 64;
constexpr size_t kRecordsMax = 256;  // of each section

constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kOperation = 0x7800;
constexpr uint16_t kAuthoritative = 0x0400;
constexpr uint16_t kTruncated = 0x0200;
constexpr uint16_t kError = 0x000F;
constexpr uint16_t kIn = 1;
constexpr uint16_t kAnyClass = 255;
constexpr uint16_t kTopOfClass = 0x8000;

constexpr uint8_t kPointer = 0xC0;

char folded(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// RFC 1035, 4.1.4 "Message compression". Each pointer leads before the piece it stands in, so none
// is followed twice.
DnsName read_name(wire::Reader& r) {
  DnsName name;
  size_t size = 1;
  wire::Reader at = r;
  bool is_elsewhere = false;
  size_t piece = at.position();
  while (at.ok()) {
    const uint8_t length = at.u8();
    if (!at.ok()) break;
    if (length == 0) {
      if (!is_elsewhere) r.seek(at.position());
      return name;
    }
    if ((length & kPointer) == kPointer) {
      const uint64_t to = (uint64_t{length} & 0x3F) << 8 | at.u8();
      if (!at.ok() || to >= piece) break;
      if (!is_elsewhere) r.seek(at.position());
      is_elsewhere = true;
      piece = to;
      at.seek(to);
      continue;
    }
    size += 1 + size_t{length};
    if (length > kDnsLabelMax || size > kNameMax) break;
    name.emplace_back(as_text(at.bytes(length)));
  }
  r.fail(Error::malformed());
  return {};
}

void write_name(wire::Writer& w, const DnsName& name) {
  for (const std::string& label : name) {
    w.u8(static_cast<uint8_t>(label.size()));
    w.bytes(as_bytes(label));
  }
  w.u8(0);
}

// With the names in it written out; r stands at the data of the record.
Bytes read_data(wire::Reader& r, DnsType type, uint16_t size) {
  const size_t begin = r.position();
  Bytes out;
  wire::Writer w(out);
  if (type == DnsType::kPtr || type == DnsType::kSrv || type == DnsType::kNsec) {
    if (type == DnsType::kSrv) w.bytes(r.bytes(6));
    write_name(w, read_name(r));
  }
  const size_t taken = r.position() - begin;
  if (!r.ok() || taken > size) {
    r.fail(Error::malformed());
    return {};
  }
  w.bytes(r.bytes(size - taken));
  return out;
}

void read_questions(wire::Reader& r, size_t count, std::vector<MdnsQuestion>& into) {
  for (size_t i = 0; i < count && r.ok(); ++i) {
    MdnsQuestion question{.name = read_name(r)};
    question.type = static_cast<DnsType>(r.u16_be());
    const uint16_t of_class = r.u16_be();
    question.wants_unicast = of_class & kTopOfClass;
    const uint16_t plain = of_class & ~kTopOfClass;
    if (r.ok() && (plain == kIn || plain == kAnyClass)) into.push_back(std::move(question));
  }
}

void read_records(wire::Reader& r, size_t count, std::vector<MdnsRecord>& into) {
  for (size_t i = 0; i < count && r.ok(); ++i) {
    MdnsRecord record{.name = read_name(r)};
    record.type = static_cast<DnsType>(r.u16_be());
    const uint16_t of_class = r.u16_be();
    record.flushes = of_class & kTopOfClass;
    record.ttl_s = r.u32_be();
    record.data = read_data(r, record.type, r.u16_be());
    if (r.ok() && (of_class & ~kTopOfClass) == kIn) into.push_back(std::move(record));
  }
}

void write_record(wire::Writer& w, const MdnsRecord& record) {
  write_name(w, record.name);
  w.u16_be(static_cast<uint16_t>(record.type));
  w.u16_be(record.flushes ? kIn | kTopOfClass : kIn);
  w.u32_be(record.ttl_s);
  w.u16_be(static_cast<uint16_t>(record.data.size()));
  w.bytes(record.data);
}

size_t size_of(const DnsName& name) {
  size_t size = 1;
  for (const std::string& label : name) size += 1 + label.size();
  return size;
}

}  // namespace

bool is_same_name(const DnsName& a, const DnsName& b) {
  return std::ranges::equal(a, b, [](const std::string& one, const std::string& other) {
    return std::ranges::equal(one, other, {}, folded, folded);
  });
}

std::string show_name(const DnsName& name) {
  std::string out;
  for (const std::string& label : name) out += (out.empty() ? "" : ".") + label;
  return out;
}

std::optional<MdnsMessage> parse_mdns(ByteView datagram) {
  if (datagram.size() > kMdnsMessageMax) return std::nullopt;
  wire::Reader r(datagram);
  MdnsMessage message;
  message.id = r.u16_be();
  const uint16_t flags = r.u16_be();
  const size_t questions = r.u16_be();
  const size_t answers = r.u16_be();
  const size_t authorities = r.u16_be();
  const size_t additionals = r.u16_be();
  if (!r.ok() || (flags & (kOperation | kError)) || questions > kQuestionsMax ||
      std::max({answers, authorities, additionals}) > kRecordsMax) {
    return std::nullopt;
  }
  message.is_response = flags & kResponse;
  message.is_truncated = flags & kTruncated;
  read_questions(r, questions, message.questions);
  read_records(r, answers, message.answers);
  read_records(r, authorities, message.authorities);
  read_records(r, additionals, message.additionals);
  if (!r.ok()) return std::nullopt;
  return message;
}

Bytes mdns_datagram(const MdnsMessage& message) {
  Bytes out;
  wire::Writer w(out);
  w.u16_be(message.id);
  w.u16_be(static_cast<uint16_t>((message.is_response ? kResponse | kAuthoritative : 0) |
                                 (message.is_truncated ? kTruncated : 0)));
  w.u16_be(static_cast<uint16_t>(message.questions.size()));
  for (const auto* section : {&message.answers, &message.authorities, &message.additionals}) {
    w.u16_be(static_cast<uint16_t>(section->size()));
  }
  for (const MdnsQuestion& each : message.questions) {
    write_name(w, each.name);
    w.u16_be(static_cast<uint16_t>(each.type));
    w.u16_be(each.wants_unicast ? kIn | kTopOfClass : kIn);
  }
  for (const auto* section : {&message.answers, &message.authorities, &message.additionals}) {
    for (const MdnsRecord& each : *section) write_record(w, each);
  }
  return out;
}

size_t mdns_size(const MdnsRecord& record) {
  return size_of(record.name) + 10 + record.data.size();
}

Bytes name_data(const DnsName& name) {
  Bytes out;
  wire::Writer w(out);
  write_name(w, name);
  return out;
}

Bytes service_data(uint16_t port, const DnsName& host) {
  Bytes out;
  wire::Writer w(out);
  w.u16_be(0);  // priority
  w.u16_be(0);  // weight
  w.u16_be(port);
  write_name(w, host);
  return out;
}

Bytes text_data(const std::vector<std::string>& strings) {
  Bytes out;
  wire::Writer w(out);
  for (const std::string& each : strings) {
    w.u8(static_cast<uint8_t>(each.size()));
    w.bytes(as_bytes(each));
  }
  // RFC 6763, 6.1 "General Format Rules for DNS TXT Records": never nothing.
  if (strings.empty()) w.u8(0);
  return out;
}

Bytes only_types_data(const DnsName& name, const std::vector<DnsType>& types) {
  Bytes bits;
  for (const DnsType each : types) {
    const auto number = static_cast<size_t>(each);
    bits.resize(std::max(bits.size(), number / 8 + 1));
    bits[number / 8] |= static_cast<uint8_t>(0x80 >> number % 8);
  }
  Bytes out = name_data(name);
  wire::Writer w(out);
  w.u8(0);  // the first 256 types
  w.u8(static_cast<uint8_t>(bits.size()));
  w.bytes(bits);
  return out;
}

}  // namespace braid::braidctl

#include "apps/braidctl/mdns_responder.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/printable.h"

namespace braid::braidctl {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// RFC 6762, 10 "Resource Record TTL Values and Cache Coherency".
constexpr uint32_t kTtlOfHost_s = 120;
constexpr uint32_t kTtl_s = 4'500;
constexpr uint32_t kTtlOfLegacy_s = 10;  // 6.7 "Legacy Unicast Responses"

// 8.1 "Probing", 8.3 "Announcing".
constexpr int kProbes = 3;
constexpr auto kBetweenProbes = 250ms;
constexpr int kAnnouncements = 2;
constexpr auto kBetweenAnnouncements = 1s;
constexpr auto kAfterLostTie = 1s;  // 8.2 "Simultaneous Probe Tiebreaking"
constexpr uint32_t kConflictsAtOnce = 15;
constexpr auto kAfterManyConflicts = 5s;
constexpr uint32_t kNumberMax = 999;  // then from the beginning

// 6 "Responding": how often a record goes to everybody.
constexpr auto kBetweenSame = 1s;
constexpr auto kBetweenDefences = 250ms;

constexpr size_t kAnswersMax = 64;  // that wait
constexpr size_t kDatagramUsual = 1'400;

constexpr size_t kDisksMax = 24;  // of one record, so that it fits in a datagram
constexpr size_t kTextMax = 255;

constexpr uint16_t kServicePort = 445;
constexpr uint16_t kNoPort = 9;  // of what is no service: "discard"

const DnsName kAllServices{"_services", "_dns-sd", "_udp", "local"};

size_t index_of(int family) { return family == AF_INET6 ? 1 : 0; }

// RFC 952's letters, digits and hyphens.
std::string host_label(const std::string& name) {
  std::string label;
  for (const char c : name) {
    const bool stays = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (stays) {
      label += c;
    } else if (!label.empty() && !label.ends_with('-')) {
      label += '-';
    }
  }
  while (label.ends_with('-')) label.pop_back();
  return label.empty() ? "braid" : label;
}

std::string with_suffix(const std::string& text, const std::string& behind) {
  return std::string(cut_text(text, kDnsLabelMax - behind.size())) + behind;
}

bool is_same_data(const MdnsRecord& a, const MdnsRecord& b) {
  const bool holds_names = a.type == DnsType::kPtr || a.type == DnsType::kSrv;
  const auto folded = [&](uint8_t c) {
    return holds_names && c >= 'A' && c <= 'Z' ? static_cast<uint8_t>(c + 32) : c;
  };
  return std::ranges::equal(a.data, b.data, {}, folded, folded);
}

bool is_same(const MdnsRecord& a, const MdnsRecord& b) {
  return a.type == b.type && is_same_name(a.name, b.name) && is_same_data(a, b);
}

MdnsRecord address_record(const DnsName& host, const IpAddress& address) {
  const ByteView bytes = address.bytes();
  return {.name = host,
          .type = address.is_v4() ? DnsType::kA : DnsType::kAaaa,
          .flushes = true,
          .ttl_s = kTtlOfHost_s,
          .data = Bytes(bytes.begin(), bytes.end())};
}

// As many datagrams as it takes; `more` only as far as there is room.
std::vector<Bytes> responses_of(const MdnsMessage& head, const std::vector<MdnsRecord>& answers,
                                const std::vector<MdnsRecord>& more) {
  std::vector<Bytes> out;
  MdnsMessage message = head;
  size_t size = mdns_datagram(head).size();
  const size_t empty = size;
  const auto close = [&] {
    out.push_back(mdns_datagram(message));
    message.answers.clear();
    size = empty;
  };
  for (const MdnsRecord& each : answers) {
    if (!message.answers.empty() && size + mdns_size(each) > kDatagramUsual) close();
    size += mdns_size(each);
    message.answers.push_back(each);
  }
  for (const MdnsRecord& each : more) {
    if (size + mdns_size(each) > kDatagramUsual) continue;
    size += mdns_size(each);
    message.additionals.push_back(each);
  }
  if (!message.answers.empty()) close();
  return out;
}

}  // namespace

MdnsResponder::MdnsResponder(MdnsIdentity identity, Random random)
    : identity_(std::move(identity)), random_(std::move(random)) {
  name_and_list();
}

void MdnsResponder::add(DnsName name, DnsType type, bool flushes, uint32_t ttl_s, Bytes data) {
  records_.push_back({{std::move(name), type, flushes, ttl_s, std::move(data)}});
}

void MdnsResponder::add_service(const std::string& type, uint16_t port,
                                const std::vector<std::string>& text) {
  const DnsName service{type, "_tcp", "local"};
  const DnsName instance{instance_, type, "_tcp", "local"};
  add(instance, DnsType::kSrv, true, kTtlOfHost_s, service_data(port, host_));
  add(instance, DnsType::kTxt, true, kTtl_s, text_data(text));
  add(instance, DnsType::kNsec, true, kTtlOfHost_s,
      only_types_data(instance, {DnsType::kTxt, DnsType::kSrv}));
  add(service, DnsType::kPtr, false, kTtl_s, name_data(instance));
  add(kAllServices, DnsType::kPtr, false, kTtl_s, name_data(service));
}

void MdnsResponder::name_and_list() {
  const auto suffix = [](const char* form, uint32_t number) {
    return number == 1 ? std::string() : fmt::format(fmt::runtime(form), number);
  };
  host_ = {with_suffix(host_label(identity_.name), suffix("-{}", host_number_)), "local"};
  instance_ = with_suffix(identity_.name, suffix(" ({})", instance_number_));
  records_.clear();
  answers_.clear();
  std::vector<DnsType> types;
  for (const IpAddress& each : addresses_) {
    records_.push_back({address_record(host_, each)});
    types.push_back(records_.back().record.type);
  }
  add(host_, DnsType::kNsec, true, kTtlOfHost_s, only_types_data(host_, types));
  add_service("_smb", kServicePort, {});
  add_service("_device-info", kNoPort, {"model=" + identity_.model});
  if (identity_.time_machine_shares.empty()) return;
  // Apple's "Time Machine over SMB Specification": of the server, and of each disk that it is one
  // (0x02) for backups (0x80).
  std::vector<std::string> disks{"sys=waMa=0,adVF=0x100"};
  for (const std::string& each : identity_.time_machine_shares) {
    std::string disk = fmt::format("dk{}=adVN={},adVF=0x82", disks.size() - 1, each);
    if (disks.size() <= kDisksMax && disk.size() <= kTextMax) disks.push_back(std::move(disk));
  }
  add_service("_adisk", kNoPort, disks);
}

void MdnsResponder::begin_probing(Instant at) {
  phase_ = Phase::kProbing;
  steps_ = 0;
  due_ = at;
  answers_.clear();
}

void MdnsResponder::set_addresses(std::vector<IpAddress> addresses, Instant now) {
  if (addresses == addresses_) return;
  std::vector<MdnsRecord> gone;
  for (const IpAddress& each : addresses_) {
    if (std::ranges::find(addresses, each) != addresses.end()) continue;
    gone.push_back(address_record(host_, each));
    gone.back().ttl_s = 0;
  }
  addresses_ = std::move(addresses);
  if (is_settled()) {
    for (Bytes& each : responses_of({.is_response = true}, gone, {})) {
      ready_.push_back({std::move(each), std::nullopt, std::nullopt});
    }
  }
  name_and_list();
  if (is_settled()) {
    // 8.4 "Updating": the name is its own already.
    phase_ = Phase::kAnnouncing;
    steps_ = 0;
    due_ = now;
  } else {
    begin_probing(now + milliseconds(random_(250)));
  }
}

void MdnsResponder::take_another_name(bool of_host, Instant now) {
  uint32_t& number = of_host ? host_number_ : instance_number_;
  number = number == kNumberMax ? 2 : number + 1;
  ++conflicts_;
  name_and_list();
  begin_probing(now +
                (conflicts_ < kConflictsAtOnce ? milliseconds(random_(250)) : kAfterManyConflicts));
}

bool MdnsResponder::is_ours(const MdnsRecord& record) const {
  return std::ranges::any_of(records_, [&](const Own& own) { return is_same(own.record, record); });
}

void MdnsResponder::hear(const MdnsMessage& message, const Peer& peer, Instant now) {
  if (phase_ == Phase::kIdle) return;
  if (!message.is_response) {
    hear_question(message, peer, now);
  } else if (peer.port == kMdnsPort) {
    hear_response(message, peer, now);
  }
}

// 8.2: whether what we would have of `name` sorts before what they would.
bool MdnsResponder::comes_before(const DnsName& name, const std::vector<MdnsRecord>& theirs) const {
  using Key = std::pair<DnsType, Bytes>;
  std::set<Key> ours;
  for (const Own& own : records_) {
    if (!own.is_negative() && is_same_name(own.record.name, name)) {
      ours.emplace(own.record.type, own.record.data);
    }
  }
  std::set<Key> others;
  for (const MdnsRecord& each : theirs) {
    if (is_same_name(each.name, name)) others.emplace(each.type, each.data);
  }
  return !others.empty() && ours < others;
}

// True if it was one for a name of ours, and ends what we did.
bool MdnsResponder::hear_probe(const MdnsMessage& message, const Peer& peer, Instant now) {
  if (message.authorities.empty()) return false;
  if (peer.is_this_machine && std::ranges::any_of(message.authorities, [&](const MdnsRecord& each) {
        return is_same_name(each.name, host_) && !is_ours(each);
      })) {
    take_another_name(true, now);
    return true;
  }
  if (phase_ != Phase::kProbing) return false;
  for (const Own& own : records_) {
    if (own.record.flushes && comes_before(own.record.name, message.authorities)) {
      begin_probing(now + kAfterLostTie);
      return true;
    }
  }
  return false;
}

std::set<size_t> MdnsResponder::records_for(const MdnsQuestion& question) const {
  std::set<size_t> found;
  std::optional<size_t> negative;
  for (size_t i = 0; i < records_.size(); ++i) {
    const MdnsRecord& own = records_[i].record;
    if (!is_same_name(own.name, question.name)) continue;
    if (records_[i].is_negative() && question.type != DnsType::kNsec) {
      negative = i;
    } else if (question.type == DnsType::kAny || question.type == own.type) {
      found.insert(i);
    }
  }
  if (found.empty() && negative) found.insert(*negative);
  return found;
}

void MdnsResponder::hear_question(const MdnsMessage& message, const Peer& peer, Instant now) {
  // 7.1 "Known-Answer Suppression", 7.2 "Multipacket Known-Answer Suppression".
  const auto is_known = [&](size_t index) {
    const MdnsRecord& own = records_[index].record;
    return std::ranges::any_of(message.answers, [&](const MdnsRecord& each) {
      return each.ttl_s >= own.ttl_s / 2 && is_same(each, own);
    });
  };
  for (Answer& each : answers_) {
    if (each.peer == peer) std::erase_if(each.records, is_known);
  }
  if (hear_probe(message, peer, now) || !is_settled()) return;
  const bool is_legacy = peer.port != kMdnsPort;
  const size_t family = index_of(peer.address.family());
  Answer to_all{.peer = peer, .defends = !message.authorities.empty()};
  Answer to_peer{.peer = peer, .is_unicast = true};
  for (const MdnsQuestion& question : message.questions) {
    for (const size_t index : records_for(question)) {
      if (is_known(index)) continue;
      const Own& own = records_[index];
      // 5.4 "Questions Requesting Unicast Responses": unless others should hear of it, too.
      const bool was_sent =
          own.sent[family] && now - *own.sent[family] < std::chrono::seconds(own.record.ttl_s / 4);
      const bool to_one = is_legacy || (question.wants_unicast && was_sent);
      (to_one ? to_peer : to_all).records.insert(index);
    }
  }
  if (is_legacy) {
    to_peer.id = message.id;
    to_peer.questions = message.questions;
  }
  for (Answer* each : {&to_all, &to_peer}) {
    if (each->records.empty()) continue;
    // What others may have, too, is not said at once by all.
    const bool is_shared = std::ranges::any_of(
        each->records, [&](size_t index) { return !records_[index].record.flushes; });
    each->due = now;
    if (message.is_truncated) {
      each->due += milliseconds(400 + random_(100));
    } else if (is_shared && !each->is_unicast) {
      each->due += milliseconds(20 + random_(100));
    }
    queue(std::move(*each));
  }
}

void MdnsResponder::queue(Answer answer) {
  if (answers_.size() < kAnswersMax) answers_.push_back(std::move(answer));
}

void MdnsResponder::hear_response(const MdnsMessage& message, const Peer& peer, Instant now) {
  for (const auto* section : {&message.answers, &message.additionals}) {
    for (const MdnsRecord& each : *section) {
      if (hear_record(each, peer, now)) return;
    }
  }
}

// 9 "Conflict Resolution". True if a name is not ours any more.
bool MdnsResponder::hear_record(const MdnsRecord& record, const Peer& peer, Instant now) {
  bool has_name = false;
  bool has_type = false;
  for (size_t i = 0; i < records_.size(); ++i) {
    const MdnsRecord& own = records_[i].record;
    if (!own.flushes || !is_same_name(own.name, record.name)) continue;
    has_name = true;
    if (is_same(own, record)) {
      // 6.6 "Cooperating Multicast DNS Responders": who says it ends soon is put right.
      if (is_settled() && record.ttl_s < own.ttl_s / 2) {
        queue({.due = now + milliseconds(20 + random_(100)), .records = {i}, .peer = peer});
      }
      return false;
    }
    has_type |= own.type == record.type && !records_[i].is_negative();
  }
  if (!has_name || record.ttl_s == 0) return false;
  const bool is_host = is_same_name(record.name, host_);
  // The other one has been there for longer, or comes from a part of the machine itself.
  if (phase_ == Phase::kProbing || (is_host && has_type && peer.is_this_machine)) {
    take_another_name(is_host, now);
    return true;
  }
  if (!has_type) return false;
  ++conflicts_;
  begin_probing(now + (conflicts_ < kConflictsAtOnce ? milliseconds(0) : kAfterManyConflicts));
  return true;
}

std::vector<MdnsResponder::Packet> MdnsResponder::probe() const {
  MdnsMessage message;
  for (const Own& own : records_) {
    if (!own.record.flushes || own.is_negative()) continue;
    const bool is_asked = std::ranges::any_of(message.questions, [&](const MdnsQuestion& each) {
      return is_same_name(each.name, own.record.name);
    });
    if (!is_asked) message.questions.push_back({own.record.name, DnsType::kAny, false});
    message.authorities.push_back(own.record);
    message.authorities.back().flushes = false;
  }
  return {{mdns_datagram(message), std::nullopt, std::nullopt}};
}

std::vector<MdnsResponder::Packet> MdnsResponder::everything(bool as_goodbye) const {
  std::vector<MdnsRecord> all;
  for (const Own& own : records_) {
    // That there are such services, others may say, too.
    if (as_goodbye && (own.is_negative() || is_same_name(own.record.name, kAllServices))) continue;
    all.push_back(own.record);
    if (as_goodbye) all.back().ttl_s = 0;
  }
  std::vector<Packet> out;
  for (Bytes& each : responses_of({.is_response = true}, all, {})) {
    out.push_back({std::move(each), std::nullopt, std::nullopt});
  }
  return out;
}

std::vector<MdnsResponder::Packet> MdnsResponder::goodbye() const {
  return is_settled() ? everything(true) : std::vector<Packet>{};
}

// RFC 6763, 12 "DNS Additional Record Generation".
std::set<size_t> MdnsResponder::beside(const std::set<size_t>& answers) const {
  std::set<size_t> out;
  for (const size_t answer : answers) {
    const MdnsRecord& own = records_[answer].record;
    for (size_t i = 0; i < records_.size(); ++i) {
      const Own& other = records_[i];
      if (answers.contains(i)) continue;
      const bool is_address = is_same_name(other.record.name, host_);
      const bool is_of_service =
          own.type == DnsType::kPtr && other.record.flushes && !is_address &&
          is_same_name({other.record.name.begin() + 1, other.record.name.end()}, own.name);
      if (!other.is_negative() && (is_address || is_of_service)) out.insert(i);
    }
  }
  return out;
}

std::vector<MdnsResponder::Packet> MdnsResponder::packets_of(const Answer& answer, Instant now) {
  const int family = answer.peer.address.family();
  const bool is_legacy = !answer.questions.empty();
  MdnsMessage head{.id = answer.id, .is_response = true, .questions = answer.questions};
  std::set<size_t> chosen = answer.records;
  if (!answer.is_unicast) {
    const auto pause = answer.defends ? milliseconds(kBetweenDefences) : kBetweenSame;
    std::erase_if(chosen, [&](size_t index) {
      const auto& sent = records_[index].sent[index_of(family)];
      return sent && now - *sent < pause;
    });
  }
  if (chosen.empty()) return {};
  std::vector<MdnsRecord> answers;
  std::vector<MdnsRecord> more;
  const auto put = [&](const std::set<size_t>& from, std::vector<MdnsRecord>& into) {
    for (const size_t index : from) {
      into.push_back(records_[index].record);
      if (!answer.is_unicast) records_[index].sent[index_of(family)] = now;
      if (!is_legacy) continue;
      into.back().ttl_s = std::min(into.back().ttl_s, kTtlOfLegacy_s);
      into.back().flushes = false;
    }
  };
  put(chosen, answers);
  put(beside(chosen), more);
  std::vector<Packet> out;
  for (Bytes& each : responses_of(head, answers, more)) {
    out.push_back(
        {std::move(each), answer.is_unicast ? std::optional(answer.peer) : std::nullopt, family});
    // Who is no responder reads one.
    if (is_legacy) break;
  }
  return out;
}

std::vector<MdnsResponder::Packet> MdnsResponder::take(Instant now) {
  std::vector<Packet> out = std::exchange(ready_, {});
  const auto add = [&](std::vector<Packet> more) {
    std::ranges::move(more, std::back_inserter(out));
  };
  if (phase_ == Phase::kProbing && now >= due_) {
    if (steps_ == kProbes) {
      phase_ = Phase::kAnnouncing;
      steps_ = 0;
    } else {
      add(probe());
      ++steps_;
      due_ = now + kBetweenProbes;
    }
  }
  if (phase_ == Phase::kAnnouncing && now >= due_) {
    add(everything(false));
    for (Own& own : records_) own.sent = {now, now};
    due_ = now + kBetweenAnnouncements;
    if (++steps_ == kAnnouncements) {
      phase_ = Phase::kSettled;
      conflicts_ = 0;
    }
  }
  std::vector<Answer> waiting;
  for (Answer& each : std::exchange(answers_, {})) {
    if (each.due <= now) {
      add(packets_of(each, now));
    } else {
      waiting.push_back(std::move(each));
    }
  }
  answers_ = std::move(waiting);
  return out;
}

std::optional<MdnsResponder::Instant> MdnsResponder::next() const {
  if (!ready_.empty()) return Instant::min();
  std::optional<Instant> first;
  if (phase_ == Phase::kProbing || phase_ == Phase::kAnnouncing) first = due_;
  for (const Answer& each : answers_) first = std::min(first.value_or(each.due), each.due);
  return first;
}

}  // namespace braid::braidctl

// MdnsResponder: what a server says of itself on one link by Multicast DNS and DNS-SD.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apps/braidctl/mdns_message.h"
#include "base/ip_address.h"

namespace braid::braidctl {

inline constexpr uint16_t kMdnsPort = 5'353;

// What the network is told.
struct MdnsIdentity {
  std::string name;   // of up to 63 bytes, as people see it; what a host name cannot have becomes -
  std::string model;  // by which the Finder chooses a picture
  std::vector<std::string> time_machine_shares;
  bool operator==(const MdnsIdentity&) const = default;
};

// Probes for its names, announces them, answers, gives way to who has them, and says good-bye:
// RFC 6762, 6 "Responding" and 8 to 10; the services of RFC 6763. It has no socket and no clock:
// who owns it tells it what is heard and when it is, and sends what it gives. One for both families
// of a link, which are one network to who listens. Thread: one at a time.
class MdnsResponder {
 public:
  using Instant = std::chrono::steady_clock::time_point;
  using Random = std::function<uint32_t(uint32_t below)>;

  // Who sent something.
  struct Peer {
    IpAddress address;
    uint16_t port = 0;             // kMdnsPort: a responder; another: a simple resolver
    bool is_this_machine = false;  // another program of it
    bool operator==(const Peer&) const = default;
  };
  // To `to`, or to everybody; without `family` over both.
  struct Packet {
    Bytes datagram;
    std::optional<Peer> to;
    std::optional<int> family;  // AF_INET, AF_INET6
  };

  MdnsResponder(MdnsIdentity identity, Random random);

  // REQUIRES one at least. The first call begins; later ones tell what came and went.
  void set_addresses(std::vector<IpAddress> addresses, Instant now);
  // What somebody else of this link sent.
  void hear(const MdnsMessage& message, const Peer& peer, Instant now);
  // What is to be sent by now.
  std::vector<Packet> take(Instant now);
  // When take() has something again; nothing while only a question could bring that about.
  std::optional<Instant> next() const;
  // What is to be sent before an end.
  std::vector<Packet> goodbye() const;

  bool is_settled() const { return phase_ == Phase::kAnnouncing || phase_ == Phase::kSettled; }
  // As they are now: another machine may have the ones that are wanted.
  std::string host_name() const { return host_.front() + ".local"; }
  const std::string& instance_name() const { return instance_; }

 private:
  enum class Phase : uint8_t { kIdle, kProbing, kAnnouncing, kSettled };
  struct Own {
    MdnsRecord record;
    std::array<std::optional<Instant>, 2> sent{};  // to everybody, by family
    // Only where there is nothing else of its name: that there is not.
    bool is_negative() const { return record.type == DnsType::kNsec; }
  };
  struct Answer {
    Instant due;
    std::set<size_t> records;  // of records_
    Peer peer;
    bool is_unicast = false;
    bool defends = false;  // against a probe
    // Of who is no responder: told back to it.
    uint16_t id = 0;
    std::vector<MdnsQuestion> questions;
  };

  void name_and_list();
  void add_service(const std::string& type, uint16_t port, const std::vector<std::string>& text);
  void add(DnsName name, DnsType type, bool flushes, uint32_t ttl_s, Bytes data);
  void begin_probing(Instant at);
  void take_another_name(bool of_host, Instant now);
  bool is_ours(const MdnsRecord& record) const;

  void hear_question(const MdnsMessage& message, const Peer& peer, Instant now);
  bool hear_probe(const MdnsMessage& message, const Peer& peer, Instant now);
  bool comes_before(const DnsName& name, const std::vector<MdnsRecord>& theirs) const;
  void hear_response(const MdnsMessage& message, const Peer& peer, Instant now);
  bool hear_record(const MdnsRecord& record, const Peer& peer, Instant now);
  std::set<size_t> records_for(const MdnsQuestion& question) const;
  void queue(Answer answer);

  std::vector<Packet> probe() const;
  std::vector<Packet> everything(bool as_goodbye) const;
  std::vector<Packet> packets_of(const Answer& answer, Instant now);
  std::set<size_t> beside(const std::set<size_t>& answers) const;

  const MdnsIdentity identity_;
  const Random random_;
  std::vector<IpAddress> addresses_;
  uint32_t host_number_ = 1;  // 2 and more: FILES-2, and FILES (2)
  uint32_t instance_number_ = 1;
  DnsName host_;
  std::string instance_;
  std::vector<Own> records_;
  Phase phase_ = Phase::kIdle;
  int steps_ = 0;  // of this phase that are done
  Instant due_{};  // of the next one
  uint32_t conflicts_ = 0;
  std::vector<Answer> answers_;
  std::vector<Packet> ready_;
};

}  // namespace braid::braidctl

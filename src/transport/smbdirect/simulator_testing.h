// Two ends of a connection and a network between them that takes its time, by seed.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "transport/smbdirect/connection.h"

namespace braid::transport::smbdirect {

// An active and a passive Connection, each with a card that has receives and send buffers, and
// users who send and read messages. Packets arrive in order, as the network guarantees; all else
// takes any time: when a packet arrives, when its receive and its send are reported, in whatever
// order among them, when there is memory, and when somebody reads. The same seed gives the same
// events. What must hold is looked at after each:
//   - a packet finds a receive, and one that is large enough;
//   - messages arrive as they were sent, in order, once, each with its invalidated token;
//   - the last credit goes only with one for the peer, and nothing between two fragments;
//   - no more receives are posted than may be, and while an end holds its peer back, no more than
//     packets it sends;
//   - in the end everything has arrived, both fall silent, and are alive as long as the link is.
class Simulator {
 public:
  // `hostile`: what the passive end gets is changed on the way, now and then. Then it may end, but
  // take neither memory nor messages beyond its limits.
  explicit Simulator(uint64_t seed, Defect defect = Defect::kNone, bool hostile = false)
      : seed_(seed),
        hostile_(hostile),
        random_(seed),
        ends_{End(Role::kActive, settings(defect)), End(Role::kPassive, settings(defect))} {
    if (hostile_) ends_[1].limit = kHostileLimit;
    for (End& end : ends_) {
      end.connection.set_receive_limit(end.limit);
      end.send_buffers = 1 + below(6);
      post(end, end.connection.receives_wanted());  // before there is a link
    }
  }

  // Empty, or what was wrong.
  std::string run(uint64_t events) {
    for (uint64_t i = 0; i < events && wrong_.empty(); ++i) step();
    if (wrong_.empty() && !hostile_) {
      if (one_in(3)) {
        lose_link();
      } else {
        come_to_rest();
        for (int i = 0; i < 3 && wrong_.empty(); ++i) stay_alive();
        lose_link();
      }
    }
    return wrong_.empty() ? "" : "seed " + std::to_string(seed_) + ": " + wrong_;
  }

 private:
  using Instant = Connection::Instant;
  static constexpr size_t kUnreadMax = 20'000;
  static constexpr size_t kHostileLimit = 3000;
  static constexpr uint64_t kRestMax = 20'000;  // rounds until both are silent

  struct Sent {
    uint8_t first;  // then each byte is one more
    size_t size;
    std::optional<uint32_t> token;
  };
  struct Arrived {
    Bytes packet;
    std::optional<uint32_t> token;
  };
  // A packet whose data waits for memory.
  struct Pending {
    Bytes packet;
    Connection::Fragment fragment;
    std::optional<uint32_t> token;
  };
  struct End {
    End(Role role, const Settings& settings)
        : connection(role, settings, Instant{}), credit_max(settings.receive_credit_max) {}

    Connection connection;
    uint32_t credit_max;
    size_t limit = kFragmentedSizeMin;
    std::deque<size_t> receives;  // sizes of those at the card
    size_t send_buffers = 0;      // free ones
    std::deque<Arrived> link;     // on the way to this end
    size_t unreported_sends = 0;  // have arrived; their buffers are not free yet
    std::deque<Arrived> unreported_receives;
    std::deque<Pending> pending;
    std::deque<Connection::Message> unread;
    size_t unread_size = 0;
    std::deque<Sent> to_come;  // what the peer has sent and this has not read
    uint64_t posted_in_hold = 0;
    uint64_t sent_in_hold = 0;
    bool holds = false;
    uint32_t remaining = 0;  // of the message this end is sending
  };

  uint64_t below(uint64_t limit) { return random_() % limit; }
  bool one_in(uint64_t odds) { return below(odds) == 0; }
  void fail(size_t i, const std::string& what) {
    if (wrong_.empty()) wrong_ = (i == 0 ? "active end: " : "passive end: ") + what;
  }

  Settings settings(Defect defect) {
    Settings settings;
    settings.receive_credit_max = static_cast<uint16_t>(2 + (one_in(2) ? below(3) : below(30)));
    settings.send_credit_target = static_cast<uint16_t>(2 + (one_in(2) ? below(3) : below(30)));
    settings.max_send_size = static_cast<uint32_t>(kPacketSizeMin + below(1000));
    settings.max_receive_size = static_cast<uint32_t>(kPacketSizeMin + below(1000));
    settings.max_fragmented_recv_size = kFragmentedSizeMin;
    settings.defect = defect;
    return settings;
  }

  void step() {
    const size_t i = below(2);
    End& end = ends_[i];
    switch (below(8)) {
      case 0:
      case 1:
        deliver(i);
        break;
      case 2:
      case 3:
        report_receive(i);
        break;
      case 4:
        report_send(end);
        break;
      case 5:
        if (one_in(2)) send_message(i);
        break;
      case 6:
        assemble(i);
        break;
      case 7:
        read(i);
        break;
    }
    pump(i, one_in(3));
  }

  void send_message(size_t i) {
    End& end = ends_[i];
    End& peer = ends_[1 - i];
    if (end.connection.ended() || end.connection.unsent() > 4 * kFragmentedSizeMin) return;
    const size_t size = 1 + (one_in(50) ? below(kFragmentedSizeMin) : below(3000));
    Sent sent{static_cast<uint8_t>(below(256)), size, std::nullopt};
    if (one_in(4)) sent.token = static_cast<uint32_t>(below(1000));
    Bytes bytes(size);
    for (size_t at = 0; at < size; ++at) bytes[at] = static_cast<uint8_t>(sent.first + at);
    // In pieces, some of them empty.
    OutFrame frame;
    const size_t head = below(size + 1);
    const size_t part = head + below(size - head + 1);
    frame.head.assign(bytes.begin(), bytes.begin() + static_cast<long>(head));
    frame.parts.emplace_back(Buffer::copy_of(ByteView(bytes).subspan(head, part - head)));
    frame.parts.emplace_back(Bytes(bytes.begin() + static_cast<long>(part), bytes.end()));
    if (end.connection.send(std::move(frame), sent.token)) peer.to_come.push_back(sent);
  }

  // What every driver does, with as much memory as there is: little, now and then.
  void pump(size_t i, bool short_of_memory) {
    End& end = ends_[i];
    Connection& connection = end.connection;
    const bool holds = !end.pending.empty() || end.unread_size > kUnreadMax;
    if (holds && !end.holds) end.posted_in_hold = end.sent_in_hold = 0;
    end.holds = holds;
    connection.hold_back(holds);
    for (;;) {
      uint32_t wanted = connection.receives_wanted();
      // For one there always is.
      if (short_of_memory && wanted > 1) {
        const uint32_t least = connection.receives_posted() == 0 ? 1 : 0;
        wanted = static_cast<uint32_t>(least + below(wanted));
      }
      post(end, wanted);
      check_limits(i);
      if (end.send_buffers == 0 || !wrong_.empty()) return;
      Bytes packet(connection.send_buffer_size());
      const auto made = connection.next_packet(packet, now_);
      if (!made) break;
      packet.resize(made->size);
      ++end.sent_in_hold;
      --end.send_buffers;
      look_at(i, packet);
      ends_[1 - i].link.push_back({std::move(packet), made->invalidate});
    }
    if (const auto& ended = connection.ended(); ended && !link_is_lost_ && !hostile_) {
      fail(i, "ended: " + ended->message());
    }
  }

  static void post(End& end, uint32_t count) {
    end.receives.insert(end.receives.end(), count, end.connection.receive_size());
    end.connection.posted(count);
    end.posted_in_hold += count;
  }

  void check_limits(size_t i) {
    const End& end = ends_[i];
    if (end.connection.receives_posted() > end.credit_max + 1) fail(i, "too many receives");
    if (end.connection.receive_credits() > end.connection.receives_posted()) {
      fail(i, "more credits than receives");
    }
    if (end.holds && end.posted_in_hold > end.sent_in_hold + 1) {
      fail(i, "holds its peer back and posts receives");
    }
  }

  // What an end sends.
  void look_at(size_t i, ByteView packet) {
    End& end = ends_[i];
    if (end.connection.role() != Role::kEstablished || negotiated_[i]++ == 0) return;
    wire::Reader reader(packet);
    const auto transfer = wire::smbdirect::DataTransfer::decode(reader);
    if (!transfer) return fail(i, "a packet that cannot be read");
    if (end.connection.send_credits() == 0 && transfer->credits_granted == 0) {
      fail(i, "the last credit is spent without one for the peer");
    }
    if (end.remaining > 0 && transfer->data.empty()) fail(i, "something between two fragments");
    end.remaining = transfer->remaining_data_length;
  }

  void deliver(size_t i) {
    End& end = ends_[i];
    if (end.link.empty()) return;
    Arrived arrived = std::move(end.link.front());
    end.link.pop_front();
    if (end.receives.empty()) {
      if (!end.connection.ended() && !hostile_) fail(i, "no receive for a packet");
      return;
    }
    if (end.receives.front() < arrived.packet.size()) fail(i, "a packet larger than its receive");
    end.receives.pop_front();
    if (hostile_ && i == 1 && one_in(20)) {
      arrived.packet[below(arrived.packet.size())] = static_cast<uint8_t>(below(256));
      if (one_in(4)) arrived.packet.resize(below(arrived.packet.size()));
    }
    end.unreported_receives.push_back(std::move(arrived));
    ++ends_[1 - i].unreported_sends;
  }

  static void report_send(End& end) {
    if (end.unreported_sends == 0) return;
    --end.unreported_sends;
    ++end.send_buffers;
  }

  void report_receive(size_t i) {
    End& end = ends_[i];
    if (end.unreported_receives.empty()) return;
    Pending pending{std::move(end.unreported_receives.front().packet),
                    {},
                    end.unreported_receives.front().token};
    end.unreported_receives.pop_front();
    const auto fragment = end.connection.received(pending.packet, now_);
    if (!fragment) return;
    pending.fragment = *fragment;
    end.pending.push_back(std::move(pending));
    if (!one_in(4)) assemble(i);
  }

  void assemble(size_t i) {
    End& end = ends_[i];
    if (end.pending.empty()) return;
    const Pending pending = std::move(end.pending.front());
    end.pending.pop_front();
    const bool is_too_long = end.connection.memory_needed(pending.fragment) > end.limit;
    auto message = end.connection.assemble(pending.fragment, pending.token);
    if (message && is_too_long) fail(i, "memory beyond the limit");
    if (!message || !*message) return;
    end.unread_size += (*message)->data.size();
    end.unread.push_back(std::move(**message));
  }

  void read(size_t i) {
    End& end = ends_[i];
    if (end.unread.empty()) return;
    const Connection::Message message = std::move(end.unread.front());
    end.unread.pop_front();
    end.unread_size -= message.data.size();
    if (hostile_ && i == 1) return;
    if (end.to_come.empty()) return fail(i, "a message that nobody sent");
    const Sent sent = end.to_come.front();
    end.to_come.pop_front();
    if (message.data.size() != sent.size) return fail(i, "a message of another length");
    for (size_t at = 0; at < sent.size; ++at) {
      if (message.data.data()[at] != static_cast<uint8_t>(sent.first + at)) {
        return fail(i, "other bytes than were sent");
      }
    }
    if (message.invalidated != sent.token) fail(i, "another token");
  }

  // Everything that is under way happens. False when nothing was.
  bool settle_once() {
    bool something = false;
    for (size_t i = 0; i < 2; ++i) {
      End& end = ends_[i];
      something |= !end.link.empty() || !end.unreported_receives.empty() || !end.pending.empty() ||
                   !end.unread.empty() || end.unreported_sends > 0;
      deliver(i);
      report_receive(i);
      report_send(end);
      assemble(i);
      read(i);
      pump(i, false);
    }
    return something;
  }

  void settle() {
    for (size_t i = 0; i < 2; ++i) pump(i, false);
    for (uint64_t rounds = 0; wrong_.empty() && settle_once(); ++rounds) {
      if (rounds > kRestMax) wrong_ = "both ends never fall silent";
    }
  }

  void come_to_rest() {
    settle();
    for (size_t i = 0; i < 2; ++i) {
      if (!ends_[i].to_come.empty()) fail(i, "waits for a message for ever");
    }
  }

  // Nobody says anything until one end asks for a sign of life, and gets it.
  void stay_alive() {
    for (size_t i = 0; i < 2; ++i) {
      now_ += kKeepaliveInterval;
      ends_[i].connection.expire(now_);
      settle();
      now_ += kKeepaliveAnswerMax;
      ends_[i].connection.expire(now_);
      if (ends_[i].connection.ended()) fail(i, "takes a living peer for dead");
    }
  }

  // Packets that are on their way get lost, and all later ones. Each end finds out.
  void lose_link() {
    link_is_lost_ = true;
    for (End& end : ends_) end.link.clear();
    const Instant start = now_;
    const Instant limit = start + kKeepaliveInterval + 2 * kKeepaliveAnswerMax;
    for (size_t i = 0; i < 2 && wrong_.empty(); ++i) {
      End& end = ends_[i];
      now_ = start;
      while (!end.unreported_receives.empty()) report_receive(i);
      while (!end.pending.empty()) assemble(i);
      while (!end.unread.empty()) read(i);
      for (int rounds = 0; rounds < 10; ++rounds) {
        const auto deadline = end.connection.deadline();
        if (!deadline) break;
        now_ = std::max(now_, *deadline);
        end.connection.expire(now_);
        pump(i, false);
        ends_[1 - i].link.clear();
      }
      if (!end.connection.ended() || now_ > limit) fail(i, "never finds out that its peer is gone");
    }
  }

  const uint64_t seed_;
  const bool hostile_;
  std::mt19937_64 random_;
  std::array<End, 2> ends_;
  std::array<uint64_t, 2> negotiated_{};
  Instant now_{};
  bool link_is_lost_ = false;
  std::string wrong_;
};

}  // namespace braid::transport::smbdirect

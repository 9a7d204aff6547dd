// The SMB Direct protocol of one connection: packets and times in, packets and messages out.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counted_buffer.h"
#include "base/result.h"
#include "transport/limits.h"
#include "transport/out_frame.h"
#include "transport/smbdirect/limits.h"
#include "wire/smbdirect/messages.h"

namespace braid::transport::smbdirect {

// Faults that the simulator's test plants to see that the simulator finds them. Nobody else sets
// one.
enum class Defect : uint8_t {
  kNone,
  kGrantsUnposted,       // a credit for which there is no receive
  kSpendsLastCredit,     // the last credit goes without one for the peer
  kForgetsGrants,        // what a packet without data grants is not counted
  kNeverGrantsAlone,     // credits travel with data only
  kAnswersEveryGrant,    // each packet is answered with credits, however many there are
  kIgnoresHoldBack,      // credits are granted although nobody reads
  kIgnoresCreditMax,     // as many credits as the peer asks for
  kNoReserve,            // no receive for the last credit when the peer has all it may have
  kNoKeepaliveAnswer,    // the peer asks for a sign of life and gets none
  kNoKeepalive,          // a dead peer is never found
  kWrongRemaining,       // the length that remains is that before the fragment
  kRepeatsFragment,      // each fragment carries the first bytes of its message
  kInterruptsFragments,  // credits travel between the fragments of a message
  kKeepsInvalidated,     // a token that was invalidated is told with every message after
  kTakesAnyLength,       // more is put together than may be
};

// What one side would like, [MS-SMBD] 3.1.4.1 and 3.1.7.2; the values are those of Windows. Sizes
// are bytes, of packets with their header, but for the last two.
struct Settings {
  uint16_t receive_credit_max = 255;             // kCreditsMin or more
  uint16_t send_credit_target = 255;             // likewise
  uint32_t max_send_size = 1364;                 // kPacketSizeMin or more
  uint32_t max_receive_size = 8192;              // likewise
  uint32_t max_fragmented_recv_size = 1u << 20;  // kFragmentedSizeMin or more
  uint32_t max_read_write_size = 8u << 20;
  std::chrono::milliseconds keepalive_interval = kKeepaliveInterval;
  Defect defect = Defect::kNone;
};

// [MS-SMBD] 3.1.1.1 "Per RDMA Transport Connection": active who connects, passive who is connected
// to, and both are established once they have negotiated.
enum class Role : uint8_t { kActive, kPassive, kEstablished };

// One connection, [MS-SMBD] 3.1.1.1 "Per RDMA Transport Connection", either side of it. A pure
// state machine: no I/O, no clock, no thread. Who drives it has receives and send buffers at a
// network card, and after every event does this, in this order:
//
//   1. posts up to receives_wanted() receives of receive_size() bytes, as far as there is memory,
//      and says posted(). One receive it can always post: the one of the negotiation.
//   2. while a send buffer is free, posts what next_packet() wrote to it; and 1. again after each;
//   3. looks at ended(): then it disconnects, once what it posted has been sent;
//   4. sees to it that expire() is called at deadline().
//
// So what is granted has been posted, however much the driver had, and what the driver cannot send
// now is not made yet. Packets are given to received() as they were received, in order; when a send
// buffer comes free again is the driver's alone.
//
// Owned by its driver. Thread: one at a time. It ends with an error in ended(), its peer's or its
// own; from then on it does nothing.
class Connection {
 public:
  using Instant = Clock::Instant;

  // What a packet carries for the upper layer. The data lies in the packet.
  struct Fragment {
    ByteView data;
    uint32_t remaining = 0;  // bytes of the message still to come
    // No data: nothing for assemble() to do.
    bool is_empty() const { return data.empty() && remaining == 0; }
  };
  // A message of the upper layer.
  struct Message {
    CountedBuffer data;
    // A token of this side's that the peer has invalidated with it.
    std::optional<uint32_t> invalidated;
  };
  struct Packet {
    size_t size;                         // bytes written
    std::optional<uint32_t> invalidate;  // of the peer's tokens, with this send
    // When this has been sent, so many bytes of what was given to send() have.
    uint64_t position;
  };

  // `role`: active or passive.
  Connection(Role role, const Settings& settings, Instant now);

  // How many receives should be posted now, beyond those that are.
  uint32_t receives_wanted() const;
  // Of those posted now, bytes.
  size_t receive_size() const;
  // `count` more receives are posted. REQUIRES count <= receives_wanted().
  void posted(uint32_t count);
  // Receives that the provider has not used yet, as far as this has been told.
  uint32_t receives_posted() const { return posted_; }

  // A packet has been received: [MS-SMBD] 3.1.5.5 "Receiving Any Message". All but its data is
  // processed; the data goes to assemble(), in order, at once or when there is memory for it.
  // `packet` need not outlive the call, but for Fragment::data. Fails if the connection has ended,
  // or ends by it.
  Result<Fragment> received(ByteView packet, Instant now);
  // What assemble() is going to allocate for this fragment: the whole message at its first, else 0.
  size_t memory_needed(const Fragment& fragment) const;
  // Puts a message together, and gives it with its last fragment. `charge`: of memory_needed().
  // `invalidated`: the token of this side's that the provider says was invalidated with the packet.
  // Fails as received().
  Result<std::optional<Message>> assemble(const Fragment& fragment,
                                          std::optional<uint32_t> invalidated = {},
                                          MemoryCharge charge = {});
  // The longest message taken from now on; more than max_fragmented_recv_size is none in any case.
  void set_receive_limit(size_t size) { receive_limit_ = size; }
  // While set, the peer gets only those credits without which this side could not send: nobody
  // reads, or there is no memory.
  void hold_back(bool hold) { is_held_back_ = hold; }

  // Queues a message, [MS-SMBD] 3.1.4.2 "Send Message". Fails, and changes nothing:
  // kInvalidParameter for an empty message, which cannot be told from none; kInvalidBufferSize for
  // one longer than max_message_size(); and when the connection has ended. Before the negotiation
  // any is queued, to go with the first credits; if the peer then does not take it, the connection
  // ends, kInvalidBufferSize.
  Result<void> send(OutFrame frame, std::optional<uint32_t> invalidate = {});
  // Bytes given to send() so far.
  uint64_t queued() const { return queued_; }
  // Of those, what next_packet() has not given yet.
  uint64_t unsent() const { return queued_ - packed_; }
  // The next packet, written to `to`, if there is one to be sent now. REQUIRES: `to` has
  // send_buffer_size() bytes.
  std::optional<Packet> next_packet(MutableByteView to, Instant now);
  size_t send_buffer_size() const { return settings_.max_send_size; }

  // When expire() wants to be called, if nothing else happens. None: the connection has ended.
  std::optional<Instant> deadline() const;
  // [MS-SMBD] 3.1.6 "Timer Events": those that are due.
  void expire(Instant now);

  // Why it has ended: truncated or malformed, what the peer sent; kIoTimeout, the peer is silent,
  // or takes nothing; another status, one side refused the negotiation. None while it lives.
  const std::optional<Error>& ended() const { return ended_; }

  // [MS-SMBD] 3.1.4.7 "Query Connection Parameters". Final when established.
  Role role() const { return role_; }
  uint32_t max_send_size() const { return max_send_size_; }
  uint32_t max_receive_size() const { return max_receive_size_; }
  uint32_t max_read_write_size() const { return max_read_write_size_; }
  // Connection.MaxFragmentedSendSize: the longest message that the peer takes, and what every peer
  // does until that is known.
  uint32_t max_message_size() const { return max_fragmented_send_size_; }
  uint32_t send_credits() const { return send_credits_; }
  // Credits that the peer has not used yet.
  uint32_t receive_credits() const { return outstanding_; }

 private:
  // What of the negotiation is to be sent next.
  enum class Due : uint8_t { kNothing, kRequest, kResponse, kRefusal };
  enum class Keepalive : uint8_t { kNone, kPending, kSent };
  struct Outgoing {
    OutFrame frame;
    size_t size;
    std::optional<uint32_t> invalidate;
  };

  bool has(Defect defect) const { return settings_.defect == defect; }
  std::unexpected<Error> end(Error error);
  void establish(Instant now);
  Result<void> receive_negotiate_request(ByteView packet);
  Result<void> receive_negotiate_response(ByteView packet, Instant now);
  Result<Fragment> receive_data_transfer(ByteView packet, Instant now);
  std::optional<Packet> negotiate_packet(MutableByteView to, Instant now);
  template <class T>
  Packet packet_of(const T& message, MutableByteView to);
  // Something is to be sent, whatever credits there are to grant.
  bool must_send() const;
  // The peer is short of credits, and may have more.
  bool grant_is_due() const;
  uint32_t receive_target() const;
  uint32_t grantable() const { return posted_ - outstanding_; }
  // The next `size` bytes of the first message.
  void pack(uint8_t* to, size_t size);

  const Settings settings_;
  Role role_;
  Due due_;
  NtStatus refusal_ = NtStatus::kSuccess;
  std::optional<Error> ended_;

  // The names of [MS-SMBD] 3.1.1.1, but for ReceiveCredits, which is two numbers here: receives
  // that are posted, and credits granted for some of them.
  uint32_t max_send_size_;
  uint32_t max_receive_size_;
  uint32_t max_fragmented_send_size_ = kFragmentedSizeMin;
  uint32_t max_read_write_size_;
  uint16_t receive_credit_max_;
  uint16_t receive_credit_target_ = 0;
  uint32_t send_credits_ = 0;
  uint32_t posted_ = 0;
  uint32_t outstanding_ = 0;
  bool is_held_back_ = false;
  bool send_immediate_ = false;
  Keepalive keepalive_requested_ = Keepalive::kNone;

  // The first has given `done_` bytes, and goes on at a place within one of its pieces: 0 its head,
  // then its parts.
  std::deque<Outgoing> send_queue_;
  size_t done_ = 0;
  size_t piece_ = 0;
  size_t piece_done_ = 0;
  uint64_t queued_ = 0;
  uint64_t packed_ = 0;
  Bytes head_;  // of the packet that is made; kept for its memory

  // Connection.FragmentReassemblyBuffer: has room for the whole message while one is put together.
  std::optional<CountedBuffer> reassembly_;
  size_t reassembled_ = 0;
  std::optional<uint32_t> invalidated_token_;
  size_t receive_limit_ = kFrameSizeMax;

  std::optional<Instant> negotiation_deadline_;
  std::optional<Instant> idle_deadline_;
  std::optional<Instant> stall_deadline_;  // data waits for credits
};

}  // namespace braid::transport::smbdirect

// Limits of SMB Direct, each with its source or reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace braid::transport::smbdirect {

// [MS-SMBD] 3.1.4.1, 3.1.7.2: what the receive for the negotiation holds at least.
inline constexpr size_t kNegotiateReceiveSize = 512;
// [MS-SMBD] 3.1.5.6: what a peer has to take in one packet, and of one message.
inline constexpr uint32_t kPacketSizeMin = 128;
inline constexpr uint32_t kFragmentedSizeMin = 131'072;

// [MS-SMBD] 3.1.4.1 and 3.1.7.2. Who accepts waits for somebody who has not said a word yet, and
// may never.
inline constexpr std::chrono::seconds kNegotiationMaxActive{120};
inline constexpr std::chrono::seconds kNegotiationMaxPassive{5};
// [MS-SMBD] 3.1.2.2 and 3.1.5.1, with the values of Windows.
inline constexpr std::chrono::seconds kKeepaliveInterval{120};
inline constexpr std::chrono::seconds kKeepaliveAnswerMax{5};

// How long a READ or WRITE waits for memory that the card reaches, while others have all of it.
// Those that have it give it back when their peer's card and a disk have done their part; a client
// gives up after 30 s or more.
inline constexpr std::chrono::seconds kCardMemoryPatience{20};

// With one credit each way two ends that have nothing to say would hand it to and fro for ever:
// who takes one has to give one back at once.
inline constexpr uint16_t kCreditsMin = 2;
// A peer has not more receives than a 16-bit number says, whatever it adds up to.
inline constexpr uint32_t kSendCreditsMax = 0xFFFF;

}  // namespace braid::transport::smbdirect

// Limits of the transports, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace braid::transport {

// [MS-SMB2] 2.1 "Transport": a zero and the 24-bit length, in front of each message.
inline constexpr size_t kLengthHeaderSize = 4;

// What the 24-bit length of [MS-SMB2] 2.1 "Transport" can say. An 8 MiB WRITE with its headers is
// about half of it.
inline constexpr size_t kFrameSizeMax = 0xFFFFFF;

// What a connection may have received that no receive() gave yet, as another process takes it: a
// message but for its last byte, or what one read took.
inline constexpr size_t kHandedReceivedMax = kLengthHeaderSize + kFrameSizeMax + 64 * 1024;

// The receive limit a transport starts with. Before a session is authenticated the largest
// messages are NEGOTIATE and a SESSION_SETUP with a Kerberos ticket (its offset and length fields
// are 16 bits wide), so anything longer is not worth its memory.
inline constexpr size_t kReceiveLimitInitial = 72 * 1024;

// One read of the socket: some hundred small requests. A connection begins with the smaller one,
// which is all that one request at a time needs, and has the larger once a read has filled it.
inline constexpr size_t kReadBufferSize = 64 * 1024;
inline constexpr size_t kReadBufferSizeInitial = 8 * 1024;

// After a large message the next read takes no more than this into the read buffer, since what
// follows a large WRITE usually is another one, and its payload should be received in place.
inline constexpr size_t kReadAheadAfterLarge = 512;

// A message of which at least this much is still missing gets its own Buffer at once, and the rest
// is received into that.
inline constexpr size_t kDirectReceiveMin = 8 * 1024;

// While at least so much of a large message is missing, the kernel wakes nobody for less than the
// second, or all that is missing. Each time costs as much as copying 50 KiB.
inline constexpr size_t kLowWaterMin = 64 * 1024;
inline constexpr size_t kLowWaterMax = 256 * 1024;

// How far behind a page a message begins that gets its own Buffer. Behind the headers of a WRITE
// its data (at 112 of the message, [MS-SMB2] 2.2.21 "SMB2 WRITE Request", and 52 more in an
// encrypted one, which begins with 0xFD, 2.2.41 "SMB2 TRANSFORM_HEADER") is then at a multiple of
// 64, from where the kernel copies a MiB into a file of ext4 in 45 us instead of 60 to 70.
inline constexpr size_t kLeadPlain = 16;
inline constexpr size_t kLeadSealed = 28;
inline constexpr uint8_t kFirstByteSealed = 0xFD;

// writable() waits while more than this is unsent. Two of the largest READ responses: one in the
// socket's hands, one ready.
inline constexpr uint64_t kUnsentMax = 16 * 1024 * 1024;

// A peer that takes nothing for this long while something waits for it is dropped. Clients give a
// server up that is silent for as long, and what waits here takes memory from others.
inline constexpr std::chrono::seconds kTakesNothingMax{60};

// How long a peer is silent before the kernel asks whether it is still there. The kernel's own idle
// time is two hours: a peer that lost its link and came back by another one would leave its old
// connections to count against its limits for that long.
inline constexpr std::chrono::seconds kKeepaliveIdle{30};

// How long a peer waits to be read from while its share of the memory is taken. By then whoever did
// not read is gone; what is still held is what the peer asked to be kept.
inline constexpr std::chrono::seconds kMemoryPatience{150};

// Parts given to one sendmsg. Linux takes 1024; this many frames already hide the call's cost.
inline constexpr size_t kGatherMax = 64;

}  // namespace braid::transport

// Every limit of the processes of braidd, with its reason. Nothing here is configurable: these
// guard what is reachable before anyone has logged on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace braid::braidd {

using namespace std::chrono_literals;

// What a client may do before its NEGOTIATE has been handed to a worker.
struct FrontLimits {
  // The first message. A NEGOTIATE with every context is under 1 KiB; 64 KiB is what the largest
  // list of contexts the structure can count may reach, and fits one message between processes.
  size_t first_frame_bytes_max = 65'536;
  // From accept() to the last byte of the first message. Clients send it at once; ten seconds
  // forgive two lost packets on the slowest line.
  std::chrono::nanoseconds first_frame_time = 10s;
  // Connections without a complete first message. At 64 KiB each this is 64 MiB, and it is a
  // quarter of the descriptors a process has by default when the hard limit is 4096.
  size_t pending_max = 1'024;
  // Of these, from one IPv4 address or one IPv6 /64. A client opens 32 channels at most, and
  // several clients may share an address behind a NAT.
  size_t pending_per_address_max = 128;
  // Connections that wait for one worker to take them: while it is started again, or behind.
  size_t handovers_max = 512;
  // Of these, sent and not acknowledged. The kernel limits descriptors in flight per user.
  size_t handovers_in_flight_max = 64;
  // How long one may wait. A client gives up on a NEGOTIATE after 10 to 60 seconds; a worker is
  // back within one.
  std::chrono::nanoseconds handover_time = 15s;
  // accept() calls per wake-up, so that a flood of connections does not keep those waiting from
  // being read.
  size_t accepts_per_wake = 64;
  // Pause after accept() ran out of descriptors or memory; without one the loop would spin.
  std::chrono::nanoseconds accept_pause = 100ms;
  // After the order to drain: how long the front waits for its workers to take what is queued.
  std::chrono::nanoseconds drain_time = 2s;
};

// Descriptors of the front that are no connection: listeners, epoll, control, the log.
inline constexpr size_t kFrontOwnDescriptors = 40;
// RLIMIT_NOFILE below which the server does not start: with less, what it opens for itself leaves
// a handful of files to clients.
inline constexpr size_t kDescriptorsMin = 256;
// Below this a few clients with many files open feel it; the log says so. systemd gives services
// half a million, braid's unit asks for one.
inline constexpr size_t kDescriptorsEnough = 16'384;

// Backlog of each listener; the kernel cuts it to net.core.somaxconn.
inline constexpr int kListenBacklog = 1'024;
// Connections that a worker keeps for another while the front does not take them: as many as wait
// for one worker there.
inline constexpr size_t kPassedOnMax = 512;
// A message between processes: the first frame and its heading.
inline constexpr size_t kLinkMessageMax = 65'536;
// Send buffer of a link (link.h): a handful of the largest messages.
inline constexpr int kLinkBufferBytes = 1 << 20;

// A child that lived this long had started well: the next start is immediate again.
inline constexpr auto kHealthyLife = 10s;
// Delay before the second quick restart; doubles with each. The first is immediate.
inline constexpr auto kRestartDelayFirst = 100ms;
// Clients wait this long for a connection anyway, and what is started again every two seconds in
// vain costs the machine little.
inline constexpr auto kRestartDelayMax = 2s;
// From the start of all processes to the last "ready". Loading a large handle log takes seconds.
inline constexpr auto kStartTime = 60s;
// SIGTERM: how long workers may take to finish what clients have asked for.
inline constexpr auto kDrainTime = 10s;
// An upgrade, step by step: what the new program says of itself and of the configuration; requests
// in progress, those of a disk that hangs being left behind; what waits for its client on its way
// to the new workers, and their part of it; the end of the old ones, whose logs have to be written.
// The new ones have kStartTime before that, and as long again to read the logs.
inline constexpr auto kAskTime = 10s;
inline constexpr auto kSuspendTime = 5s;
inline constexpr auto kHandOverTime = 20s;
inline constexpr auto kLeaveTime = 10s;
// SIGKILL: how long a process may take to end. Longer only if it waits for a disk that hangs.
inline constexpr auto kKillTime = 2s;

}  // namespace braid::braidd

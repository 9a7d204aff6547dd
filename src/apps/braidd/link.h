// Messages between the processes of braidd, with at most one descriptor each.
#pragma once

#include <cstdint>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::braidd {

enum class MessageKind : uint32_t {
  kConnection = 1,  // front to worker: the socket; payload: its first frame; number: for kAccepted
  kContinued,       // the same; a worker has answered the SMB1 NEGOTIATE before the frame
  kMapperConnection,   // as kConnection, to the endpoint mapper: a socket and its bind
  kWitnessConnection,  // the same, to Witness
  kPassedOn,   // worker to front: a socket for another worker, to be sent there as kContinued
  kAccepted,   // worker to front: the connection `number` is the worker's alone from now on
  kLink,       // supervisor to both: the end of a link; number: the index of the worker
  kConfig,     // supervisor to worker: a memory file with the new text of the configuration
  kDrain,      // supervisor to both: take nothing new, finish, exit
  kReady,      // both to supervisor: up; number: of a worker, the kLiveVersion up to which it reads
  kLogLevel,   // supervisor to front: number: the log::Level from now on
  kCardLink,   // supervisor to worker: the end of a link to the process with the network cards
  kCardShare,  // worker to that: what they share, one of four; number: the bytes of the memory
  kNoCards,    // that to supervisor, before it ends: number: of what it has said about why
  kWorkerEnded,  // supervisor to workers: another of them is no more; number: its process id
  // Of an upgrade, in this order: upgrade.h.
  kListener,   // probe to supervisor: a new listening socket; number: which listener of the plan
  kPlanText,   // the same: the configuration
  kPlan,       // the same: what to start
  kRefused,    // probe or new worker to supervisor: no upgrade; payload: why, a line
  kSuspend,    // supervisor to old worker: take no requests any more; number: 1 if kLive can go
  kSuspended,  // back: it takes none
  kPeer,      // supervisor to old and new worker: the end of a link between them; number: the other
  kHandOver,  // supervisor to old worker: all that waits for clients; number: how many new ones
  kState,     // old worker to new: a sealed memory file; number: how many kFile follow
  kFile,      // the same: the descriptor of a file
  kTakeOver,  // supervisor to new worker: what comes from the old ones; number: how many they are
  kTaken,     // back: it is here; number: how many opens
  kGoOn,      // supervisor to old worker: nothing came of it
  kLeave,     // supervisor to old worker: end
  kServe,     // supervisor to new worker: the old ones have ended; kReady is the answer
  kAccept,    // supervisor to new front: take connections
  kHeir,      // supervisor to old front: the link to the new one, which gets all there is
  kBefore,    // supervisor to new front: the other end
  kPending,   // old front to new: a connection and what it has said; number: the Service
  kUpgraded,  // supervisor to workers; number: how many attempts ended; payload: UpgradeNews
  kNotUpgraded,  // the same; payload: why, a line
  kLive,       // old worker to new: as kState, of connections, which kFile brings, and all that is
               // theirs
  kLiveComes,  // supervisor to new worker, before kTakeOver: the old one sends that, too
  kLeft,       // old worker to supervisor: it has written all there was, and ends
};

struct Message {
  MessageKind kind{};
  uint64_t number = 0;
  UniqueFd fd;
  bool is_fd_lost = false;  // it came with one, for which this process had no room
  Buffer payload;
};

// Two connected ends of a SOCK_SEQPACKET Unix socket, closed on exec: a message arrives whole or
// not at all, and in order.
Result<std::pair<UniqueFd, UniqueFd>> make_link();

// Never blocks. EAGAIN when the other side is behind, EPIPE when it is gone.
Result<void> send_message(int link, MessageKind kind, uint64_t number = 0, int fd = -1,
                          ByteView payload = {});
// Waits for room.
Result<void> send_message_waiting(int link, MessageKind kind, uint64_t number = 0, int fd = -1,
                                  ByteView payload = {});

// Never blocks. EAGAIN when there is nothing, EPIPE when the other side is gone and everything it
// sent has been read.
Result<Message> receive_message(int link);
// Waits for it.
Result<Message> receive_message_waiting(int link);

}  // namespace braid::braidd

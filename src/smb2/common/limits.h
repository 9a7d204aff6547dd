// Every limit of the protocol engine, with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "runtime/worker_pool.h"

namespace braid::smb2 {

// MaxTransactSize, MaxReadSize, MaxWriteSize with multi-credit: what Windows and Samba announce.
inline constexpr uint32_t kMaxTransferSize = 8u << 20;
// The same without multi-credit (2.0.2): one credit's worth.
inline constexpr uint32_t kMaxTransferSizeSingleCredit = 64u << 10;
// One credit pays for this much payload: [MS-SMB2] 3.1.5.2.
inline constexpr uint32_t kBytesPerCredit = 64u << 10;

// Credits a connection may hold, also the width of its CommandSequenceWindow: what Windows Server
// and Samba grant. With 64 KiB a credit it bounds a client's requests in flight to 512 MiB.
inline constexpr uint32_t kCreditsMax = 8192;
// Requests of one connection that may be waiting with an interim response. Each may hold a CREATE,
// lock or notify in memory for as long as the client likes.
inline constexpr uint32_t kAsyncRequestsMax = 512;
// A request on the worker pool that takes longer than one to two of these, since the disk does, the
// file system below or what others do meanwhile, gets an interim response, upon which clients wait
// on: without any sign of life they give the connection up after about a minute. Not sooner, as for
// almost all it would be one more message and nothing else.
inline constexpr std::chrono::milliseconds kSlowRequestTick{1000};

// The largest frame before a session is valid on the connection, and with one credit the only one:
// the offset and the length of a SESSION_SETUP's token are 16 bits wide.
inline constexpr uint32_t kFrameMaxUnauthenticated = 72u << 10;
// The largest frame afterwards, either way: the largest write or read, its headers and a transform
// header. The answers of a compound that are more together go into frames of their own.
inline constexpr uint32_t kFrameMax = kMaxTransferSize + (64u << 10);
// Frames and answers that are verified, decrypted, signed or encrypted on the reactor: above, a
// pool thread does it. It takes a millisecond for each MiB, and 8 MiB would make all other
// connections of the reactor wait.
inline constexpr size_t kProtectedInlineMax = 256u << 10;
// Elements of one compound: far more than any client sends.
inline constexpr size_t kCompoundMax = 64;
// SESSION_SETUP exchanges that may be unfinished on one connection, those that are being judged or
// wait for that among them; each holds an authentication context, which counts as memory. Clients
// begin with some twenty at once.
inline constexpr size_t kSessionSetupsInProgressMax = 32;

// Sessions of one connection, trees of a session, opens of a session. Terminal servers hold
// hundreds of sessions on one connection; an open costs a descriptor.
inline constexpr size_t kSessionsPerConnectionMax = 4096;
// Sessions that have ended on a connection and of which it keeps the signing key: clients have few
// requests under way for one that is gone, and begin no other before they know.
inline constexpr size_t kEndedSessionsMax = 4;
inline constexpr size_t kTreesPerSessionMax = 4096;
inline constexpr size_t kOpensPerSessionMax = 65536;
// Descriptors that are neither a client's connection nor its open: of shares, of what one request
// opens for its time on each of 64 threads, of reactors. An eighth of RLIMIT_NOFILE within these.
inline constexpr size_t kOwnDescriptorsMin = 128;
inline constexpr size_t kOwnDescriptorsMax = 1024;
// Connections of one address over which nobody has logged on: eight clients with all of their
// channels at the same moment. A quarter of those of all strangers when that is less.
inline constexpr size_t kStrangersPerAddressMax = 256;
// Channels of a session: Windows Server's number.
inline constexpr size_t kChannelsPerSessionMax = 32;
// Lost channels of a session whose requests still run. Each keeps a connection in memory, until its
// CREATEs and breaks have waited long enough; a client that loses more is not unlucky.
inline constexpr size_t kLostChannelsPerSessionMax = 64;

// What things cost that stay until their client lets go of them, in bytes, rather too many than too
// few: an open with what is kept of its file in every table, a tree connect, a session with its
// keys, the names a directory listing has read ahead, a SESSION_SETUP that is not done.
inline constexpr size_t kOpenSize = 3u << 10;
inline constexpr size_t kLockSize = 96;  // a byte-range lock
inline constexpr size_t kTreeSize = 1u << 10;
inline constexpr size_t kSessionSize = 12u << 10;
inline constexpr size_t kEnumerationSize = 64u << 10;
inline constexpr size_t kSessionSetupSize = 64u << 10;
// What a request costs while it is under way, beside its frame and its answer.
inline constexpr size_t kRequestSize = 2u << 10;
// How long a request waits for the memory that its answer needs, since any of its connection got
// some. Clients wait for a minute, with
// others behind it.
inline constexpr std::chrono::seconds kMemoryWait{10};
// A CREATE may wait for breaks, and its frame with it. Names, extended attributes and security
// descriptors are 64 KiB each at most.
inline constexpr size_t kCreateSizeMax = 256u << 10;
// Threads for logons, which wait for a key distribution center or a name service and not for files;
// half of them for one address, behind which many users may be.
inline constexpr WorkerPoolLimits kLogonPoolLimits{.threads = 4, .per_user = 2, .per_share = 4};

// How often a connection is looked at that is to come to rest, before another process goes on with
// it; and how long one may wait meanwhile for what clients decide, whose answers nobody reads any
// more: for an answer that is on its way through this process.
inline constexpr std::chrono::milliseconds kRestLook{1};
inline constexpr std::chrono::milliseconds kRestOfWaits{100};
// And how long its client may take to end a logon that is under way.
inline constexpr std::chrono::milliseconds kRestOfLogons{300};
// Of messages of one connection that wait and that the next process asks again.
inline constexpr size_t kAsideMax = 1u << 20;

// SMB2 IOCTL and QUERY_INFO inputs are small structures, except pipe writes and EA lists.
inline constexpr uint32_t kQueryInfoInputMax = 64u << 10;

// What a request does on the worker pool before others have their turn, so that none waits for
// another's longer than some milliseconds of a disk that answers. Names of a directory, each of
// which may cost a look at its file:
inline constexpr size_t kNamesPerTurn = 128;
// Fewer of them where each has to be compared with a pattern of many wildcards, so that words of
// bits stay below this: NameExpression.
inline constexpr size_t kPatternWordsPerTurn = 100'000;
// Bytes copied or zeroed, and more, up to a limit that doubling stays clear of, where so much takes
// less than this:
inline constexpr uint64_t kBytesPerTurn = 8u << 20;
inline constexpr std::chrono::milliseconds kQuickTurn{1};
inline constexpr uint64_t kBytesPerQuickTurnMax = uint64_t{1} << 50;
// Ranges that are trimmed or told, each a system call or two:
inline constexpr size_t kRangesPerTurn = 128;
// What a user's connections have done on a reactor, with files that are in memory above all, before
// others there have their turn: a kQuickTurn. A CREATE is one piece of that as long as its name, of
// which the kernel looks up each component, has no more bytes than this:
inline constexpr size_t kNameAtOnceMax = 1024;

// FSCTL_SRV_COPYCHUNK: [MS-SMB2] 3.3.3, the numbers of Windows. Clients ask once for more to learn
// them.
inline constexpr uint32_t kCopychunkCountMax = 256;
inline constexpr uint32_t kCopychunkSizeMax = 1u << 20;
inline constexpr uint32_t kCopychunkTotalMax = 16u << 20;
// FSCTL_FILE_LEVEL_TRIM: ranges of one request, as each costs a system call.
inline constexpr size_t kTrimRangesMax = 4096;

// FSCTL_OFFLOAD_WRITE: what one request copies at most; the answer says how much it was. A second
// or so of a slow disk.
inline constexpr uint64_t kOffloadWriteMax = 64u << 20;
// How long a token is good for when the client does not say, and at most: it is used at once, or
// after the copies before it.
inline constexpr std::chrono::seconds kOffloadTokenLifetime{30};
inline constexpr std::chrono::minutes kOffloadTokenLifetimeMax{5};

// The largest file, offset and position: what a signed number holds.
inline constexpr uint64_t kSizeMax = ~uint64_t{0} >> 1;
// Of the disk that clients are shown.
inline constexpr uint32_t kSectorSize = 512;

// A channel that was silent for so much longer than another of the client is not the first to get a
// break: what is sent in one go over all of them does not differ by that much.
inline constexpr std::chrono::seconds kChannelSilenceMax{2};

// Wait for the client's acknowledgement of an oplock or lease break: [MS-SMB2] 3.3.2.1, 3.3.2.5.
inline constexpr std::chrono::seconds kBreakTimeout{35};
// The same of a persistent open, whose client may just be on its way back: of an oplock, and of a
// lease. [MS-SMB2] 3.3.4.6 and 3.3.4.7, notes <246> and <247>.
inline constexpr std::chrono::seconds kPersistentOplockBreakTimeout{60};
inline constexpr std::chrono::seconds kPersistentLeaseBreakTimeout{180};

// How long an open outlives its connection. A client's wish counts up to 5 minutes, Windows' limit
// for durable and for resilient opens; longer only blocks others behind a client that is gone.
inline constexpr std::chrono::milliseconds kDurableTimeoutMax{300'000};
// Of SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2 with a Timeout of 0: Windows' and Samba's.
inline constexpr std::chrono::milliseconds kDurableTimeoutDefault{60'000};
// Of SMB2_CREATE_DURABLE_HANDLE_REQUEST, which names none: [MS-SMB2] 3.3.5.9.6, Windows 8 and
// later.
inline constexpr std::chrono::milliseconds kDurableV1Timeout{120'000};
// Of FSCTL_LMR_REQUEST_RESILIENCY with a Timeout of 0: [MS-SMB2] 3.3.5.15.9, Windows 8 and later.
inline constexpr std::chrono::milliseconds kResilientTimeoutDefault{120'000};
// Opens of a worker that are kept without a client; what is lost above it is closed. Each holds a
// descriptor that no client's own limit counts.
inline constexpr size_t kDisconnectedOpensMax = 65536;

// A connection without any authenticated session is dropped after this long.
inline constexpr std::chrono::seconds kUnauthenticatedTimeout{60};

}  // namespace braid::smb2

// Byte-range locks of clients as locks of the kernel, where local_access = "strict", or
// local_locks.
#pragma once

#include <span>

#include "base/result.h"
#include "filestate/types.h"

namespace braid::smb2 {

class Open;
class FileServices;
struct Share;

// [MS-SMB2] 3.3.5.14 "Receiving an SMB2 LOCK Request" knows locks of clients only; these are the
// same for local programs and NFS, by fcntl(2), F_OFD_SETLK: advisory there, and what they have
// locked is not to be had. What the kernel has no lock for is the clients' alone: ranges that begin
// behind 2^63 - 1, of no bytes, and a shared lock through an open that may only write. An exclusive
// one through an open that may only read is a shared one there.
//
// Thread: any; nothing waits, as the file system is one of this machine.

// Whether locks of a share's opens are told at all; of this open, where the kernel has any for it.
bool has_local_locks(const Share& share);
bool has_local_locks(const Open& open);
// After filestate has granted them. EAGAIN: somebody local has one, and some are taken:
// give_local_locks(), then filestate gets all of them back, then keep_local_locks().
Result<void> take_local_locks(const Open& open, std::span<const filestate::LockRange> ranges);
// Before filestate gives them to another client.
void give_local_locks(const Open& open, std::span<const filestate::LockRange> ranges);
// After that: clients count locks, the kernel knows bytes, and so those that the open still has and
// that overlap these are taken again.
void keep_local_locks(FileServices& files, const Open& open,
                      std::span<const filestate::LockRange> ranges);
// All that it has, before it is closed: its descriptor may live on in a guard.
void drop_local_locks(const Open& open);

}  // namespace braid::smb2

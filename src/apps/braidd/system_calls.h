// The system calls that a process of braidd may still make, once it has what it needs.
#pragma once

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

namespace braid::braidd {

// In a sanitizer's build more is allowed: what its runtime does beside the program.
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);

enum class Role { kFront, kWorker, kSupervisor, kRdma, kKeeper };

// Refuses all but those of system_call_lists.h, for this thread and those it starts later; for
// good, also through programs that it runs. Arguments count for the ones that can do very
// different things: socket families, ioctl, prctl, what clone makes, memory that can be run.
//
// Something else ends the front, which makes a few calls of its own and loads no library later:
// it can only be an intruder's. A worker is not ended for what a library might try by itself, a
// name service or a newer libc, since everybody it serves would pay: the call fails with ENOSYS,
// as on an older kernel, and one line for each call says so. What no library tries (mount, ptrace,
// running a program) ends the worker, too. The process with the network cards and the keeper are as
// a worker. The supervisor's list is that of its children and what it starts them with, as they
// begin with it; beyond that ENOSYS.
//
// The log is prepared first, so that every role may write lines.
//
// `starts_cards`: of the supervisor, one of whose children has the network cards.
//
// A kernel without seccomp changes nothing, and a line says so. REQUIRES: one thread.
void restrict_system_calls(Role role, bool starts_cards = false);

}  // namespace braid::braidd

// What a process of braidd gives up once it has what it needs. docs/privileges.md draws the whole.
#pragma once

#include <cstdint>

#include "config/config.h"

namespace braid::braidd {

// For the front: user and groups "nobody" and no capabilities when started as root, nothing to gain
// by running a program, no access to any file by name where the kernel has Landlock, and only the
// system calls of its work (system_calls.h). What is open stays usable. Ends the process if root
// cannot be given up. REQUIRES: one thread.
void enter_front_sandbox();

// For the process with the network cards, before it opens one: as the front, but that it may open
// and ask the devices of RDMA, read the files of their libraries, and keeps CAP_NET_BIND_SERVICE.
// The kernel lets nobody use a device of RDMA whose rights have changed since he opened it, so
// nothing can be given up later but system calls: restrict_system_calls(), when it listens.
// REQUIRES: one thread.
void enter_rdma_sandbox();

// For the keeper of a cluster's node: it stays root, whose ctdb's socket and files are, without any
// of root's capabilities, and with the system calls of its work. REQUIRES: one thread.
void enter_keeper_sandbox();

// Dies with the supervisor, and leaves SIGTERM, SIGINT and SIGHUP to it: a terminal or a service
// manager sends them to every process at once, and the supervisor turns them into orders.
void become_child_of_supervisor();

// For a process that serves files: modes are what the server asks for, and quotas and reserved
// blocks count for users although the process is root. It keeps the capabilities that acting as
// users takes, the files of file_access.h and the system calls of its work; programs that it might
// run would gain nothing. `reads_config`: it has no supervisor that does. REQUIRES: one thread, so
// that later ones inherit it.
void enter_worker_sandbox(const config::Config& config, bool reads_config);

// For the supervisor, once its sockets are bound: the capabilities of those it starts and to end
// them, and the system calls for that. `binds_rdma`: what it starts listens for RDMA by itself, as
// sockets of that kind cannot be handed on. The list of system calls is there already in a process
// that has been a supervisor before, as nothing takes it away. REQUIRES: one thread.
enum class CallList : uint8_t { kIsMade, kIsThere };
void enter_supervisor_sandbox(bool binds_rdma, CallList call_list);

}  // namespace braid::braidd

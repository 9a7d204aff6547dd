// What a process of braidd gives up once it has what it needs. docs/privileges.md draws the whole.
#pragma once

namespace braid::braidd {

// For the front: user and groups "nobody" and no capabilities when started as root, nothing to gain
// by running a program, no access to any file by name where the kernel has Landlock. What is open
// stays usable. Ends the process if root cannot be given up. REQUIRES: one thread.
void enter_front_sandbox();

// Dies with the supervisor, and leaves SIGTERM, SIGINT and SIGHUP to it: a terminal or a service
// manager sends them to every process at once, and the supervisor turns them into orders.
void become_child_of_supervisor();

// For a process that serves files: modes are what the server asks for, and quotas and reserved
// blocks count for users although the process is root. REQUIRES: one thread, so that later ones
// inherit it.
void prepare_to_act_as_users();

}  // namespace braid::braidd

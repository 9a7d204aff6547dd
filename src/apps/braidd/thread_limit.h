// How many threads there can be, and what to do when they are too few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "config/config.h"

namespace braid::braidd {

// Threads of a worker that serve connections, and those that one share may hold for what may wait
// for its disk.
size_t reactor_count(const config::Server& settings);
size_t pool_threads_of_share(const config::Server& settings);

// Threads of all workers together, and of the others, as `settings` ask for them.
uint64_t thread_count(const config::Server& settings);

// How many threads the machine lets this process and those it starts have, and which limit says so.
struct ThreadRoom {
  uint64_t count = 0;
  std::string limit;  // "the machine (kernel.threads-max)"
};
// Reads /proc and the control group's files. Limits that cannot be read are none.
ThreadRoom thread_room();

// A line for the administrator when there are too few for `settings`. What others of the same user
// or control group run is not known here, so a start may fail all the same: no_threads().
std::expected<void, std::string> check_thread_limit(const config::Config& config,
                                                    const ThreadRoom& room);

// The line for threads that could not be made, because of `why`.
std::string no_threads(const config::Config& config, const std::string& why);

}  // namespace braid::braidd

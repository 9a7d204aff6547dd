// What happened lately, as an administrator sees it.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace braid::admin {

// An array with one object for each of the last lines of this worker's log, oldest first:
//   time, level   "2026-11-30T09:00:00Z"; info, warning or error
//   text          the line, printable
// Thread: any.
nlohmann::json events();

}  // namespace braid::admin

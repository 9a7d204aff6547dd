// Whether the folder of a share can be had, for those who must not wait for its disk.
#pragma once

#include <string>
#include <string_view>

namespace braid::smb2 {

inline constexpr std::string_view kOutOfReach =
    "this process was started without the right to reach it; restart braidd";

// Whether this process may not reach the directory `folder` (O_PATH will do) although its user may:
// Landlock lets O_PATH through and nothing else. Rules cannot be widened while a process runs.
bool is_out_of_reach(int folder);

// Begins to look at `path` on a thread of its own, unless one does already: a folder that does not
// answer keeps one thread, however often it is asked for. Never blocks.
// Thread: any that acts as the server.
void begin_look(const std::string& path);
// Why a client could not connect to a share at `path`; empty when it could. Waits until kAskTime
// after begin_look(), which it calls if need be; then it "does not answer".
std::string absence_of(const std::string& path);

}  // namespace braid::smb2

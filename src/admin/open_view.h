// Open files and pipes, as an administrator sees them.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "filestate/types.h"

namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// What the views of opens, of locks and of leases start from.
struct ShownOpen {
  // session, user, open (its number), share, path (as clients write it, with the stream). Without a
  // session when its client is away.
  nlohmann::json names;
  std::optional<filestate::OpenRef> ref;  // none of a pipe
  ClientGuid client_guid;
  filestate::UserId user;
  std::string_view kind;  // file, directory, stream, pipe
  uint32_t access = 0;
  uint32_t sharing = 0;
  filestate::Durability durability{};   // what it was promised for the loss of its connection
  std::optional<Clock::Instant> until;  // its client is away, and may come back until then
};
// Each open of a session, and each that waits for its client. Thread: any.
void for_each_open(const smb2::Server& server, const std::function<void(ShownOpen)>& show);

// "RHW", or fewer of them.
std::string caching_letters(filestate::Caching caching);

// What `access` lets do, in words: "read", "write", "append", "list", "add", "execute", "delete",
// "permissions", "owner"; "attributes" if that is all.
std::vector<std::string_view> rights_in_words(uint32_t access, bool is_directory);

// An array with one object for each open: its names as above, kind, access (hexadecimal), rights
// (as above), sharing and caching (letters of "rwd" and "RHW"), locks (how many), durability (none,
// durable, resilient, persistent), seconds_left, null unless its client is away, and log, the name
// of the handle log that a persistent one is in, null of others. Thread: any.
nlohmann::json opens_of(const smb2::Server& server);

}  // namespace braid::admin

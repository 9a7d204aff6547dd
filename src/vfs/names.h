// How one name is spelled: for the client, on disk, and for comparing without regard to case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/fold.h"

namespace braid::vfs {

// How the names begin under which the server makes what it cannot make without a name, until it
// has the one that it is made for.
inline constexpr std::string_view kUnfinishedPrefix = ".braid-new-";
// Whether this is such a name, of a client or on disk. No client sees or reaches what has one.
bool is_unfinished(std::string_view name);

// A name on disk is bytes; a client sees UTF-16. What Windows cannot have in a name is shown to it
// as characters of the private use area, and comes back from it as what it was:
//
// - the bytes 0x01 to 0x1F as U+F001 to U+F01F, and " * : < > ? \ | as U+F020 to U+F027, as clients
//   on Mac and Linux do it;
// - a space and a dot at the very end as U+F028 and U+F029;
// - a byte that is not part of UTF-8 as U+F100 + the byte.
//
// What a name on disk holds of these characters itself is shown as its bytes in the same way, and
// so are two surrogates that UTF-16 would make one character of. So for each name on disk
// to_disk(to_client(name)) is that name.
std::string to_client(std::string_view disk_name);
std::string to_disk(std::string_view client_name);

// `client_name` with the dot or blank at its very end that to_client() shows as another character;
// nothing if it ends in neither.
std::optional<std::string> with_plain_end(std::string_view client_name);

// How clients with the SMB3 POSIX Extensions see a name on disk: as it is, or as to_client() shows
// it where it is not UTF-8 or has one of those characters. to_disk() undoes this, too.
std::string to_posix_client(std::string_view disk_name);

// True when to_client() leaves the name as it is: the usual case, found without an allocation.
bool is_plain(std::string_view disk_name);

// (W)UTF-8 with each letter and its marks as one character where there is one, normalization form C
// of Unicode; as it is where it is not UTF-8.
std::string composed(std::string_view name);

// Two names are the same for a client when their folded forms are.
inline std::string fold(std::string_view name) { return wire::fold(name); }
inline bool equal_folded(std::string_view a, std::string_view b) { return wire::equal_fold(a, b); }
// A hash of fold(name): equal for names that are the same to a client.
uint64_t fold_hash(std::string_view name);
// FileKey::stream of a stream so named; never 0.
uint64_t stream_key(std::string_view stream_name);

// UTF-16 units of a (W)UTF-8 name; what [MS-FSCC] 2.1.5 limits.
size_t utf16_units(std::string_view name);

}  // namespace braid::vfs

// Where systemd's journal takes lines.
#pragma once

namespace braid::config {

inline constexpr const char* kJournalSocket = "/run/systemd/journal/socket";

}  // namespace braid::config

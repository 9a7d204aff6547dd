#include "admin/event_view.h"

#include <nlohmann/json.hpp>

#include "admin/protocol.h"
#include "base/recent_lines.h"

namespace braid::admin {

nlohmann::json events() {
  nlohmann::json all = nlohmann::json::array();
  for (log::RecentLine& line : log::recent_lines()) {
    const char* const level = line.level == log::Level::kError     ? "error"
                              : line.level == log::Level::kWarning ? "warning"
                                                                   : "info";
    all.push_back(
        {{"time", time_text(line.time)}, {"level", level}, {"text", std::move(line.text)}});
  }
  return all;
}

}  // namespace braid::admin

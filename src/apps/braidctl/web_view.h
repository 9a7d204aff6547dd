// What the page of braidctl web shows.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace braid::braidctl {

// Since the server started, of all workers.
struct WebTraffic {
  uint64_t bytes_read = 0;  // by clients
  uint64_t bytes_written = 0;
  uint64_t logons_failed = 0;
};

// Each as braidctl --json prints it.
struct WebView {
  nlohmann::json status;                              // null: nobody answers
  std::string why;                                    // then
  nlohmann::json sessions = nlohmann::json::array();  // empty too when there are too many to show
  nlohmann::json opens = nlohmann::json::array();     // the same
  nlohmann::json shares = nlohmann::json::array();
  nlohmann::json events = nlohmann::json::array();  // newest first
  WebTraffic traffic;
  // Since the view before, for which `seconds` is 0 if there was none.
  double seconds = 0;
  uint64_t bytes_read_more = 0;
  uint64_t bytes_written_more = 0;
};

}  // namespace braid::braidctl

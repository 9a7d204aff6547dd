// WebSource: what braidctl web tells, asked of the server's workers.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "admin/protocol.h"
#include "apps/braidctl/web_view.h"

namespace braid::braidctl {

// What was asked a moment ago is not asked again, however many look. Thread: one at a time; each
// blocks as admin::ask_workers() does.
class WebSource {
 public:
  WebSource(std::string config_file, std::string state_dir)
      : config_file_(std::move(config_file)), state_dir_(std::move(state_dir)) {}

  std::shared_ptr<const WebView> look();
  // As Prometheus reads them. The error is a line: nobody answers.
  std::expected<std::string, std::string> metrics();
  // Ends a session or an open, and forgets what was asked before. The error is a line.
  std::expected<void, std::string> order(const admin::ControlRequest& request);

 private:
  using Instant = std::chrono::steady_clock::time_point;

  void fill(WebView& view) const;
  nlohmann::json rows_of(admin::Command command) const;

  const std::string config_file_;
  const std::string state_dir_;
  std::shared_ptr<const WebView> view_;  // null: to be asked anew
  Instant view_at_{};
  std::optional<WebTraffic> traffic_before_;
  std::optional<std::expected<std::string, std::string>> metrics_;
  Instant metrics_at_{};
};

}  // namespace braid::braidctl

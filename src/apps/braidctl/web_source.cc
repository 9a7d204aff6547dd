#include "apps/braidctl/web_source.h"

#include <algorithm>
#include <future>
#include <utility>

#include "admin/control_client.h"
#include "admin/prometheus.h"
#include "apps/braidctl/json_values.h"
#include "apps/braidctl/status.h"
#include "config/config.h"
#include "config/salvage.h"

namespace braid::braidctl {
namespace {

using admin::Command;
using nlohmann::json;

constexpr std::chrono::milliseconds kStillNew{900};
// More are not asked for: it would cost the server more than a page is worth.
constexpr uint64_t kSessionsAskedMax = 1'000;
constexpr uint64_t kOpensAskedMax = 5'000;
constexpr size_t kEventsShown = 50;

uint64_t more(uint64_t is, uint64_t was) { return is > was ? is - was : 0; }

void count_traffic(WebTraffic& traffic, const json& metrics) {
  for (const json& metric : metrics) {
    const std::string name = text_of(metric, "name");
    const uint64_t value = number_of(metric, "value");
    if (name == "braid_share_read_bytes_total") traffic.bytes_read += value;
    if (name == "braid_share_written_bytes_total") traffic.bytes_written += value;
    if (name == "braid_logons_failed_total") traffic.logons_failed += value;
  }
}

// One row for each share: all workers have the same.
json each_once(const json& rows) {
  json shares = json::array();
  for (const json& row : rows) {
    const auto same = [&](const json& known) {
      return text_of(known, "share") == text_of(row, "share");
    };
    if (std::none_of(shares.begin(), shares.end(), same)) shares.push_back(row);
  }
  return shares;
}

// What is said again and again is one row, with the newest time and how often in "times".
json newest_first(const json& rows) {
  const json sorted = sorted_by(rows, "time");
  json events = json::array();
  for (auto at = sorted.rbegin(); at != sorted.rend() && events.size() < kEventsShown; ++at) {
    if (!events.empty() && text_of(events.back(), "text") == text_of(*at, "text")) {
      events.back()["times"] = number_of(events.back(), "times") + 1;
      continue;
    }
    events.push_back(*at);
    events.back()["times"] = uint64_t{1};
  }
  return events;
}

}  // namespace

std::expected<std::string, std::string> WebSource::metrics() {
  if (metrics_ && std::chrono::steady_clock::now() - metrics_at_ < kStillNew) return *metrics_;
  const auto answers = admin::ask_workers(state_dir_, {.command = Command::kMetrics});
  // A failure, too, is told to all who ask meanwhile: a worker that hangs is waited for once.
  if (answers) {
    metrics_.emplace(admin::prometheus_text(answers->results));
  } else {
    metrics_.emplace(std::unexpected(answers.error()));
  }
  metrics_at_ = std::chrono::steady_clock::now();
  return *metrics_;
}

std::shared_ptr<const WebView> WebSource::look() {
  const auto now = std::chrono::steady_clock::now();
  if (view_ && now - view_at_ < kStillNew) return view_;
  auto view = std::make_shared<WebView>();
  fill(*view);
  if (traffic_before_ && view->status.is_object()) {
    view->seconds = std::chrono::duration<double>(now - view_at_).count();
    view->bytes_read_more = more(view->traffic.bytes_read, traffic_before_->bytes_read);
    view->bytes_written_more = more(view->traffic.bytes_written, traffic_before_->bytes_written);
  }
  traffic_before_.reset();
  if (view->status.is_object()) traffic_before_ = view->traffic;
  view_at_ = std::chrono::steady_clock::now();
  view_ = std::move(view);
  return view_;
}

std::expected<void, std::string> WebSource::order(const admin::ControlRequest& request) {
  const auto answers = admin::ask_workers(state_dir_, request);
  if (!answers) return std::unexpected(answers.error());
  view_.reset();
  return {};
}

void WebSource::fill(WebView& view) const {
  const auto text = config::read_file(config_file_);
  std::expected<config::Snapshot, config::Problems> good = std::unexpected(config::Problems{});
  if (text) good = config::parse(*text, config_file_);
  config::Config asked = good ? **good : *config::salvage(text.value_or(""), config_file_);
  asked.server.state_dir = state_dir_;
  auto status = status_as_json(asked, good.has_value());
  if (!status) {
    view.why = status.error();
    return;
  }
  view.status = *std::move(status);
  // At once, so that a worker that hangs is waited for no longer than for one of them.
  const auto rows = [this](Command command, bool is_wanted = true) {
    return std::async(std::launch::async, [this, command, is_wanted] {
      return is_wanted ? rows_of(command) : json::array();
    });
  };
  auto sessions = rows(Command::kSessions, number_of(view.status, "sessions") <= kSessionsAskedMax);
  auto opens = rows(Command::kOpens, number_of(view.status, "opens") <= kOpensAskedMax);
  auto shares = rows(Command::kShares);
  auto events = rows(Command::kEvents);
  auto metrics = rows(Command::kMetrics);
  view.sessions = sessions.get();
  view.opens = opens.get();
  view.shares = each_once(shares.get());
  view.events = newest_first(events.get());
  count_traffic(view.traffic, metrics.get());
}

json WebSource::rows_of(Command command) const {
  json all = json::array();
  const auto answers = admin::ask_workers(state_dir_, {.command = command});
  if (!answers) return all;
  for (const auto& each : answers->results) {
    for (const json& row : each.result) all.push_back(row);
  }
  return all;
}

}  // namespace braid::braidctl

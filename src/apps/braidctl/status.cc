#include "apps/braidctl/status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <expected>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "admin/control_client.h"
#include "apps/braidctl/json_values.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/table.h"
#include "config/restart.h"

namespace braid::braidctl {
namespace {

using nlohmann::json;

constexpr int kNotWell = 1;
// A worker that was started again is trouble for so long.
constexpr uint64_t kRestartIsNewsS = 3'600;
// Of the memory that clients may take.
constexpr uint64_t kMemoryIsShortPercent = 90;

// How long the process has been there: an upgrade leaves it its number. 0 if nothing says it.
uint64_t uptime_of(uint64_t process) {
  std::ifstream stat(fmt::format("/proc/{}/stat", process));
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  std::ifstream uptime("/proc/uptime");
  double since_boot = 0;
  uptime >> since_boot;
  // proc_pid_stat(5): the name, in brackets, may have anything in it; starttime is the twentieth
  // behind it.
  size_t at = text.rfind(')');
  for (int i = 0; i < 20 && at != std::string::npos; ++i) at = text.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  const double started = static_cast<double>(std::strtoull(text.c_str() + at, nullptr, 10)) /
                         static_cast<double>(::sysconf(_SC_CLK_TCK));
  return since_boot > started ? static_cast<uint64_t>(since_boot - started) : 0;
}

std::string long_time(uint64_t seconds) {
  const std::string clock =
      fmt::format("{}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  const uint64_t days = seconds / 86'400;
  return days == 0 ? clock : fmt::format("{} day{}, {}", days, days == 1 ? "" : "s", clock);
}

std::string several(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

struct WaitingKey {
  std::string key;
  std::string file;  // its value there
  std::string runs;
};

// All that is known, put together.
struct Status {
  std::vector<std::string> troubles;
  std::vector<std::string> notes;  // worth knowing, and no trouble
  std::vector<WaitingKey> waiting;
  std::string version;
  uint64_t process = 0;
  uint64_t uptime = 0;
  uint64_t connections = 0;
  uint64_t sessions = 0;
  uint64_t opens = 0;
  std::set<std::string> users;
  json workers = json::array();
  json shares = json::array();  // absent, or with something wrong
  json penalties = json::array();
};

void add_worker(Status& status, size_t worker, const json& said) {
  status.version = text_of(said, "version");
  status.process = number_of(said, "supervisor");
  status.connections += number_of(said, "connections");
  status.sessions += number_of(said, "sessions");
  status.opens += number_of(said, "opens");
  for (const json& user : said.value("users", json::array())) {
    if (user.is_string()) status.users.insert(user.get<std::string>());
  }
  json row{{"worker", worker}};
  for (const char* key : {"pid", "uptime_seconds", "restarts", "connections", "sessions", "opens",
                          "memory_used", "memory_limit"}) {
    row[key] = number_of(said, key);
  }
  status.workers.push_back(std::move(row));
  const uint64_t restarts = number_of(said, "restarts");
  if (restarts > 0) {
    const uint64_t ago = number_of(said, "uptime_seconds");
    auto& lines = ago < kRestartIsNewsS ? status.troubles : status.notes;
    lines.push_back(
        fmt::format("worker {} was started again {}, the last time {} ago; the log "
                    "says why",
                    worker, several(restarts, "time"), long_time(ago)));
  }
  if (const json audit = said.value("audit", json()); audit.is_object()) {
    if (const std::string failure = text_of(audit, "failure"); !failure.empty()) {
      status.troubles.push_back(fmt::format("worker {}: the audit cannot be written to {}: {}",
                                            worker, text_of(audit, "target"), failure));
    }
    if (const uint64_t lost = number_of(audit, "lost"); lost > 0) {
      status.notes.push_back(
          fmt::format("worker {}: {} of the audit were lost", worker, several(lost, "line")));
    }
  }
  const uint64_t limit = number_of(said, "memory_limit");
  const uint64_t used = number_of(said, "memory_used");
  if (limit > 0 && used / (limit / 100 + 1) >= kMemoryIsShortPercent) {
    status.troubles.push_back(
        fmt::format("worker {}: clients have taken {} of the {} MiB they may; raise memory_limit",
                    worker, used >> 20, limit >> 20));
  }
  for (const json& share : said.value("shares", json::array())) {
    const std::string why = text_of(share, "why");
    if (why.empty()) continue;
    const auto same = [&](const json& known) {
      return text_of(known, "share") == text_of(share, "share");
    };
    if (std::any_of(status.shares.begin(), status.shares.end(), same)) continue;
    status.troubles.push_back(
        fmt::format("share {} {}: {}", text_of(share, "share"),
                    text_of(share, "state") == "absent" ? "is absent" : "is in trouble", why));
    status.shares.push_back(
        {{"share", share.value("share", "")}, {"state", share.value("state", "")}, {"why", why}});
  }
  for (const json& penalty : said.value("penalties", json::array())) {
    const auto same = [&](const json& known) {
      return known.value("address", json()) == penalty.value("address", json()) &&
             known.value("account", json()) == penalty.value("account", json());
    };
    const auto known = std::find_if(status.penalties.begin(), status.penalties.end(), same);
    if (known == status.penalties.end()) {
      status.penalties.push_back(penalty);
    } else if (number_of(*known, "failures") < number_of(penalty, "failures")) {
      *known = penalty;
    }
  }
}

void compare_file(Status& status, const config::Config& config, const json& said) {
  const json runs = said.value("runs", json::object());
  for (const auto& [key, value] : config::restart_values(config.server)) {
    const std::string running = text_of(runs, std::string(key).c_str());
    if (!runs.contains(std::string(key)) || running == value) continue;
    status.waiting.push_back({std::string(key), value, running});
    status.notes.push_back(
        fmt::format("{} = {} waits for a restart; {} runs: braidctl restart", key, value, running));
  }
  if (number_of(said, "configuration") != config.text_id) {
    status.notes.push_back(
        fmt::format("{} was changed since it was read: braidctl reload", config.file));
  }
}

json json_of(const Status& status) {
  json waiting = json::array();
  for (const WaitingKey& each : status.waiting) {
    waiting.push_back({{"key", each.key}, {"file", each.file}, {"runs", each.runs}});
  }
  return {{"well", status.troubles.empty()}, {"troubles", status.troubles},
          {"notes", status.notes},           {"version", status.version},
          {"process", status.process},       {"uptime_seconds", status.uptime},
          {"users", status.users.size()},    {"connections", status.connections},
          {"sessions", status.sessions},     {"opens", status.opens},
          {"workers", status.workers},       {"shares", status.shares},
          {"penalties", status.penalties},   {"waiting", std::move(waiting)}};
}

void print(const Status& status) {
  if (status.troubles.empty()) {
    fmt::print("well: {}, {}, {}\n", several(status.users.size(), "user"),
               several(status.sessions, "session"), several(status.opens, "open file"));
  } else {
    const size_t more = status.troubles.size() - 1;
    fmt::print("trouble: {}{}\n", printable(status.troubles.front()),
               more == 0 ? "" : fmt::format(" (and {} more)", more));
  }
  fmt::print("braid {}, up {}, process {}, {}\n", printable(status.version),
             long_time(status.uptime), status.process, several(status.workers.size(), "worker"));
  for (size_t i = 1; i < status.troubles.size(); ++i) {
    fmt::print("trouble: {}\n", printable(status.troubles[i]));
  }
  for (const std::string& note : status.notes) fmt::print("{}\n", printable(note));
  if (status.penalties.empty()) return;
  Table table({"WAITS TO LOG ON", "ACCOUNT", "FAILURES", "NEXT"});
  for (const json& each : status.penalties) {
    const std::string account = text_of(each, "account");
    table.add({text_of(each, "address"), account.empty() ? "all" : account,
               fmt::format("{}", number_of(each, "failures")),
               fmt::format("{:.1f} s", static_cast<double>(number_of(each, "wait_ms")) / 1000)});
  }
  table.print();
}

std::expected<Status, std::string> collect(const config::Config& config, bool file_is_good) {
  const auto answers =
      admin::ask_workers(config.server.state_dir, {.command = admin::Command::kStatus});
  if (!answers) return std::unexpected(answers.error());
  Status status;
  status.troubles = answers->missing;
  for (const auto& [worker, said] : answers->results) add_worker(status, worker, said);
  status.uptime = uptime_of(status.process);
  if (file_is_good) {
    compare_file(status, config, answers->results.front().result);
  } else {
    status.troubles.push_back(fmt::format(
        "{} has mistakes, with which nothing would start: braidctl config check", config.file));
  }
  return status;
}

}  // namespace

std::expected<json, std::string> status_as_json(const config::Config& config, bool file_is_good) {
  const auto status = collect(config, file_is_good);
  if (!status) return std::unexpected(status.error());
  return json_of(*status);
}

int show_status(const config::Config& config, const RunningArguments& arguments,
                bool file_is_good) {
  const auto status = collect(config, file_is_good);
  if (!status) return complain(status.error());
  arguments.json ? fmt::print("{}\n", json_text(json_of(*status))) : print(*status);
  return status->troubles.empty() ? 0 : kNotWell;
}

}  // namespace braid::braidctl

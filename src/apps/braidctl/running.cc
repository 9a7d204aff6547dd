#include "apps/braidctl/running.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

#include "admin/control_client.h"
#include "admin/prometheus.h"
#include "apps/braidctl/json_values.h"
#include "apps/braidctl/output.h"
#include "apps/braidctl/table.h"
#include "auth/user_store.h"
#include "config/keys.h"
#include "wire/fold.h"

namespace braid::braidctl {
namespace {

using admin::Command;
using nlohmann::json;
using namespace std::chrono_literals;

// The workers' answers; nothing after a complaint.
std::optional<admin::Answers> ask(const config::Config& config,
                                  const admin::ControlRequest& request) {
  auto answers = admin::ask_workers(config.server.state_dir, request);
  if (!answers) {
    complain(answers.error());
    return std::nullopt;
  }
  for (const std::string& line : answers->missing) complain(line);
  return std::move(*answers);
}

// The rows of all workers, each with its worker.
std::optional<json> ask_for_rows(const config::Config& config, Command command) {
  auto answers = ask(config, {.command = command});
  if (!answers) return std::nullopt;
  json all = json::array();
  for (auto& [worker, rows] : answers->results) {
    for (json& row : rows) {
      row["worker"] = worker;
      all.push_back(std::move(row));
    }
  }
  return all;
}

std::string duration_text(uint64_t seconds) {
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

// "512", "3.4K", "1.2G": four characters or five.
std::string bytes_text(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{}", bytes);
  double value = static_cast<double>(bytes);
  for (const char unit : {'K', 'M', 'G', 'T', 'P'}) {
    value /= 1024;
    if (value < 1000) return fmt::format("{:.{}f}{}", value, value < 10 ? 1 : 0, unit);
  }
  return fmt::format("{:.0f}E", value / 1024);
}

void print_shares(const json& shares) {
  if (shares.empty()) return fmt::print("no shares\n");
  Table table({"SHARE", "STATE", "IN USE", "SIZE", "FREE", "PATH", "WHY"});
  for (const json& share : shares) {
    table.add({printable(text_of(share, "share")), text_of(share, "state"),
               share.value("in_use", false) ? "yes" : "no",
               share.contains("size_bytes") ? bytes_text(number_of(share, "size_bytes")) : "-",
               share.contains("free_bytes") ? bytes_text(number_of(share, "free_bytes")) : "-",
               printable(text_of(share, "path")), printable(text_of(share, "why"))});
  }
  table.print();
}

// "LZ4 40%": of what would have gone over the network, that went; "-" where none was agreed on.
std::string compression_text(const json& channel) {
  const json agreed = channel.value("compression", json());
  if (!agreed.is_object()) return "-";
  uint64_t bytes = 0;
  uint64_t plain_bytes = 0;
  for (const char* direction : {"in", "out"}) {
    const json counted = agreed.value(direction, json::object());
    bytes += number_of(counted, "bytes");
    plain_bytes += number_of(counted, "plain_bytes");
  }
  if (plain_bytes == 0) return text_of(agreed, "sent_with");
  const uint64_t percent = bytes * 100 / plain_bytes;
  return fmt::format("{} {}%", text_of(agreed, "sent_with"),
                     percent == 0 ? "<1" : std::to_string(percent));
}

void print_sessions(const json& sessions) {
  for (const json& session : sessions) {
    const std::string signing = text_of(session, "signing");
    const std::string machine = text_of(session, "machine");
    const std::string method = text_of(session, "method");
    fmt::print("session {}  {}  {}  client {}\n", text_of(session, "session"),
               printable(text_of(session, "user")), text_of(session, "state"),
               text_of(session, "client_guid"));
    fmt::print("  logged on {}{}{}  from {}{}\n", text_of(session, "logged_on"),
               method.empty() ? "" : " by ", method, text_of(session, "client"),
               machine.empty() ? "" : fmt::format(" ({})", printable(machine)));
    fmt::print("  dialect {}  signing {}{}  encryption {}  opens {}  idle {}\n",
               text_of(session, "dialect"), signing,
               session.value("signing_required", false) ? " (required)" : "",
               text_of(session, "encryption"), number_of(session, "opens"),
               duration_text(number_of(session, "idle_seconds")));
    Table table({"  CHANNEL", "CLIENT", "SERVER", "INTERFACE", "IN", "OUT", "REQUESTS", "UNSENT",
                 "UNACKED", "COMPRESSION", "STATE"});
    for (const json& channel : session.value("channels", json::array())) {
      table.add(
          {"  " + text_of(channel, "channel"), text_of(channel, "client"),
           text_of(channel, "server"),
           text_of(channel, "interface") + (channel.value("rdma", false) ? " (rdma)" : ""),
           bytes_text(number_of(channel, "bytes_in")), bytes_text(number_of(channel, "bytes_out")),
           text_of(channel, "requests_in_flight"), bytes_text(number_of(channel, "unsent_bytes")),
           bytes_text(number_of(channel, "unacknowledged_bytes")), compression_text(channel),
           text_of(channel, "state")});
    }
    table.print();
  }
  if (sessions.empty()) fmt::print("no sessions\n");
}

// A client that is away has none.
std::string session_of(const json& row) {
  return row.contains("session") ? text_of(row, "session") : "-";
}

void print_opens(const json& opens) {
  if (opens.empty()) return fmt::print("no opens\n");
  Table table({"SESSION", "USER", "OPEN", "SHARE", "KIND", "ACCESS", "SHARING", "CACHING", "KEPT",
               "AWAY", "PATH"});
  for (const json& open : opens) {
    std::string rights;
    for (const json& word : open.value("rights", json::array())) {
      if (word.is_string()) rights += (rights.empty() ? "" : ",") + word.get<std::string>();
    }
    const std::string kept = text_of(open, "durability");
    const bool is_away = open.value("seconds_left", json()).is_number();
    table.add({session_of(open), text_of(open, "user"), text_of(open, "open"),
               text_of(open, "share"), text_of(open, "kind"), rights, text_of(open, "sharing"),
               text_of(open, "caching"), kept == "none" ? "" : kept,
               is_away ? duration_text(number_of(open, "seconds_left")) : "",
               text_of(open, "path")});
  }
  table.print();
}

void print_locks(const json& locks) {
  if (locks.empty()) return fmt::print("no locks\n");
  Table table({"SESSION", "USER", "OPEN", "SHARE", "OFFSET", "LENGTH", "KIND", "STATE", "PATH"});
  for (const json& lock : locks) {
    table.add({session_of(lock), text_of(lock, "user"), text_of(lock, "open"),
               text_of(lock, "share"), text_of(lock, "offset"), text_of(lock, "length"),
               lock.value("exclusive", false) ? "exclusive" : "shared",
               lock.value("waiting", false) ? "waiting" : "held", text_of(lock, "path")});
  }
  table.print();
}

void print_leases(const json& leases) {
  if (leases.empty()) return fmt::print("no leases\n");
  Table table(
      {"CLIENT", "KEY", "VERSION", "EPOCH", "CACHING", "STATE", "OPENS", "USER", "SHARE", "PATH"});
  for (const json& lease : leases) {
    table.add({text_of(lease, "client_guid"), text_of(lease, "lease_key"),
               text_of(lease, "version"), text_of(lease, "epoch"), text_of(lease, "state"),
               lease.value("breaking", false) ? "breaking" : "held", text_of(lease, "opens"),
               text_of(lease, "user"), text_of(lease, "share"), text_of(lease, "path")});
  }
  table.print();
}

struct Closed {
  bool session = false;  // some worker has it
  bool done = false;
};
std::optional<Closed> ask_to_close(const config::Config& config, Command command,
                                   const RunningArguments& arguments) {
  const auto id = admin::parse_id(arguments.session);
  if (!id) {
    complain(id.error());
    return std::nullopt;
  }
  uint64_t channel = 0;
  const char* const end = arguments.channel.data() + arguments.channel.size();
  const auto read = std::from_chars(arguments.channel.data(), end, channel);
  if (!arguments.channel.empty() && (read.ec != std::errc{} || read.ptr != end)) {
    complain(fmt::format("{} is no number of a channel; braidctl sessions shows them",
                         arguments.channel));
    return std::nullopt;
  }
  const auto answers =
      ask(config, {.command = command, .session = SessionId{*id}, .channel = channel});
  if (!answers) return std::nullopt;
  Closed closed;
  for (const auto& [worker, result] : answers->results) {
    closed.session |= result.value("session", false);
    closed.done |= result.value("closed", false);
  }
  return closed;
}

bool is_same_name(const std::string& a, const std::string& b) { return wire::equal_fold(a, b); }

// A session is of each share that it is connected to.
bool is_of_share(const json& row, const std::string& share) {
  if (row.contains("share")) return is_same_name(text_of(row, "share"), share);
  const json trees = list_of(row, "trees");
  return std::any_of(trees.begin(), trees.end(),
                     [&](const json& tree) { return is_same_name(text_of(tree, "share"), share); });
}

// Numbers the largest first, texts as in a dictionary.
bool stands_before(const json& a, const json& b) {
  return a.is_number() && b.is_number() ? a > b : a < b;
}

// What was asked for of the rows. False after a complaint.
bool select(json& rows, const RunningArguments& arguments) {
  json kept = json::array();
  for (json& row : rows) {
    if (!arguments.user.empty() && !is_same_name(text_of(row, "user"), arguments.user)) continue;
    if (!arguments.share.empty() && !is_of_share(row, arguments.share)) continue;
    kept.push_back(std::move(row));
  }
  rows = std::move(kept);
  if (arguments.sort.empty() || rows.empty()) return true;
  const json& first = rows.front();
  if (!first.contains(arguments.sort) || first[arguments.sort].is_structured()) {
    std::string known;
    for (const auto& [key, value] : first.items()) {
      if (!value.is_structured()) known += (known.empty() ? "" : ", ") + key;
    }
    complain(fmt::format("rows have no {} to be sorted by; give one of {}", arguments.sort, known));
    return false;
  }
  std::sort(rows.begin(), rows.end(), [&](const json& a, const json& b) {
    return stands_before(a.value(arguments.sort, json()), b.value(arguments.sort, json()));
  });
  return true;
}

int show(const config::Config& config, const RunningArguments& arguments, Command command,
         void (*print)(const json&)) {
  auto rows = ask_for_rows(config, command);
  if (!rows || !select(*rows, arguments)) return kCannotDo;
  arguments.json ? fmt::print("{}\n", json_text(*rows)) : print(*rows);
  return 0;
}

int no_session(const std::string& id) {
  return complain(fmt::format("there is no session {}; braidctl sessions shows them", id));
}

constexpr auto kUpgradeTime = 180s;  // longer than every step may take
constexpr auto kReloadTime = 30s;    // and what the last answer takes
constexpr auto kBetweenLooks = 10ms;

// Waits until each worker has read `config`, since it gave its answer in `before`, and runs with
// it. Gives the keys that wait for a restart; nothing after a complaint.
std::optional<std::vector<std::string>> all_take(const config::Config& config,
                                                 const admin::Answers& before) {
  const auto has_read = [&](const admin::WorkerResult& answer) {
    return std::ranges::none_of(before.results, [&](const admin::WorkerResult& each) {
      return each.worker == answer.worker && each.result.contains("readings") &&
             number_of(each.result, "process") == number_of(answer.result, "process") &&
             number_of(each.result, "readings") == number_of(answer.result, "readings");
    });
  };
  const auto takes = [&](const admin::WorkerResult& answer) {
    return number_of(answer.result, "configuration") == config.text_id && has_read(answer);
  };
  const auto end = std::chrono::steady_clock::now() + kReloadTime;
  std::vector<std::string> missing;
  for (;;) {
    const auto answers =
        admin::ask_workers(config.server.state_dir, {.command = Command::kProcess});
    if (answers && answers->missing.empty() && std::ranges::all_of(answers->results, takes)) {
      // The same of all.
      const json waiting = answers->results.front().result.value("waiting", json::array());
      std::vector<std::string> keys;
      for (const json& key : waiting) keys.push_back(key.is_string() ? key.get<std::string>() : "");
      return keys;
    }
    if (answers) missing = answers->missing;
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  for (const std::string& line : missing) complain(line);
  complain(
      fmt::format("after {} s not every worker runs with {}; the server's log says why, or it "
                  "was started with another file",
                  kReloadTime / 1s, config.file));
  return std::nullopt;
}

int supervisor_in(const admin::Answers& answers) {
  return answers.results.front().result.value("supervisor", 0);
}

bool signal_supervisor(const admin::Answers& answers, int signal) {
  const int process = supervisor_in(answers);
  if (process > 1 && ::kill(process, signal) == 0) return true;
  complain(fmt::format("cannot signal process {}: {}", process, std::strerror(errno)));
  return false;
}

bool has_ended(int process) { return ::kill(process, 0) != 0 && errno == ESRCH; }

// What a worker says of upgrades; null: it knows of none.
json upgrades_in(const admin::WorkerResult& answer) {
  return answer.result.value("upgrades", json());
}

// The answer of a worker that has heard of an attempt behind the one before. Workers come and go
// meanwhile, so that one does not answer is nothing to complain about. Nothing: `supervisor`, which
// stays the same process, has ended; or nobody has said anything in kUpgradeTime.
std::optional<json> outcome_after(const config::Config& config, uint64_t before, int supervisor) {
  const auto end = std::chrono::steady_clock::now() + kUpgradeTime;
  do {
    const auto answers =
        admin::ask_workers(config.server.state_dir, {.command = Command::kProcess});
    for (size_t i = 0; answers && i < answers->results.size(); ++i) {
      const json upgrades = upgrades_in(answers->results[i]);
      if (upgrades.is_object() && number_of(upgrades, "attempts") > before &&
          upgrades.contains("done")) {
        return answers->results[i].result;
      }
    }
    std::this_thread::sleep_for(kBetweenLooks);
  } while (!has_ended(supervisor) && std::chrono::steady_clock::now() < end);
  return std::nullopt;
}

}  // namespace

// One row for each share: workers differ in who uses it only.
int show_shares(const config::Config& config, const RunningArguments& arguments) {
  const auto rows = ask_for_rows(config, Command::kShares);
  if (!rows) return kCannotDo;
  json shares = json::array();
  for (const json& row : *rows) {
    const auto same = [&](const json& other) {
      return text_of(other, "share") == text_of(row, "share");
    };
    auto known = std::find_if(shares.begin(), shares.end(), same);
    if (known == shares.end()) {
      json share = row;
      share.erase("worker");
      shares.push_back(std::move(share));
      continue;
    }
    (*known)["in_use"] = known->value("in_use", false) || row.value("in_use", false);
  }
  arguments.json ? fmt::print("{}\n", json_text(shares)) : print_shares(shares);
  return 0;
}

int show_sessions(const config::Config& config, const RunningArguments& arguments) {
  return show(config, arguments, Command::kSessions, print_sessions);
}

int show_opens(const config::Config& config, const RunningArguments& arguments) {
  return show(config, arguments, Command::kOpens, print_opens);
}

int show_locks(const config::Config& config, const RunningArguments& arguments) {
  return show(config, arguments, Command::kLocks, print_locks);
}

int show_leases(const config::Config& config, const RunningArguments& arguments) {
  return show(config, arguments, Command::kLeases, print_leases);
}

int show_events(const config::Config& config, const RunningArguments& arguments) {
  auto rows = ask_for_rows(config, Command::kEvents);
  if (!rows) return kCannotDo;
  rows = sorted_by(*rows, "time");
  if (arguments.json) {
    fmt::print("{}\n", json_text(*rows));
    return 0;
  }
  for (const json& row : *rows) {
    fmt::print("{} {} [worker {}] {}\n", text_of(row, "time"), text_of(row, "level"),
               number_of(row, "worker"), printable(text_of(row, "text")));
  }
  return 0;
}

int show_metrics(const config::Config& config, const RunningArguments& arguments) {
  if (arguments.json) {
    const auto rows = ask_for_rows(config, Command::kMetrics);
    if (!rows) return kCannotDo;
    fmt::print("{}\n", json_text(*rows));
    return 0;
  }
  const auto answers = ask(config, {.command = Command::kMetrics});
  if (!answers) return kCannotDo;
  fmt::print("{}", admin::prometheus_text(answers->results));
  return 0;
}

int close_channel(const config::Config& config, const RunningArguments& arguments) {
  const auto closed = ask_to_close(config, Command::kChannelClose, arguments);
  if (!closed) return kCannotDo;
  if (!closed->session) return no_session(arguments.session);
  if (!closed->done) {
    return complain(fmt::format("session {} has no channel {}; braidctl sessions shows them",
                                arguments.session, arguments.channel));
  }
  if (arguments.json) fmt::print("{{\"closed\": true}}\n");
  return 0;
}

int close_session(const config::Config& config, const RunningArguments& arguments) {
  const auto closed = ask_to_close(config, Command::kSessionClose, arguments);
  if (!closed) return kCannotDo;
  if (!closed->done) return no_session(arguments.session);
  if (arguments.json) fmt::print("{{\"closed\": true}}\n");
  return 0;
}

int close_open(const config::Config& config, const RunningArguments& arguments) {
  const auto id = admin::parse_id(arguments.open);
  if (!id) return complain(id.error());
  const auto answers = ask(config, {.command = Command::kOpenClose, .open = admin::id_text(*id)});
  if (!answers) return kCannotDo;
  const bool is_done = std::ranges::any_of(
      answers->results, [](const auto& each) { return each.result.value("closed", false); });
  if (!is_done) {
    return complain(fmt::format("there is no open {}; braidctl opens shows them", arguments.open));
  }
  if (arguments.json) fmt::print("{{\"closed\": true}}\n");
  return 0;
}

namespace {

int tell_ended(const config::Config& config, const RunningArguments& arguments, Command command,
               const std::string& of_what, const std::string& what) {
  const auto answers =
      ask(config, {.command = command, .share = arguments.share, .user = arguments.user});
  if (!answers) return kCannotDo;
  uint64_t ended = 0;
  uint64_t opens = 0;
  for (const auto& [worker, result] : answers->results) {
    ended += number_of(result, "ended");
    opens += number_of(result, "opens");
  }
  if (arguments.json) {
    fmt::print("{}\n", json_text(json{{"ended", ended}, {"opens", opens}}));
  } else {
    fmt::print("{}: {} {} ended, and {} opens of clients that were away\n", printable(of_what),
               ended, what, opens);
  }
  return answers->missing.empty() ? 0 : kCannotDo;
}

std::string meant(const std::string& name, const std::vector<std::string>& names,
                  const std::string& otherwise) {
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto guess = config::nearest(name, known);
  return guess ? fmt::format("did you mean {}?", *guess) : otherwise;
}

// A line where nobody of this name is known: with an account here, or by Kerberos at work now.
std::optional<std::string> no_such_user(const config::Config& config, const std::string& name) {
  std::vector<std::string> names;
  const auto store = auth::UserStore::open(config.server.state_dir);
  const auto users = store ? store->list() : fail(NtStatus::kNoSuchUser);
  if (!users) return std::nullopt;
  for (const auth::User& each : *users) names.push_back(each.name);
  const auto rows = ask_for_rows(config, Command::kSessions);
  if (!rows) return std::nullopt;
  for (const json& row : *rows) names.push_back(text_of(row, "user"));
  const auto is_it = [&](const std::string& each) { return is_same_name(each, name); };
  if (std::ranges::any_of(names, is_it)) return std::nullopt;
  return fmt::format("there is no user {}; {}", name,
                     meant(name, names, "braidctl user list shows them"));
}

std::optional<std::string> no_such_share(const config::Config& config, const std::string& name) {
  if (config.find_share(name)) return std::nullopt;
  std::vector<std::string> names;
  for (const config::Share& each : config.shares) names.push_back(each.name);
  const auto rows = ask_for_rows(config, Command::kShares);
  if (!rows) return std::nullopt;
  for (const json& row : *rows) names.push_back(text_of(row, "share"));
  const auto is_it = [&](const std::string& each) { return is_same_name(each, name); };
  if (std::ranges::any_of(names, is_it)) return std::nullopt;
  return fmt::format("there is no share {}; {}", name,
                     meant(name, names, "braidctl shares shows them"));
}

}  // namespace

int kick_user(const config::Config& config, const RunningArguments& arguments) {
  if (const auto line = no_such_user(config, arguments.user)) return complain(*line);
  return tell_ended(config, arguments, Command::kUserKick, arguments.user, "sessions");
}

int disconnect_share(const config::Config& config, const RunningArguments& arguments) {
  if (const auto line = no_such_share(config, arguments.share)) return complain(*line);
  return tell_ended(config, arguments, Command::kShareDisconnect, arguments.share, "connections");
}

// The supervisor reads nothing but signals.
int reload(const config::Config& config, const RunningArguments& arguments) {
  const auto answers = ask(config, {.command = Command::kProcess});
  if (!answers) return kCannotDo;
  if (!signal_supervisor(*answers, SIGHUP)) return kCannotDo;
  const auto waiting = all_take(config, *answers);
  if (!waiting) return kCannotDo;
  if (arguments.json) {
    fmt::print("{}\n", json_text(json{{"taken", true}, {"waiting", *waiting}}));
    return 0;
  }
  fmt::print("the server runs with {}\n", printable(config.file));
  for (const std::string& key : *waiting) {
    fmt::print("the new value of {} waits for a restart\n", printable(key));
  }
  return 0;
}

int upgrade(const config::Config& config, const RunningArguments& arguments) {
  const auto answers = ask(config, {.command = Command::kProcess});
  if (!answers) return kCannotDo;
  uint64_t before = 0;
  for (const auto& each : answers->results) {
    const json upgrades = upgrades_in(each);
    if (!upgrades.is_object()) {
      return complain(
          "the server is one process, or of a version that cannot be upgraded while it runs; "
          "restart it: systemctl restart braidd");
    }
    before = std::max(before, number_of(upgrades, "attempts"));
  }
  if (!signal_supervisor(*answers, SIGUSR2)) return kCannotDo;
  const int supervisor = supervisor_in(*answers);
  const auto outcome = outcome_after(config, before, supervisor);
  if (!outcome && has_ended(supervisor)) {
    return complain("the server has ended meanwhile; its log says why, or what ended it");
  }
  if (!outcome) {
    return complain(fmt::format("after {} s nobody says what became of it; the server's log does",
                                kUpgradeTime / 1s));
  }
  const json upgrades = outcome->value("upgrades", json::object());
  if (!upgrades.value("done", false)) {
    const std::string failure = text_of(upgrades, "failure");
    return complain(fmt::format("the server goes on as it was: {}", failure));
  }
  const uint64_t opens = number_of(upgrades, "opens");
  const uint64_t pause_ms = number_of(upgrades, "pause_us") / 1000;
  if (arguments.json) {
    const json result{
        {"version", text_of(*outcome, "version")}, {"opens", opens}, {"pause_ms", pause_ms}};
    fmt::print("{}\n", json_text(result));
  } else {
    fmt::print("braid {} serves; open files handed over: {}; pause: {} ms\n",
               text_of(*outcome, "version"), opens, pause_ms);
  }
  return 0;
}

}  // namespace braid::braidctl

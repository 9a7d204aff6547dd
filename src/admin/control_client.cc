#include "admin/control_client.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "admin/socket_path.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::admin {
namespace {

using nlohmann::json;

// For a server that is being upgraded: longer than its old workers take to come to an end.
constexpr std::chrono::seconds kPauseMax{15};
// For one of its workers, where others answer.
constexpr std::chrono::seconds kAbsentMax{2};
constexpr std::chrono::milliseconds kBetweenTries{20};

// Whether the process that had the lock of the folder last is there: what apps/braidd/state_lock.h
// writes.
bool has_server(const std::string& state_dir) {
  const UniqueFd lock(::open((state_dir + "/lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  char digits[16] = {};
  const ssize_t got = lock ? ::read(lock.get(), digits, sizeof digits) : -1;
  pid_t pid = 0;
  if (got <= 0 || std::from_chars(digits, digits + got, pid).ec != std::errc{} || pid <= 0) {
    return false;
  }
  return ::kill(pid, 0) == 0 || errno == EPERM;
}

// The workers that left a socket, alive or not.
std::vector<size_t> workers_in(int folder) {
  std::vector<size_t> workers;
  DIR* const listing = ::fdopendir(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!listing) return workers;
  while (const dirent* entry = ::readdir(listing)) {
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    size_t worker = 0;
    const auto parsed = std::from_chars(entry->d_name, end, worker);
    if (parsed.ec == std::errc{} && parsed.ptr == end) workers.push_back(worker);
  }
  ::closedir(listing);
  std::ranges::sort(workers);
  return workers;
}

Result<std::string> exchange(int folder, size_t worker, std::string_view request) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_last_os();
  const sockaddr_un address = socket_address(folder, socket_name(worker));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_last_os();
  }
  const auto deadline = system_clock().monotonic() + kClientTime;
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return fail_last_os();
  }
  std::string answer;
  std::vector<char> bytes(64u << 10);
  while (answer.size() <= kAnswerBytesMax) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().monotonic());
    pollfd wait{socket.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready == 0) return fail_os(ETIMEDOUT);
    if (ready < 0) continue;
    const ssize_t got = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (got < 0) return fail_last_os();
    if (got == 0) return fail_os(ECONNRESET);
    answer.append(bytes.data(), static_cast<size_t>(got));
    if (answer.ends_with('\n')) return answer;
  }
  return fail_os(EMSGSIZE);
}

std::string nobody_answers(const std::string& state_dir) {
  return fmt::format(
      "no server runs on {}; start it with braidd --config FILE, name its configuration with "
      "--config, or restart it if state_dir was changed since it was started",
      state_dir);
}

std::string silent_server(const std::string& state_dir) {
  return fmt::format(
      "the server on {} does not answer: it is being started, upgraded or stopped, waits for its "
      "cluster, or hangs; ask again in a second, or look at its log or braidctl cluster status",
      state_dir);
}

std::string not_allowed(const std::string& state_dir) {
  return fmt::format("{}: only root and the server's user may ask it; run braidctl as one of them",
                     state_dir);
}

std::string no_answer(size_t worker, std::string_view why) {
  return fmt::format("worker {} is not in this answer: {}; ask again in a second", worker, why);
}

// A worker that is being started has no socket yet, or nobody who reads it: it knows of no
// question.
bool was_not_asked(const Error& error) { return error.is_os(ENOENT) || error.is_os(ECONNREFUSED); }

struct Answer {
  json result;
  size_t workers = 0;  // that the server has
};

// The error is what the worker says against it.
std::expected<Answer, std::string> read_answer(size_t worker, const std::string& text) {
  json value = json::parse(text, nullptr, false);
  if (value.is_object() && value.contains("error") && value["error"].is_string()) {
    return std::unexpected(value["error"].get<std::string>());
  }
  if (!value.is_object() || !value.contains("result") || !value["workers"].is_number_unsigned()) {
    return std::unexpected(fmt::format(
        "worker {} gave an answer that cannot be read; use the braidctl installed with it",
        worker));
  }
  return Answer{std::move(value["result"]), value["workers"].get<size_t>()};
}

// One question on its way through all workers.
class Question {
 public:
  Question(const std::string& state_dir, const ControlRequest& request)
      : state_dir_(state_dir), line_(encode_request(request)) {}

  // Asks whoever is there. False: nobody listens.
  std::expected<bool, std::string> ask() {
    const UniqueFd folder = open_folder();
    if (!folder) {
      if (errno == EACCES) return std::unexpected(not_allowed(state_dir_));
      return false;
    }
    bool refused = false;
    size_t workers = 0;
    std::vector<std::pair<size_t, Error>> silent;
    for (const size_t worker : workers_in(folder.get())) {
      const auto text = exchange(folder.get(), worker, line_);
      if (!text) {
        refused |= text.error().is_os(EACCES);
        silent.emplace_back(worker, text.error());
        continue;
      }
      auto answer = read_answer(worker, *text);
      if (!answer) return std::unexpected(answer.error());
      workers = std::max(workers, answer->workers);
      answers_.results.push_back({worker, std::move(answer->result)});
    }
    if (answers_.results.empty()) {
      if (refused) return std::unexpected(not_allowed(state_dir_));
      for (const auto& [worker, error] : silent) {
        const bool is_gone = was_not_asked(error) || error.is_os(EPIPE) || error.is_os(ECONNRESET);
        if (!is_gone) return std::unexpected(no_answer(worker, error.message()));
      }
      return false;
    }
    // A socket beyond the number of workers is a left-over of a server that had more.
    for (size_t worker = 0; worker < workers; ++worker) {
      if (std::ranges::count(answers_.results, worker, &WorkerResult::worker) > 0) continue;
      const auto found = std::ranges::find(silent, worker, &std::pair<size_t, Error>::first);
      if (found == silent.end() || was_not_asked(found->second)) {
        absent_.push_back(worker);
      } else {
        answers_.missing.push_back(no_answer(worker, found->second.message()));
      }
    }
    return true;
  }

  // Asks those who were not there.
  std::expected<void, std::string> ask_absent() {
    const UniqueFd folder = open_folder();
    if (!folder) return {};
    for (const size_t worker : std::exchange(absent_, {})) {
      const auto text = exchange(folder.get(), worker, line_);
      if (!text && was_not_asked(text.error())) {
        absent_.push_back(worker);
      } else if (!text) {
        answers_.missing.push_back(no_answer(worker, text.error().message()));
      } else {
        auto answer = read_answer(worker, *text);
        if (!answer) return std::unexpected(answer.error());
        answers_.results.push_back({worker, std::move(answer->result)});
      }
    }
    return {};
  }
  bool has_absent() const { return !absent_.empty(); }

  Answers take() {
    for (const size_t worker : absent_) {
      answers_.missing.push_back(no_answer(worker, "it is being started"));
    }
    std::ranges::sort(answers_.results, {}, &WorkerResult::worker);
    return std::move(answers_);
  }

 private:
  UniqueFd open_folder() const {
    const std::string path = state_dir_ + "/" + std::string(kControlFolder);
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  const std::string& state_dir_;
  const std::string line_;
  Answers answers_;
  std::vector<size_t> absent_;
};

}  // namespace

std::expected<std::optional<Answers>, std::string> ask_running_workers(
    const std::string& state_dir, const ControlRequest& request, Pause pause) {
  Question question(state_dir, request);
  const auto begin = std::chrono::steady_clock::now();
  const auto may_wait = [&](std::chrono::seconds time) {
    const bool may = std::chrono::steady_clock::now() - begin < time;
    if (may) std::this_thread::sleep_for(kBetweenTries);
    return may;
  };
  for (;;) {
    const auto asked = question.ask();
    if (!asked) return std::unexpected(asked.error());
    if (*asked) break;
    if (pause == Pause::kNoAnswer || !has_server(state_dir)) return std::nullopt;
    if (!may_wait(kPauseMax)) return std::unexpected(silent_server(state_dir));
  }
  while (question.has_absent() && pause == Pause::kWaitedFor && has_server(state_dir) &&
         may_wait(kAbsentMax)) {
    if (const auto asked = question.ask_absent(); !asked) return std::unexpected(asked.error());
  }
  return question.take();
}

std::expected<Answers, std::string> ask_workers(const std::string& state_dir,
                                                const ControlRequest& request, Pause pause) {
  auto answers = ask_running_workers(state_dir, request, pause);
  if (!answers) return std::unexpected(answers.error());
  if (!*answers) return std::unexpected(nobody_answers(state_dir));
  return std::move(**answers);
}

}  // namespace braid::admin

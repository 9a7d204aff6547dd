#include "smb2/audit/audit_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <iterator>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "config/journal_socket.h"
#include "smb2/audit/audit_record.h"

namespace braid::smb2 {
namespace {

constexpr std::string_view kJournal = "journal";
// What one write() takes: less than a disk needs a moment for.
constexpr size_t kPieceMax = 256u << 10;

// While one process appends. A file system without locks leaves it to the order of writes.
class Turn {
 public:
  explicit Turn(int file) : file_(file) {
    while (::flock(file_, LOCK_EX) != 0 && errno == EINTR) continue;
  }
  ~Turn() { ::flock(file_, LOCK_UN); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  const int file_;
};

bool ends_with_a_line(int file, off_t size) {
  char last = '\n';
  return size <= 0 || ::pread(file, &last, 1, size - 1) != 1 || last == '\n';
}

// Where lines go. Thread: that of the log.
class OutFile {
 public:
  explicit OutFile(std::string name) : name_(std::move(name)) {}

  void close() { fd_.reset(); }
  Result<void> prepare() { return open(); }

  // How many of the first lines were taken, whole. An error is about the next one.
  std::pair<size_t, Result<void>> write(const std::deque<std::string>& lines) {
    if (const auto opened = open(); !opened) return {0, opened};
    return name_ == kJournal ? send(lines) : append(lines);
  }

 private:
  Result<void> open() {
    if (fd_) return {};
    if (name_ == kJournal) {
      UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
      std::strncpy(address.sun_path, config::kJournalSocket, sizeof address.sun_path - 1);
      if (!socket ||
          ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address)) {
        return fail_last_os();
      }
      fd_ = std::move(socket);
      return {};
    }
    // Not waiting for who reads a pipe; of those it is none.
    UniqueFd file(::open(name_.c_str(),
                         O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
    if (!file) return fail_last_os();
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return fail_last_os();
    if (!S_ISREG(status.st_mode)) return fail_os(EINVAL);
    fd_ = std::move(file);
    return {};
  }

  // Others append to it, too: more workers, and before them perhaps one that was killed in the
  // middle of a line.
  std::pair<size_t, Result<void>> append(const std::deque<std::string>& lines) {
    const Turn turn(fd_.get());
    size_t taken = 0;
    while (taken < lines.size()) {
      const off_t size = ::lseek(fd_.get(), 0, SEEK_END);
      const size_t ended = ends_with_a_line(fd_.get(), size) ? 0 : 1;
      std::string piece(ended, '\n');
      size_t next = taken;
      while (next < lines.size() && (next == taken || piece.size() < kPieceMax)) {
        piece += lines[next++] + '\n';
      }
      const ssize_t count = ::write(fd_.get(), piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return {taken, fail_last_os()};
      if (static_cast<size_t>(count) == piece.size()) {
        taken = next;
        continue;
      }
      // The disk became full in the middle: of the line that was torn nothing stays, or what comes
      // next ends it.
      const std::string_view there(piece.data(), static_cast<size_t>(count));
      const size_t whole = there.rfind('\n') + 1;  // npos + 1 is 0
      (void)::ftruncate(fd_.get(), size + static_cast<off_t>(whole));
      const auto ends = static_cast<size_t>(std::ranges::count(there, '\n'));
      return {taken + ends - std::min(ends, ended), fail_os(ENOSPC)};
    }
    return {taken, {}};
  }

  // Journal fields, systemd.journal-fields(7): a line has no end in it.
  std::pair<size_t, Result<void>> send(const std::deque<std::string>& lines) {
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::string message =
          "PRIORITY=6\nSYSLOG_IDENTIFIER=braid-audit\nMESSAGE=" + lines[i] + '\n';
      ssize_t sent = -1;
      do {
        sent = ::send(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL);
      } while (sent < 0 && errno == EINTR);
      if (sent < 0) {
        const auto failed = fail_last_os();
        fd_.reset();  // it may have been started anew
        return {i, failed};
      }
    }
    return {lines.size(), {}};
  }

  const std::string name_;
  UniqueFd fd_;
};

}  // namespace

struct AuditLog::Shared {
  Shared(std::string its_target, Limits its_limits)
      : target(std::move(its_target)), limits(its_limits) {}

  const std::string target;
  const Limits limits;

  mutable std::mutex mutex;
  std::condition_variable wake;   // the thread
  std::condition_variable ended;  // who waits for the end, or for what is queued
  std::deque<std::string> queue;
  size_t bytes = 0;
  bool is_asleep = false;
  bool is_stopping = false;
  bool is_done = false;
  bool is_writing = false;
  bool wants_reopen = false;
  uint64_t written = 0;
  uint64_t lost = 0;
  uint64_t lost_unsaid = 0;
  std::string failure;
};

AuditLog::AuditLog(std::string target) : AuditLog(std::move(target), Limits{}) {}

AuditLog::AuditLog(std::string target, Limits limits)
    : shared_(std::make_shared<Shared>(std::move(target), limits)) {
  std::thread([shared = shared_] { run(shared); }).detach();
}

AuditLog::~AuditLog() {
  std::unique_lock lock(shared_->mutex);
  shared_->is_stopping = true;
  shared_->wake.notify_one();
  shared_->ended.wait_for(lock, shared_->limits.stop, [this] { return shared_->is_done; });
  const size_t left = shared_->queue.size();
  lock.unlock();
  if (left > 0) log::error("audit: {} lines were not written any more", left);
}

void AuditLog::add(std::string line) {
  std::lock_guard lock(shared_->mutex);
  Shared& shared = *shared_;
  if (shared.queue.size() >= shared.limits.lines_max ||
      shared.bytes + line.size() > shared.limits.bytes_max) {
    ++shared.lost;
    ++shared.lost_unsaid;
    return;
  }
  shared.bytes += line.size();
  shared.queue.push_back(std::move(line));
  if (std::exchange(shared.is_asleep, false)) shared.wake.notify_one();
}

void AuditLog::reopen() {
  std::lock_guard lock(shared_->mutex);
  shared_->wants_reopen = true;
}

void AuditLog::flush() {
  std::unique_lock lock(shared_->mutex);
  shared_->ended.wait_for(lock, shared_->limits.stop,
                          [this] { return shared_->queue.empty() && !shared_->is_writing; });
}

AuditLog::State AuditLog::state() const {
  std::lock_guard lock(shared_->mutex);
  return {.target = shared_->target,
          .written = shared_->written,
          .lost = shared_->lost,
          .failure = shared_->failure};
}

void AuditLog::run(const std::shared_ptr<Shared>& held) {
  Shared& shared = *held;
  ::prctl(PR_SET_NAME, "audit");
  OutFile target(shared.target);
  // What is wrong with it is said before there is anything to write.
  const auto prepared = target.prepare();
  if (!prepared) {
    log::error("audit: cannot write {}: {}; lines wait, and are lost when they are too many",
               shared.target, prepared.error().message());
  }
  std::unique_lock lock(shared.mutex);
  if (!prepared) shared.failure = prepared.error().message();
  const auto stops = [&] { return shared.is_stopping; };
  while (true) {
    shared.is_asleep = true;
    shared.wake.wait(lock, [&] { return !shared.queue.empty() || shared.is_stopping; });
    shared.is_asleep = false;
    if (shared.queue.empty()) break;
    shared.wake.wait_for(lock, shared.limits.gather, stops);
    std::deque<std::string> lines;
    lines.swap(shared.queue);
    shared.bytes = 0;
    if (std::exchange(shared.wants_reopen, false)) target.close();
    // Said in the place where it was lost: behind what was queued before.
    const uint64_t lost = std::exchange(shared.lost_unsaid, 0);
    if (lost > 0) lines.push_back(lost_record(lost));
    const std::string failed_before = shared.failure;
    shared.is_writing = true;
    lock.unlock();

    if (lost > 0) log::warn("audit: {} lines were lost, as {} was too slow", lost, shared.target);
    const auto [count, outcome] = target.write(lines);
    const std::string failure = outcome ? "" : outcome.error().message();
    if (!failure.empty() && failed_before.empty()) {
      log::error("audit: cannot write {}: {}; lines wait, and are lost when they are too many",
                 shared.target, failure);
    } else if (failure.empty() && !failed_before.empty()) {
      log::info("audit: {} is written again", shared.target);
    }

    lock.lock();
    shared.is_writing = false;
    shared.failure = failure;
    shared.written += count;
    if (outcome) {
      if (shared.queue.empty()) shared.ended.notify_all();
      continue;
    }
    // Back in front of what came meanwhile, of which the latest may not fit any more.
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(count));
    if (lost > 0 && !lines.empty()) {
      lines.pop_back();
      shared.lost_unsaid += lost;
    }
    for (const std::string& line : lines) shared.bytes += line.size();
    lines.insert(lines.end(), std::make_move_iterator(shared.queue.begin()),
                 std::make_move_iterator(shared.queue.end()));
    shared.queue = std::move(lines);
    while (!shared.queue.empty() && (shared.queue.size() > shared.limits.lines_max ||
                                     shared.bytes > shared.limits.bytes_max)) {
      shared.bytes -= shared.queue.back().size();
      shared.queue.pop_back();
      ++shared.lost;
      ++shared.lost_unsaid;
    }
    if (shared.is_stopping) break;
    shared.wake.wait_for(lock, shared.limits.retry, stops);
  }
  shared.is_done = true;
  shared.ended.notify_all();
}

}  // namespace braid::smb2

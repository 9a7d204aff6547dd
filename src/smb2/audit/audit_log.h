// AuditLog: lines about what users do, on their way to a file or to the journal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace braid::smb2 {

// `target` is "journal" or the absolute path of a file, which is made (0600) where it is missing
// and only ever appended to: each line in one piece, so that several workers share it.
//
// A request never waits for it. Lines wait in a queue for a thread that does nothing but write
// them; what does not fit into the queue is lost, counted and said, in the log and as a line of
// its own once there is room. A target that takes nothing (a full disk) is said once, and tried
// again each second.
//
// Owned by the worker's main, and outlives the Server. Thread: any.
class AuditLog {
 public:
  struct Limits {
    // A second of a busy server, while its disk syncs.
    size_t lines_max = 65'536;
    size_t bytes_max = 16u << 20;
    // Lines are written together that come within it.
    std::chrono::milliseconds gather{5};
    std::chrono::milliseconds retry{1'000};
    // How long the end waits for what is queued: a target may hang.
    std::chrono::milliseconds stop{2'000};
  };
  explicit AuditLog(std::string target);
  AuditLog(std::string target, Limits limits);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // A line without its end. Waits for nothing.
  void add(std::string line);
  // The file is opened anew before the next line: it was moved away.
  void reopen();
  // Waits until all is written that was added before, Limits::stop at most.
  void flush();

  struct State {
    std::string target;
    uint64_t written = 0;  // lines
    uint64_t lost = 0;
    std::string failure;  // why nothing can be written now; empty: it can
  };
  State state() const;

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);

  const std::shared_ptr<Shared> shared_;  // the thread has it, too, and may be left behind
};

}  // namespace braid::smb2

// ControlServer: a worker's control socket and the thread that answers on it.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "admin/protocol.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace braid::admin {

// Every worker has one, and nobody forwards: a worker that dies takes its socket's listener with
// it, one that is started again puts a new one in its place, and one that hangs keeps nobody from
// the others. The supervisor stays a process that reads nothing.
//
// Owned by the worker's server. Thread: one of its own. Life: from listen() to the destructor,
// which waits for the answer under way.
class ControlServer {
 public:
  // From a request line, without its end, to an answer line. Thread: the server's.
  using Answer = std::function<std::string(std::string_view line)>;

  // Makes `state_dir`/control (mode 0700) and the socket in it (0600), in place of one that a dead
  // worker left.
  static Result<std::unique_ptr<ControlServer>> listen(const std::string& state_dir, size_t worker,
                                                       Answer answer);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Client {
    UniqueFd socket;
    Clock::Instant deadline;
    std::string received;
    std::string answer;  // empty until the request is complete
    size_t sent = 0;
  };

  ControlServer(UniqueFd folder, std::string name, UniqueFd listener, UniqueFd wake, Answer answer);
  void run();
  void accept_clients();
  void answer_the_last();
  // False: done with it, one way or another.
  bool serve(Client& client) const;
  bool receive(Client& client) const;
  bool send(Client& client) const;
  int wait_ms() const;

  const UniqueFd folder_;
  const std::string name_;
  const UniqueFd listener_;
  const UniqueFd wake_;  // readable: stop
  const Answer answer_;
  std::list<Client> clients_;
  std::thread thread_;
};

}  // namespace braid::admin

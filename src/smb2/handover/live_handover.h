// LiveHandover: connections with their sessions and opens on their way to the process that takes
// this one's place, and on the other side their arrival.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "smb2/files/opens_handover.h"
#include "smb2/handover/live_state.h"
#include "transport/transport.h"

namespace braid::smb2 {

class Server;

// A connection goes with all that is on it, or it is ended as if it was lost: then its client comes
// back for what it was promised. What goes is still here, and as it was: nothing is closed, and
// whoever goes on with it here has lost nothing.
//
//   choose() --> give() --> take_back()   nothing came of it
//                       --> (the process ends without closing a file or a socket)
//
// Owned by the Server. Thread: one, that may wait for the disk and is no pool's nor a reactor.
class LiveHandover {
 public:
  explicit LiveHandover(Server& server) : server_(server) {}

  // Of connections that rest: ends those which cannot go. How many stay. REQUIRES: none is made
  // any more, and each rests or is ending.
  size_t choose();
  // Those that stayed, and live. Its state has keys: whoever is done with it wipes it. The
  // descriptors stay this process's. REQUIRES: what choose() has ended is gone.
  OpensHandover::Part give();
  void take_back() { chosen_.clear(); }

  // The other side, of which nobody knows yet. A descriptor that was lost on the way is none, and
  // costs its session. How many opens there are. An error: `state` is of another version, or
  // damaged, and nothing of it is here.
  Result<size_t> take(ByteView state, std::vector<UniqueFd> descriptors);
  // Goes on with it: makes sessions and connections, and serves them. `over`: makes a transport of
  // a socket and of what was received from it. REQUIRES: the other process has ended.
  using OverSocket = std::function<transport::MakeTransport(UniqueFd socket, Bytes received)>;
  void serve(const OverSocket& over);

 private:
  struct Chosen {
    LiveConnection connection;
    UniqueFd socket;
  };
  struct TakenSession;
  struct Taken;

  static std::optional<Chosen> look_at(const std::shared_ptr<Connection>& connection);
  void serve_all(Taken taken, const OverSocket& over);
  std::shared_ptr<Connection> connect(LiveConnection image, UniqueFd socket,
                                      const OverSocket& over);
  bool claim_recorded(TakenSession& session);
  void fill(Session& session, TakenSession taken);
  void have_again(const std::shared_ptr<Session>& session, const LiveOpen& image, TakenOpen taken);
  void lose(TakenSession taken);

  Server& server_;
  std::unordered_map<uint64_t, Chosen> chosen_;  // by Connection::number
  std::shared_ptr<Taken> taken_;
};

}  // namespace braid::smb2

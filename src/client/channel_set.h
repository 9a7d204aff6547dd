// ChannelSet: keeps a session on several connections and its requests alive.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "client/bell.h"
#include "client/interfaces.h"
#include "client/session.h"
#include "runtime/task_scope.h"

namespace braid::client {

struct ChannelSetOptions {
  // Logs on for each further channel. Needed.
  std::function<Session::InitiatorPtr()> make_initiator;
  // How addresses are chosen from what the server offers. With `addresses` the server is not asked:
  // one channel to each, and the same one may come several times.
  PathPolicy policy;
  std::vector<transport::SocketAddress> addresses;
  // How a transport is made; TCP if empty. For tests.
  std::function<Task<Result<transport::TransportPtr>>(transport::SocketAddress)> connect;

  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(3);
  // NEGOTIATE and SESSION_SETUP together. Samba forgets one now and then when several binds of a
  // session are under way.
  std::chrono::nanoseconds bind_timeout = std::chrono::seconds(5);
  // Between two attempts to bind a channel in place of a lost one; doubles up to the second.
  std::chrono::nanoseconds rebind_delay_min = std::chrono::milliseconds(100);
  std::chrono::nanoseconds rebind_delay_max = std::chrono::seconds(2);
  // A peer whose transport acknowledges nothing for so long is gone. The kernel finds that out.
  std::chrono::milliseconds peer_timeout = std::chrono::seconds(5);
  // A channel with requests in flight that was silent for so long is asked with ECHO; if it then
  // stays silent for the second time it is lost. Long, since a server that is slow is slow on all.
  std::chrono::nanoseconds probe_after = std::chrono::seconds(2);
  std::chrono::nanoseconds probe_timeout = std::chrono::seconds(15);
  // How long a request is tried again, or waits for a channel, before its last error is given.
  std::chrono::nanoseconds replay_limit = std::chrono::seconds(60);
  // How often the server is asked for its interfaces. [MS-SMB2] 3.2.6.3 "Network Interface
  // Information Timer Event".
  std::chrono::nanoseconds refresh_interval = std::chrono::minutes(10);
  // The same while a channel is missing, or an address that there was is not offered any more: a
  // server does not offer one whose link is down just then. Doubles up to the other.
  std::chrono::nanoseconds refresh_soon = std::chrono::seconds(5);
};

// The client's part of multi-channel: [MS-SMB2] 3.2.4.1.7 "Selecting a Connection", 3.2.4.20.10
// "Application Requests Querying Server's Network Interfaces", 3.2.7.1 "Handling a Network
// Disconnect". While it runs, the session's trees and files work as before, and
// each request goes to the channel with the fewest bytes in flight. When a channel is lost, what
// was in flight on it goes out again on another one, marked as a replay with a raised
// ChannelSequence, and a new channel is bound in its place. Not sent again: compounds and what was
// begun with start(), CREATE of directories, LOCK where 64 are under way for the file, and what a
// pipe does is done twice. When the last channel is lost requests wait for one as long as
// `replay_limit` and the server's session last.
//
// Held by std::shared_ptr, by the user and, until close(), by the session. Thread: the session's
// reactor. Life: await close() before the reactor stops; it ends the connections, too.
class ChannelSet final : public RequestRouter, public std::enable_shared_from_this<ChannelSet> {
 public:
  // Takes over the session's connection as the first channel and tries to bind the others; those
  // that cannot be bound are tried again later. Without multi-channel on the server there is the
  // one channel. Error: the question for interfaces failed with the connection.
  static Task<Result<std::shared_ptr<ChannelSet>>> start(SessionPtr session,
                                                         ChannelSetOptions options);
  ~ChannelSet() override = default;
  Task<void> close();

  Task<Result<Response>> call(Request request, bool encrypt) override;
  size_t choose() override;
  uint16_t channel_sequence() const override { return channel_sequence_; }

  // Called with each break once, on whichever channels it came; breaks before the first call are
  // given to it then. Acknowledge with Tree::acknowledge(), which takes any channel.
  void set_break_handler(std::function<void(const BreakEvent&)> handler);

  struct ChannelInfo {
    transport::SocketAddress address;
    bool is_live = false;
    uint64_t requests = 0;         // sent since the start
    uint64_t bytes = 0;            // of data, asked for or sent
    uint64_t bytes_in_flight = 0;  // the same, not answered yet
    uint64_t losses = 0;
  };
  std::vector<ChannelInfo> channels() const;
  size_t live_count() const;
  // True once so many are live; false if that takes longer.
  Task<bool> wait_for_channels(size_t count, std::chrono::nanoseconds limit);
  // Requests that were sent once more, for whatever reason.
  uint64_t replays() const { return replays_; }
  // Ends the channel's connection as a lost link would, for tests.
  void cut(size_t channel);

 private:
  // A place for a channel. Its connection comes and goes.
  struct Slot {
    ChannelInfo info;
    ConnectionPtr connection;  // null: none, or not bound yet
    ConnectionPtr binding;     // on its way
    uint64_t requests_in_flight = 0;
    bool was_tried = false;
    bool is_offered = true;    // the server has the address: worth a channel
    bool is_retiring = false;  // its connection goes elsewhere: ends when nothing is in flight
  };
  class Load;
  enum class Verdict : uint8_t { kDone, kAgain };

  ChannelSet(SessionPtr session, ChannelSetOptions options);

  Task<Result<std::vector<transport::SocketAddress>>> discover();
  // Gives the slots their addresses and makes slots for new ones.
  void adopt_paths(std::vector<transport::SocketAddress> paths);
  Slot& add_slot(transport::SocketAddress address);
  void retire(Slot& slot);

  // One coroutine for each slot: binds, waits for the loss, binds again.
  Task<void> keep(Slot& slot);
  Task<Result<void>> bind(Slot& slot);
  Task<Result<void>> log_on(Slot& slot, ConnectionPtr connection);
  // One for each live connection: asks it when it is silent.
  Task<void> probe(Slot& slot, ConnectionPtr connection);
  Task<void> refresh();

  void take(Slot& slot, ConnectionPtr connection);
  // The channel's connection ended. May be told more than once.
  void lost(const Connection& connection);
  void drop_closed();
  void on_break(const BreakEvent& event);
  bool is_repeated(const BreakEvent& event);

  Slot* pick();
  bool is_usable(const Slot& slot) const;
  // Whether the response is one to wait for something better.
  Verdict judge(const Request& request, const Response& response, int tries) const;

  Reactor& reactor() const { return reactor_; }

  const SessionPtr session_;
  const ChannelSetOptions options_;
  const ConnectionOptions connection_options_;
  const transport::SocketAddress first_address_;
  Reactor& reactor_;
  std::deque<Slot> slots_;  // only grows: keepers hold references
  size_t next_slot_ = 0;
  uint16_t channel_sequence_ = 0;
  uint64_t replays_ = 0;
  std::optional<Error> ended_;  // close(), or the server knows the session no more
  std::function<void(const BreakEvent&)> break_handler_;
  std::deque<BreakEvent> breaks_;         // nobody to give them to yet
  std::deque<BreakEvent> recent_breaks_;  // to know repeated ones by
  Bell changed_;                          // channels came or went
  Bell stopping_;
  size_t paths_max_ = 0;  // that were chosen at a time
  TaskScope tasks_;
};

using ChannelSetPtr = std::shared_ptr<ChannelSet>;

}  // namespace braid::client

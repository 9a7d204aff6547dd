// braidctl shares, sessions, opens, locks, leases, events, metrics, open close, channel close,
// session close, user kick, share disconnect, reload, upgrade, restart: what is asked of a running
// server.
#pragma once

#include <string>

#include "config/config.h"

namespace braid::braidctl {

struct RunningArguments {
  std::string session;
  std::string channel;  // a number
  std::string open;
  bool json = false;
  // Of rows: only those of a user, and of a share; and by which of their values they are sorted.
  std::string user;
  std::string share;
  std::string sort;
};

// Each asks all workers and gives the exit code: 0, or 2 after one line on stderr. A worker that
// does not answer is one line on stderr too; what the others say is printed all the same.
int show_shares(const config::Config& config, const RunningArguments& arguments);
int show_sessions(const config::Config& config, const RunningArguments& arguments);
int show_opens(const config::Config& config, const RunningArguments& arguments);
int show_locks(const config::Config& config, const RunningArguments& arguments);
int show_leases(const config::Config& config, const RunningArguments& arguments);
int show_events(const config::Config& config, const RunningArguments& arguments);
int show_metrics(const config::Config& config, const RunningArguments& arguments);
int close_channel(const config::Config& config, const RunningArguments& arguments);
int close_open(const config::Config& config, const RunningArguments& arguments);
int close_session(const config::Config& config, const RunningArguments& arguments);
// Ends all sessions of a user; what is connected to a share, by all or by one user.
int kick_user(const config::Config& config, const RunningArguments& arguments);
int disconnect_share(const config::Config& config, const RunningArguments& arguments);
// Has it read its configuration again, and says which keys wait for a restart. REQUIRES: there is
// nothing wrong with it.
int reload(const config::Config& config, const RunningArguments& arguments);
// Has the program and the configuration that there are now take the place of those that run.
int upgrade(const config::Config& config, const RunningArguments& arguments);

}  // namespace braid::braidctl

// What a worker answers to a request of the control protocol.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/protocol.h"

namespace braid::rpc::tcp {
class Server;
}
namespace braid::smb2 {
class Server;
}

namespace braid::admin {

// Results: of kSessions, kOpens and kMetrics what session_view.h, open_view.h and metrics.h say;
// of kChannelClose and kSessionClose {"session": whether this worker has it, "closed": whether
// something was}; of kStatus what status_view.h says; of kUserKick and kShareDisconnect {"ended":
// how many sessions or connections to the share, "opens": how many that waited for lost clients}.
// Those of Witness and of addresses: witness_view.h, of kCluster: cluster_view.h; `rpc` is null
// where this worker has no witness. Thread: any but a reactor. REQUIRES: before server.stop().
// `waiting`: the keys of [server] whose new value waits for a restart.
std::string answer_control(smb2::Server& server, rpc::tcp::Server* rpc, const WorkerPlace& place,
                           const std::vector<std::string_view>& waiting, std::string_view line);

}  // namespace braid::admin

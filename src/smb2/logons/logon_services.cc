#include "smb2/logons/logon_services.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "smb2/audit/audit_log.h"
#include "smb2/audit/audit_record.h"
#include "smb2/connections/connection.h"
#include "smb2/logons/bind_questions.h"
#include "smb2/logons/logon_news.h"
#include "smb2/logons/previous_session.h"
#include "smb2/logons/session_notice.h"
#include "smb2/opens/work_owner.h"
#include "smb2/workers/other_workers.h"

namespace braid::smb2 {

LogonServices::LogonServices(const Parts& parts)
    : clock(parts.clock),
      authenticator(parts.authenticator),
      penalties(parts.penalties),
      anonymous_sessions(parts.anonymous_sessions),
      session_table(parts.workers.any() ? std::optional(parts.workers.own_tag().index())
                                        : std::nullopt),
      previous_sessions(std::make_unique<PreviousSessions>(*this, parts.files, parts.workers)),
      bind_questions(std::make_unique<BindQuestions>(*this, parts.files, parts.workers)),
      news(std::make_unique<LogonNews>(penalties, parts.workers)),
      files_(parts.files) {}

LogonServices::~LogonServices() = default;

bool LogonServices::end_session(SessionId id) {
  auto session = session_table.find(id);
  if (!session) return false;
  files_.spawn(end_session_soon(std::move(session)));
  return true;
}

Task<void> LogonServices::end_session_soon(std::shared_ptr<Session> session) {
  WorkerPool::Seat seat(files_.pool, WorkOwner{});
  (void)co_await seat.turn();
  tell_session_closed(*session);
  co_await close_session(std::move(session), DurableOpens::kClosed);
}

Task<void> LogonServices::close_session(std::shared_ptr<Session> session, DurableOpens durable) {
  session_table.remove(session->session_id);
  const auto channels = session->begin_close();
  if (!channels) co_return;
  if (const SessionSecurity* security = session->security(); files_.audit && security) {
    AuditRecord record(clock.now(), "logoff", name_of(NtStatus::kSuccess));
    record.add("user", security->user->account_name)
        .add("domain", security->user->domain)
        .add("client", security->client)
        .add("machine", security->machine)
        .add("session", fmt::format("{:#x}", session->session_id.value));
    files_.audit->add(std::move(record).take());
  }
  for (const auto& channel : *channels) {
    if (const auto connection = channel->connection.lock()) connection->session_ended(channel);
  }
  for (const auto& tree : session->take_trees()) tree->begin_close();
  auto opens = session->close_opens();
  // The client may be on its way back before the first of them is done.
  if (durable == DurableOpens::kKept) {
    for (const auto& open : opens) files_.open_table.begin_leaving(*open);
  }
  session->opens_left.set(true);
  co_await files_.end_opens(std::move(opens), durable);
}

}  // namespace braid::smb2

// What braidctl shows of a session on several connections, and what closing one of them does to it.
#include <cstdlib>

#include "admin/control_client.h"
#include "e2e.h"

namespace braid::e2e {
namespace {

// The worker's view of `session`; null when no worker has it.
nlohmann::json view_of(const std::string& state_dir, const client::Session& session) {
  const auto answers = admin::ask_workers(state_dir, {.command = admin::Command::kSessions});
  if (!answers) {
    ADD_FAILURE() << answers.error();
    return {};
  }
  for (const auto& [worker, sessions] : answers->results) {
    for (const auto& each : sessions) {
      if (each["session"] == admin::id_text(session.id().value)) return each;
    }
  }
  return {};
}

// Nothing where the server is not one that braidctl could ask.
const char* state_dir() { return std::getenv("BRAID_E2E_STATE"); }

BRAID_E2E(Admin, ClosedChannelLeavesTheSessionToTheOthers) {
  if (!state_dir()) co_return;
  E2E_TRY(const auto tree, co_await env.mount());
  client::Session& session = tree->session();
  E2E_TRY(const auto second, co_await env.connect(session.connection().options()));
  E2E_OK(co_await session.bind(second, ntlm()));
  E2E_TRY(const auto file, co_await tree->open(name_of_test(), kReadWriteDelete,
                                               wire::CreateDisposition::kOverwriteIf));
  const auto before = view_of(state_dir(), session);
  EXPECT_EQ(before["opens"], 1);
  const auto& channels = before["channels"];
  if (channels.size() != 2) {
    ADD_FAILURE() << before.dump(2);
    co_return;
  }
  // By its address, the one that the session was made on.
  const std::string first = session.connection(0).transport().local().to_string();
  const size_t index = channels[0]["client"] == first ? 0 : 1;
  EXPECT_EQ(channels[index]["client"], first);

  const auto answers =
      admin::ask_workers(state_dir(), {.command = admin::Command::kChannelClose,
                                       .session = session.id(),
                                       .channel = channels[index]["channel"].get<uint64_t>()});
  if (!answers) {
    ADD_FAILURE() << answers.error();
    co_return;
  }
  EXPECT_EQ(co_await session.connection(0).ended(), Error(NtStatus::kConnectionDisconnected));
  session.remove_channel(0);
  E2E_OK(co_await file->write(0, as_bytes("over the one that is left")));
  // The client hears of it before the session has let go of the channel.
  auto after = view_of(state_dir(), session);
  for (int i = 0; i < 1000 && after["channels"].size() != 1; ++i) {
    after = view_of(state_dir(), session);
  }
  EXPECT_EQ(after["opens"], 1);
  EXPECT_EQ(after["state"], "valid");
  EXPECT_EQ(after["channels"].size(), 1u) << after.dump(2);
  EXPECT_EQ(after["channels"][0]["channel"], channels[1 - index]["channel"]);
  E2E_OK(co_await file->close());
}

// They can be bound only where they have met.
BRAID_E2E(Admin, AllConnectionsOfAClientMeetInOneWorker) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Session& session = tree->session();
  if (!(session.connection().capabilities() & wire::Capabilities::kMultiChannel)) co_return;
  std::vector<client::ConnectionPtr> connections;
  while (connections.size() < 31) {
    E2E_TRY(auto connection, co_await env.connect(session.connection().options()));
    connections.push_back(std::move(connection));
  }
  for (const auto& connection : connections) E2E_OK(co_await session.bind(connection, ntlm()));
  if (state_dir()) EXPECT_EQ(view_of(state_dir(), session)["channels"].size(), 32u);
}

}  // namespace
}  // namespace braid::e2e

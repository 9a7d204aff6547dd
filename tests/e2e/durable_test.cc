// Durable handles: opens that outlive their connection.
#include "e2e.h"

namespace braid::e2e {
namespace {

using wire::OplockLevel;

wire::CreateRequest create(OplockLevel level) {
  wire::CreateRequest request;
  request.desired_access = kReadWriteDelete;
  request.share_access = wire::ShareAccess::kAll;
  request.create_disposition = wire::CreateDisposition::kOpenIf;
  request.requested_oplock_level = level;
  request.name = name_of_test();
  return request;
}

CreateGuid random_create_guid() {
  CreateGuid guid;
  crypto::random_bytes(guid.bytes);
  return guid;
}

// `reconnect`, again until the server has seen that the connection before is gone: until then there
// is no such open.
Task<Result<std::shared_ptr<client::File>>> create_after_loss(
    const std::shared_ptr<client::Tree>& tree, const wire::CreateRequest& reconnect) {
  auto created = co_await tree->create(reconnect);
  for (int i = 0; i < 10'000; ++i) {
    if (created || created.error() != Error(NtStatus::kObjectNameNotFound)) break;
    created = co_await tree->create(reconnect);
  }
  co_return created;
}

BRAID_E2E(DurableOpen, ReconnectsAfterTheConnectionIsLost) {
  E2E_TRY(const auto before, co_await env.mount());
  wire::CreateRequest request = create(OplockLevel::kBatch);
  request.contexts.durable_handle_request = true;
  E2E_TRY(const auto file, co_await before->create(request));
  EXPECT_TRUE(file->created().contexts.durable_handle_response);
  E2E_OK(co_await file->write(0, as_bytes("kept")));
  const client::ConnectionOptions options = before->session().connection().options();
  co_await before->session().connection().close();

  E2E_TRY(const auto after, co_await env.mount("share", options));
  wire::CreateRequest again = create(OplockLevel::kBatch);
  again.contexts.durable_handle_reconnect = file->id();
  E2E_TRY(const auto back, co_await create_after_loss(after, again));
  EXPECT_EQ(back->id().persistent, file->id().persistent);
  EXPECT_EQ(back->created().oplock_level, OplockLevel::kBatch);
  E2E_TRY(const auto reply, co_await back->read(0, 4));
  EXPECT_EQ(as_text(reply->data), "kept");
  E2E_OK(co_await back->close());
}

// What a share refuses must not be had by coming back through another one.
BRAID_E2E(DurableOpen, ReconnectsThroughItsShareOnly) {
  E2E_TRY(const auto before, co_await env.mount());
  wire::CreateRequest request = create(OplockLevel::kBatch);
  request.contexts.durable_handle_request = true;
  E2E_TRY(const auto file, co_await before->create(request));
  const client::ConnectionOptions options = before->session().connection().options();
  co_await before->session().connection().close();

  wire::CreateRequest again = create(OplockLevel::kBatch);
  again.contexts.durable_handle_reconnect = file->id();
  E2E_TRY(const auto other, co_await env.mount("encrypted", options));
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await other->create(again));
  E2E_TRY(const auto after, co_await env.mount("share", options));
  E2E_TRY(const auto back, co_await create_after_loss(after, again));
  E2E_OK(co_await back->close());
}

BRAID_E2E(DurableOpen, IsNotGivenWithoutABatchOplockOrHandleLease) {
  E2E_TRY(const auto tree, co_await env.mount());
  for (const auto level : {OplockLevel::kNone, OplockLevel::kLevelIi, OplockLevel::kExclusive}) {
    wire::CreateRequest request = create(level);
    request.contexts.durable_handle_request = true;
    E2E_TRY(const auto file, co_await tree->create(request));
    EXPECT_FALSE(file->created().contexts.durable_handle_response);
    E2E_OK(co_await file->close());
  }
}

BRAID_E2E(DurableV2, ReconnectsWithItsCreateGuidOnly) {
  E2E_TRY(const auto before, co_await env.mount());
  wire::CreateRequest request = create(OplockLevel::kBatch);
  const CreateGuid create_guid = random_create_guid();
  request.contexts.durable_handle_request_v2 = {
      .timeout_ms = 0, .flags = 0, .create_guid = create_guid};
  E2E_TRY(const auto file, co_await before->create(request));
  const auto& granted = file->created().contexts.durable_handle_response_v2;
  EXPECT_TRUE(granted && granted->timeout_ms > 0 && granted->flags == 0);
  const client::ConnectionOptions options = before->session().connection().options();
  co_await before->session().connection().close();

  E2E_TRY(const auto after, co_await env.mount("share", options));
  wire::CreateRequest again = create(OplockLevel::kBatch);
  again.contexts.durable_handle_reconnect_v2 = {
      .file_id = file->id(), .create_guid = random_create_guid(), .flags = 0};
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await after->create(again));
  again.contexts.durable_handle_reconnect_v2->create_guid = create_guid;
  E2E_TRY(const auto back, co_await create_after_loss(after, again));
  E2E_OK(co_await back->write(0, as_bytes("alive")));
  E2E_OK(co_await back->close());
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await after->create(again));
}

BRAID_E2E(DurableV2, LogoffKeepsItAndTreeDisconnectEndsIt) {
  E2E_TRY(const auto before, co_await env.mount());
  wire::CreateRequest request = create(OplockLevel::kBatch);
  const CreateGuid create_guid = random_create_guid();
  request.contexts.durable_handle_request_v2 = {
      .timeout_ms = 0, .flags = 0, .create_guid = create_guid};
  E2E_TRY(const auto file, co_await before->create(request));
  const client::ConnectionOptions options = before->session().connection().options();
  E2E_OK(co_await before->session().logoff());
  co_await before->session().connection().close();

  E2E_TRY(const auto after, co_await env.mount("share", options));
  wire::CreateRequest again = create(OplockLevel::kBatch);
  again.contexts.durable_handle_reconnect_v2 = {
      .file_id = file->id(), .create_guid = create_guid, .flags = 0};
  E2E_TRY(const auto back, co_await create_after_loss(after, again));
  E2E_OK(co_await back->write(0, as_bytes("alive")));
  E2E_OK(co_await after->disconnect());
  co_await after->session().connection().close();

  E2E_TRY(const auto last, co_await env.mount("share", options));
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await last->create(again));
}

BRAID_E2E(DurableV2, AnotherUserDoesNotGetIt) {
  E2E_TRY(const auto before, co_await env.mount());
  wire::CreateRequest request = create(OplockLevel::kBatch);
  const CreateGuid create_guid = random_create_guid();
  request.contexts.durable_handle_request_v2 = {
      .timeout_ms = 0, .flags = 0, .create_guid = create_guid};
  E2E_TRY(const auto file, co_await before->create(request));
  const client::ConnectionOptions options = before->session().connection().options();
  co_await before->session().connection().close();

  wire::CreateRequest again = create(OplockLevel::kBatch);
  again.contexts.durable_handle_reconnect_v2 = {
      .file_id = file->id(), .create_guid = create_guid, .flags = 0};
  E2E_TRY(const auto connection, co_await env.connect(options));
  E2E_TRY(const auto session,
          co_await client::Session::setup(connection, ntlm(server().user2, server().password2)));
  E2E_TRY(const auto stranger, co_await session->tree_connect("share"));
  if (server().is_braid) {
    E2E_FAILS(NtStatus::kAccessDenied, co_await create_after_loss(stranger, again));
  } else {  // Samba's answer is the one for an open that is not there
    E2E_FAILS(NtStatus::kObjectNameNotFound, co_await stranger->create(again));
  }
  E2E_TRY(const auto owner, co_await env.mount("share", options));
  E2E_TRY(const auto back, co_await create_after_loss(owner, again));
  E2E_OK(co_await back->close());
}

BRAID_E2E(Replay, CreateIsAnsweredAgainAndNotDoneAgain) {
  E2E_TRY(const auto tree, co_await env.mount());
  wire::CreateRequest request = create(OplockLevel::kBatch);
  request.create_disposition = wire::CreateDisposition::kCreate;
  request.contexts.durable_handle_request_v2 = {
      .timeout_ms = 0, .flags = 0, .create_guid = random_create_guid()};
  E2E_TRY(const auto file, co_await tree->create(request));
  E2E_FAILS(NtStatus::kDuplicateObjectid, co_await tree->create(request));
  E2E_OK(co_await file->close());
}

}  // namespace
}  // namespace braid::e2e

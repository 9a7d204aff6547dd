// Oplocks and leases: what is granted, what breaks it, and what the breaker sees.
#include "e2e.h"

namespace braid::e2e {
namespace {

using wire::LeaseState;
using wire::OplockLevel;

constexpr uint32_t kR = LeaseState::kReadCaching;
constexpr uint32_t kRh = kR | LeaseState::kHandleCaching;
constexpr uint32_t kRwh = LeaseState::kAll;

wire::CreateRequest create(OplockLevel level) {
  wire::CreateRequest request;
  request.desired_access = kReadWriteDelete;
  request.share_access = wire::ShareAccess::kAll;
  request.create_disposition = wire::CreateDisposition::kOpenIf;
  request.requested_oplock_level = level;
  request.name = name_of_test();
  return request;
}

wire::CreateRequest create_lease(uint8_t key, uint32_t state, uint8_t version = 2) {
  wire::CreateRequest request = create(OplockLevel::kLease);
  wire::LeaseContext lease;
  lease.version = version;
  lease.lease_key.bytes[0] = key;
  lease.lease_state = state;
  request.contexts.request_lease = lease;
  return request;
}

uint32_t granted(const client::FilePtr& file) {
  const auto& lease = file->created().contexts.response_lease;
  return lease ? lease->lease_state : 0;
}

// Another client: a second connection with a ClientGuid of its own.
Task<Result<client::ExchangePtr>> start_create(client::TreePtr tree, wire::CreateRequest request) {
  co_return co_await tree->start(client::make_request(wire::Command::kCreate, request));
}

BRAID_E2E(Oplock, BatchBreaksToLevelIiAndIsAcknowledged) {
  E2E_TRY(const auto holder, co_await env.mount());
  E2E_TRY(const auto other, co_await env.mount());
  E2E_TRY(const auto held, co_await holder->create(create(OplockLevel::kBatch)));
  EXPECT_EQ(held->created().oplock_level, OplockLevel::kBatch);

  E2E_TRY(const auto pending, co_await start_create(other, create(OplockLevel::kNone)));
  EXPECT_TRUE((co_await pending->interim()).has_value());
  E2E_TRY(const auto event, co_await holder->session().connection().next_break());
  const auto* broken = std::get_if<wire::OplockBreakNotification>(&event.notification);
  EXPECT_NE(broken, nullptr);
  if (broken == nullptr) co_return;
  EXPECT_EQ(broken->file_id, held->id());
  EXPECT_EQ(broken->oplock_level, OplockLevel::kLevelIi);
  EXPECT_FALSE(pending->is_done());

  wire::OplockBreakAcknowledgment acknowledgment;
  acknowledgment.oplock_level = OplockLevel::kLevelIi;
  acknowledgment.file_id = held->id();
  E2E_OK(co_await holder->acknowledge(acknowledgment));
  E2E_OK(co_await pending->reply<wire::CreateResponse>());
}

BRAID_E2E(Oplock, CloseInsteadOfAnAcknowledgmentLetsTheOtherIn) {
  E2E_TRY(const auto holder, co_await env.mount());
  E2E_TRY(const auto other, co_await env.mount());
  E2E_TRY(const auto held, co_await holder->create(create(OplockLevel::kBatch)));
  E2E_TRY(const auto pending, co_await start_create(other, create(OplockLevel::kBatch)));
  E2E_OK(co_await holder->session().connection().next_break());
  E2E_OK(co_await held->close());
  E2E_TRY(const auto reply, co_await pending->reply<wire::CreateResponse>());
  EXPECT_EQ(reply->oplock_level, OplockLevel::kBatch);
}

BRAID_E2E(Oplock, LevelIiBreaksToNoneOnWrite) {
  E2E_TRY(const auto holder, co_await env.mount());
  E2E_TRY(const auto other, co_await env.mount());
  E2E_TRY(const auto held, co_await holder->create(create(OplockLevel::kLevelIi)));
  EXPECT_EQ(held->created().oplock_level, OplockLevel::kLevelIi);
  E2E_TRY(const auto writer, co_await other->create(create(OplockLevel::kNone)));
  E2E_OK(co_await writer->write(0, as_bytes("x")));
  E2E_TRY(const auto event, co_await holder->session().connection().next_break());
  const auto* broken = std::get_if<wire::OplockBreakNotification>(&event.notification);
  EXPECT_TRUE(broken != nullptr && broken->oplock_level == OplockLevel::kNone);
}

BRAID_E2E(Oplock, WrongAcknowledgmentsAreRefused) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto held, co_await tree->create(create(OplockLevel::kBatch)));
  wire::OplockBreakAcknowledgment acknowledgment;
  acknowledgment.oplock_level = OplockLevel::kLevelIi;
  acknowledgment.file_id = {77, 77};
  E2E_FAILS(NtStatus::kFileClosed, co_await tree->acknowledge(acknowledgment));
  acknowledgment.file_id = held->id();
  const auto not_breaking = co_await tree->acknowledge(acknowledgment);
  EXPECT_FALSE(not_breaking);
  if (server().is_braid) E2E_FAILS(NtStatus::kInvalidDeviceState, not_breaking);
}

BRAID_E2E(Lease, RwhBreaksToRhAndIsAcknowledged) {
  E2E_TRY(const auto holder, co_await env.mount());
  E2E_TRY(const auto other, co_await env.mount());
  E2E_TRY(const auto held, co_await holder->create(create_lease(1, kRwh)));
  EXPECT_EQ(held->created().oplock_level, OplockLevel::kLease);
  EXPECT_EQ(granted(held), kRwh);
  // The epoch of a new lease is the one asked for, and one more for the grant.
  const auto& lease = held->created().contexts.response_lease;
  EXPECT_TRUE(lease && lease->version == 2 && lease->epoch == 1);

  E2E_TRY(const auto pending, co_await start_create(other, create_lease(2, kRwh)));
  E2E_TRY(const auto event, co_await holder->session().connection().next_break());
  const auto* broken = std::get_if<wire::LeaseBreakNotification>(&event.notification);
  EXPECT_NE(broken, nullptr);
  if (broken == nullptr) co_return;
  EXPECT_EQ(broken->lease_key.bytes[0], 1);
  EXPECT_EQ(broken->current_lease_state, kRwh);
  EXPECT_EQ(broken->new_lease_state, kRh);
  EXPECT_EQ(broken->flags, wire::LeaseBreakNotification::kFlagAckRequired);
  EXPECT_EQ(broken->new_epoch, 2);
  EXPECT_EQ(event.header.session_id, SessionId{0});

  wire::LeaseBreakAcknowledgment acknowledgment;
  acknowledgment.lease_key = broken->lease_key;
  acknowledgment.lease_state = kRh;
  E2E_OK(co_await holder->acknowledge(acknowledgment));
  E2E_TRY(const auto reply, co_await pending->reply<wire::CreateResponse>());
  EXPECT_TRUE(reply->contexts.response_lease && reply->contexts.response_lease->lease_state == kRh);
}

BRAID_E2E(Lease, SameKeyOpensWithoutABreak) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto first, co_await tree->create(create_lease(1, kRwh)));
  E2E_TRY(const auto second, co_await tree->create(create_lease(1, kR)));
  EXPECT_EQ(granted(first), kRwh);
  EXPECT_EQ(granted(second), kRwh);
  E2E_OK(co_await second->write(0, as_bytes("x")));
  E2E_OK(tree->session().connection().take_breaks().empty() ? Result<void>{}
                                                            : fail(NtStatus::kUnsuccessful));
}

BRAID_E2E(Lease, ReadLeaseBreaksToNoneWithoutAcknowledgment) {
  E2E_TRY(const auto holder, co_await env.mount());
  E2E_TRY(const auto other, co_await env.mount());
  E2E_TRY(const auto held, co_await holder->create(create_lease(1, kR, 1)));
  EXPECT_EQ(granted(held), kR);
  E2E_TRY(const auto writer, co_await other->create(create(OplockLevel::kNone)));
  E2E_OK(co_await writer->write(0, as_bytes("x")));
  E2E_TRY(const auto event, co_await holder->session().connection().next_break());
  const auto* broken = std::get_if<wire::LeaseBreakNotification>(&event.notification);
  EXPECT_TRUE(broken != nullptr && broken->new_lease_state == 0 && broken->flags == 0);
}

}  // namespace
}  // namespace braid::e2e

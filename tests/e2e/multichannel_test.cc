// Several connections of one session.
#include "client/channel_set.h"
#include "e2e.h"

namespace braid::e2e {
namespace {

BRAID_E2E(Multichannel, BoundConnectionSharesTheSession) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Session& session = tree->session();
  E2E_TRY(const auto second, co_await env.connect(session.connection().options()));
  EXPECT_TRUE(session.connection().capabilities() & wire::Capabilities::kMultiChannel);
  E2E_OK(co_await session.bind(second, ntlm()));
  EXPECT_EQ(session.channel_count(), 2u);
  E2E_TRY(const auto file, co_await tree->open(name_of_test(), kReadWriteDelete,
                                               wire::CreateDisposition::kOverwriteIf));
  E2E_OK(co_await file->write(0, as_bytes("through the first")));

  // The file is reached through the other channel, signed with that channel's key.
  wire::ReadRequest read;
  read.length = 100;
  read.file_id = file->id();
  auto request = client::make_request(wire::Command::kRead, read, 100);
  E2E_TRY(const auto reply,
          client::reply_of<wire::ReadResponse>(co_await tree->call(std::move(request), 1)));
  EXPECT_EQ(as_text(reply->data), "through the first");
  EXPECT_TRUE(reply.response.was_verified);

  // And outlives the one it was opened on.
  co_await session.connection(0).close();
  session.remove_channel(0);
  E2E_OK(co_await file->write(0, as_bytes("x")));
  E2E_OK(co_await file->close());
}

BRAID_E2E(Multichannel, BindOfAnUnknownSessionIsRefused) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->session().logoff());
  E2E_TRY(const auto second, co_await env.connect(tree->session().connection().options()));
  EXPECT_FALSE(co_await tree->session().bind(second, ntlm()));
}

BRAID_E2E(Multichannel, OneConnectionIsNotBoundTwice) {
  E2E_TRY(const auto tree, co_await env.mount());
  client::Session& session = tree->session();
  E2E_TRY(const auto second, co_await env.connect(session.connection().options()));
  E2E_OK(co_await session.bind(second, ntlm()));
  // Signed with the session's key, where the channel has one of its own by now.
  E2E_FAILS(NtStatus::kAccessDenied, co_await session.bind(second, ntlm()));
}

// A session on four connections to the one address there is.
struct Many {
  client::TreePtr tree;
  client::ChannelSetPtr set;
};

Task<Result<Many>> mount_on_four(Env& env, client::SessionOptions options = {}) {
  BRAID_CO_TRY(auto tree, co_await env.mount("share", {}, options));
  client::ChannelSetOptions channels;
  channels.make_initiator = [] { return ntlm(); };
  channels.addresses.assign(4, server().address);
  BRAID_CO_TRY(auto set, co_await client::ChannelSet::start(tree->session().shared_from_this(),
                                                            std::move(channels)));
  co_return Many{std::move(tree), std::move(set)};
}

#define MULTICHANNEL_MOUNT(...)                                                                  \
  E2E_TRY(const auto many, co_await mount_on_four(env __VA_OPT__(, ) __VA_ARGS__));              \
  if (!(many.tree->session().connection().capabilities() & wire::Capabilities::kMultiChannel)) { \
    EXPECT_EQ(many.set->live_count(), 1u);                                                       \
    co_await many.set->close();                                                                  \
    co_return;                                                                                   \
  }                                                                                              \
  EXPECT_TRUE(co_await many.set->wait_for_channels(4, std::chrono::seconds(20)))

BRAID_E2E(Multichannel, RequestsAreSpread) {
  MULTICHANNEL_MOUNT();
  E2E_TRY(const auto file, co_await many.tree->open(name_of_test(), kReadWriteDelete,
                                                    wire::CreateDisposition::kOverwriteIf));
  const Bytes content = pattern(65'536);
  TaskScope scope;
  const auto write = [&](uint64_t offset) -> Task<void> {
    E2E_OK(co_await file->write(offset, ByteView(content)));
  };
  for (uint64_t i = 0; i < 64; ++i) scope.spawn(write(i * content.size()));
  co_await scope.join();
  for (const auto& channel : many.set->channels()) EXPECT_GE(channel.bytes, 8 * content.size());
  E2E_OK(co_await file->close());
  E2E_TRY(const Bytes read, co_await many.tree->read_file(name_of_test()));
  EXPECT_EQ(read.size(), 64 * content.size());
  co_await many.set->close();
}

// The channel with most in flight: losing it makes replays certain.
size_t busiest(const client::ChannelSet& set) {
  const auto channels = set.channels();
  const auto most = std::ranges::max_element(
      channels, {}, [](const auto& channel) { return channel.bytes_in_flight; });
  return static_cast<size_t>(most - channels.begin());
}

// Writes records while channels go; every one of them has to be there.
Task<void> write_while_cutting(Many many) {
  E2E_TRY(const auto file, co_await many.tree->open(name_of_test(), kReadWriteDelete,
                                                    wire::CreateDisposition::kOverwriteIf));
  constexpr uint64_t kRecord = 100'000;
  constexpr uint64_t kRecords = 48;
  uint64_t begun = 0;
  const auto writer = [&]() -> Task<void> {
    while (begun < kRecords) {
      const uint64_t number = begun++;
      if (number % 8 == 3 && many.set->live_count() > 2) many.set->cut(busiest(*many.set));
      const Bytes record = pattern(kRecord, static_cast<uint32_t>(number));
      E2E_OK(co_await file->write(number * kRecord, ByteView(record)));
    }
  };
  TaskScope scope;
  for (int i = 0; i < 6; ++i) scope.spawn(writer());
  co_await scope.join();
  E2E_OK(co_await file->close());
  EXPECT_GT(many.set->replays(), 0u);
  EXPECT_TRUE(co_await many.set->wait_for_channels(4, std::chrono::seconds(20)));
  E2E_TRY(const Bytes read, co_await many.tree->read_file(name_of_test()));
  EXPECT_EQ(read.size(), kRecords * kRecord);
  for (uint64_t i = 0; i < kRecords && read.size() == kRecords * kRecord; ++i) {
    EXPECT_TRUE(std::ranges::equal(ByteView(read).subspan(i * kRecord, kRecord),
                                   pattern(kRecord, static_cast<uint32_t>(i))))
        << "record " << i;
  }
  co_await many.set->close();
}

BRAID_E2E(Multichannel, WritesSurviveLostChannels) {
  MULTICHANNEL_MOUNT();
  co_await write_while_cutting(many);
}

BRAID_E2E(Multichannel, EncryptedWritesSurviveLostChannels) {
  MULTICHANNEL_MOUNT({.security = client::SessionOptions::Security::kEncrypt});
  co_await write_while_cutting(many);
}

// Creates, renames, locks and closes, each cut off as soon as it was sent.
BRAID_E2E(Multichannel, OperationsAreDoneOnceThoughTheirChannelIsLost) {
  MULTICHANNEL_MOUNT();
  client::ChannelSet& set = *many.set;
  // The channel that gets the next request is the one that was used least; cut whichever has
  // something in flight.
  const auto cut_busy = [&]() -> Task<void> {
    const auto channels = set.channels();
    for (size_t i = 0; i < channels.size(); ++i) {
      if (channels[i].bytes_in_flight != 0) set.cut(i);
    }
    co_return;
  };
  TaskScope scope;
  for (int round = 0; round < 4; ++round) {
    EXPECT_TRUE(co_await set.wait_for_channels(4, std::chrono::seconds(20)));
    const std::string name = name_of_test(std::to_string(round));
    const std::string renamed = name + ".renamed";
    E2E_OK(co_await many.tree->write_file(renamed, {}));
    E2E_OK(co_await many.tree->unlink(renamed));
    Timer soon(env.reactor());

    soon.start({}, [&] { scope.spawn(cut_busy()); });
    E2E_TRY(const auto file,
            co_await many.tree->open(name, kReadWriteDelete, wire::CreateDisposition::kCreate));
    EXPECT_EQ(file->created().create_action, wire::CreateAction::kCreated);

    soon.start({}, [&] { scope.spawn(cut_busy()); });
    E2E_OK(co_await file->lock(
        {{.offset = 0,
          .length = 10,
          .flags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately}}));
    soon.start({}, [&] { scope.spawn(cut_busy()); });
    E2E_OK(co_await file->lock({{.offset = 0, .length = 10, .flags = wire::LockFlags::kUnlock}}));
    // Unlocked once and not twice: this one would find nothing to unlock.
    E2E_FAILS(
        NtStatus::kRangeNotLocked,
        co_await file->lock({{.offset = 0, .length = 10, .flags = wire::LockFlags::kUnlock}}));

    EXPECT_TRUE(co_await set.wait_for_channels(2, std::chrono::seconds(20)));
    soon.start({}, [&] { scope.spawn(cut_busy()); });
    E2E_OK(co_await file->rename(renamed));
    E2E_OK(co_await file->set_delete_pending());
    EXPECT_TRUE(co_await set.wait_for_channels(2, std::chrono::seconds(20)));
    soon.start({}, [&] { scope.spawn(cut_busy()); });
    E2E_OK(co_await file->close());
    co_await scope.join();
    // A CLOSE sent again finds the handle gone while the first may still be deleting.
    std::string deleted;
    do {
      deleted = outcome(co_await many.tree->open(renamed));
    } while (deleted == Error(NtStatus::kDeletePending).message());
    EXPECT_EQ(deleted, Error(NtStatus::kObjectNameNotFound).message());
  }
  co_await set.close();
}

BRAID_E2E(Multichannel, BreakIsTakenAndAcknowledgedOnAnyChannel) {
  MULTICHANNEL_MOUNT();
  std::vector<client::BreakEvent> seen;
  TaskScope scope;
  const auto acknowledge = [&](LeaseKey key, uint32_t state) -> Task<void> {
    E2E_OK(co_await many.tree->acknowledge(
        wire::LeaseBreakAcknowledgment{{.lease_key = key, .lease_state = state}}));
  };
  many.set->set_break_handler([&](const client::BreakEvent& event) {
    seen.push_back(event);
    const auto& lease = std::get<wire::LeaseBreakNotification>(event.notification);
    if (lease.flags & wire::LeaseBreakNotification::kFlagAckRequired) {
      scope.spawn(acknowledge(lease.lease_key, lease.new_lease_state));
    }
  });
  wire::CreateRequest create;
  create.desired_access = kReadWriteDelete;
  create.share_access = wire::ShareAccess::kAll;
  create.create_disposition = wire::CreateDisposition::kOverwriteIf;
  create.requested_oplock_level = wire::OplockLevel::kLease;
  create.name = name_of_test();
  create.contexts.request_lease.emplace();
  create.contexts.request_lease->version = 2;
  create.contexts.request_lease->lease_key.bytes[0] = 7;
  create.contexts.request_lease->lease_state = wire::LeaseState::kAll;
  E2E_TRY(const auto file, co_await many.tree->create(create));

  // The first channel goes, and with it the connection the handle was opened on.
  many.set->cut(0);
  E2E_TRY(const auto other, co_await env.mount());
  E2E_TRY(const auto second, co_await other->open(name_of_test(), kReadWriteDelete));
  co_await scope.join();
  EXPECT_EQ(seen.size(), 1u);
  E2E_OK(co_await second->close());
  E2E_OK(co_await file->write(0, as_bytes("still open")));
  E2E_OK(co_await file->close());
  co_await many.set->close();
}

}  // namespace
}  // namespace braid::e2e

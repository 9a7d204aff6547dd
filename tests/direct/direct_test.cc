// A client over a network card with RDMA, or what is one for direct_test.py, which starts the
// server: BRAID_DIRECT_CARD is the address of a real one.
#include "direct.h"

#include <signal.h>

#include <array>

#include "client/interfaces.h"
#include "client/response.h"
#include "meddling_card.h"

namespace braid::e2e {
namespace {

BRAID_E2E(Direct, WhatIsPlacedIsWhatTheFileHas) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  uint64_t offset = 0;
  for (const uint32_t size : {1u, 4096u, 100'000u, kMiB, 8 * kMiB}) {
    Bytes data = pattern(size, size);
    E2E_TRY(const uint32_t count, co_await write_placed(direct, *file, data, offset));
    EXPECT_EQ(count, size);
    Bytes back(size);
    E2E_TRY(const uint32_t got, co_await read_placed(direct, *file, back, offset));
    EXPECT_EQ(got, size);
    EXPECT_TRUE(back == data) << size;
    offset += size;
  }
  // Whoever comes over TCP sees the same.
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const Bytes whole, co_await tree->read_file(name_of_test()));
  EXPECT_EQ(whole.size(), offset);
  EXPECT_TRUE(ByteView(whole).size() == offset &&
              std::ranges::equal(ByteView(whole).last(8 * kMiB), pattern(8 * kMiB, 8 * kMiB)));
  co_await direct.connection->close();
}

BRAID_E2E(Direct, NothingIsCopiedBetweenTheCardsMemoryAndTheFile) {
  if (environment("BRAID_DIRECT_BRAIDCTL").empty()) co_return;
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  const uint64_t placed = metric("braid_rdma_placed_bytes_total");
  const uint64_t copied = metric("braid_rdma_copied_bytes_total");
  Bytes data = pattern(8 * kMiB);
  E2E_TRY(const uint32_t count, co_await write_placed(direct, *file, data, 0));
  EXPECT_EQ(count, 8 * kMiB);
  EXPECT_EQ(metric("braid_rdma_placed_bytes_total") - placed, 8 * kMiB);
  EXPECT_EQ(metric("braid_rdma_copied_bytes_total"), copied);
  // Of a session that is signed by choice, over a connection that has no transform.
  client::ConnectionOptions without;
  without.rdma_transforms.clear();
  E2E_TRY(auto pair, co_await await_card(env));
  E2E_TRY(const Direct plain, co_await mount_over(env, std::move(pair), {}, without));
  E2E_TRY(const auto again,
          co_await plain.tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOpen));
  Bytes back(8 * kMiB);
  E2E_TRY(const uint32_t got, co_await read_placed(plain, *again, back, 0));
  EXPECT_EQ(got, 8 * kMiB);
  EXPECT_TRUE(back == data);
  EXPECT_EQ(metric("braid_rdma_placed_bytes_total") - placed, 16 * kMiB);
  EXPECT_EQ(metric("braid_rdma_copied_bytes_total"), copied);
  co_await plain.connection->close();
  co_await direct.connection->close();
}

BRAID_E2E(Direct, ManyTransfersWaitForMemoryAndNoneIsLost) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  // More than the server has for cards, at once.
  constexpr size_t kCount = 12;
  std::vector<Bytes> sources;
  std::vector<client::ExchangePtr> under_way;
  for (size_t i = 0; i < kCount; ++i)
    sources.push_back(pattern(4 * kMiB, static_cast<uint32_t>(i)));
  for (size_t i = 0; i < kCount; ++i) {
    E2E_TRY(const Descriptor lent, direct.card->register_memory(sources[i], PeerMay::kRead));
    const Bytes info = wire::smbdirect::encode_channel_info(std::array{lent});
    wire::WriteRequest body{.offset = i * 4 * kMiB,
                            .file_id = file->id(),
                            .channel = wire::Channel::kRdmaV1,
                            .remaining_bytes = 4 * kMiB,
                            .write_channel_info = info};
    auto request = client::make_request(wire::Command::kWrite, body, 4 * kMiB);
    request.tree_id = direct.tree->id();
    E2E_TRY(auto exchange, co_await direct.tree->session().start(std::move(request)));
    under_way.push_back(std::move(exchange));
  }
  for (const auto& exchange : under_way) {
    E2E_TRY(const auto response, co_await exchange->response());
    EXPECT_EQ(response.status(), NtStatus::kSuccess);
  }
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const Bytes whole, co_await tree->read_file(name_of_test()));
  EXPECT_EQ(whole.size(), kCount * 4 * kMiB);
  for (size_t i = 0; i < kCount && whole.size() == kCount * 4 * kMiB; ++i) {
    EXPECT_TRUE(std::ranges::equal(ByteView(whole).subspan(i * 4 * kMiB, 4 * kMiB), sources[i]))
        << i;
  }
  co_await direct.connection->close();
}

BRAID_E2E(Direct, OurClientPlacesWhatIsLargeByItself) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  uint64_t placed = 0;
  for (const uint32_t size : {1u, 4095u, 4096u, 70'000u, kMiB, 8 * kMiB}) {
    const Bytes data = pattern(size, size);
    E2E_TRY(const uint32_t count, co_await file->write(0, ByteView(data)));
    EXPECT_EQ(count, size);
    E2E_TRY(const auto reply, co_await file->read(0, size));
    EXPECT_TRUE(std::ranges::equal(reply->data, data)) << size;
    placed += size >= 4096 ? 2 : 0;
    EXPECT_EQ(direct.connection->placed(), placed) << size;
  }
  // More than there is, and nothing.
  E2E_TRY(const auto rest, co_await file->read(8 * kMiB - 5000, 10'000));
  EXPECT_EQ(rest->data.size(), 5000u);
  E2E_FAILS(NtStatus::kEndOfFile, co_await file->read(8 * kMiB, 10'000));
  co_await direct.connection->close();
}

client::SessionOptions protected_by(client::SessionOptions::Security security) {
  client::SessionOptions options;
  options.security = security;
  return options;
}

// What to protect it with, and what a server says of it that is not what was protected.
struct Protection {
  client::SessionOptions::Security security;
  NtStatus status;
};
constexpr Protection kSealed{client::SessionOptions::Security::kEncrypt,
                             NtStatus::kAuthTagMismatch};
constexpr Protection kSigned{client::SessionOptions::Security::kSign, NtStatus::kInvalidSignature};

BRAID_E2E(Direct, WhatIsSealedOrSignedIsPlacedSealedOrSigned) {
  for (const Protection& by : {kSealed, kSigned}) {
    const auto share = by.security == kSealed.security ? "encrypted" : "share";
    E2E_TRY(const Direct direct, co_await mount_direct(env, share, protected_by(by.security)));
    E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                        CreateDisposition::kOverwriteIf));
    uint64_t placed = 0;
    for (const uint32_t size : {1u, 4096u, 70'000u, kMiB, 8 * kMiB}) {
      const Bytes data = pattern(size, size);
      E2E_TRY(const uint32_t count, co_await file->write(0, ByteView(data)));
      EXPECT_EQ(count, size);
      E2E_TRY(const auto reply, co_await file->read(0, size));
      EXPECT_TRUE(std::ranges::equal(reply->data, data)) << size;
      placed += size >= 4096 ? 2 : 0;
      EXPECT_EQ(direct.connection->placed_protected(), placed) << size;
    }
    E2E_TRY(const auto rest, co_await file->read(8 * kMiB - 5000, 10'000));
    EXPECT_EQ(rest->data.size(), 5000u);
    E2E_FAILS(NtStatus::kEndOfFile, co_await file->read(8 * kMiB, 10'000));
    // Whoever comes over TCP sees what it was.
    E2E_TRY(const auto tree, co_await env.mount(share));
    E2E_TRY(const Bytes whole, co_await tree->read_file(name_of_test()));
    EXPECT_TRUE(whole == pattern(8 * kMiB, 8 * kMiB));
    co_await direct.connection->close();
  }
}

BRAID_E2E(Direct, MemoryThatOthersWriteToIsFound) {
  for (const Protection& by : {kSealed, kSigned}) {
    E2E_TRY(auto pair, co_await await_card(env));
    auto meddling = std::make_unique<MeddlingCard>(std::move(pair));
    MeddlingCard& card = *meddling;
    E2E_TRY(const Direct direct,
            co_await mount_over(env, std::move(meddling), protected_by(by.security)));
    E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                        CreateDisposition::kOverwriteIf));
    const Bytes data = pattern(kMiB);
    E2E_TRY(const uint32_t count, co_await file->write(0, ByteView(data)));
    EXPECT_EQ(count, kMiB);
    card.changes = MeddlingCard::Changes::kWhatIsWritten;
    E2E_FAILS(by.status, co_await file->write(0, ByteView(pattern(kMiB, 7))));
    E2E_FAILS(by.status, co_await file->write(0, ByteView(pattern(5000, 7))));
    card.changes = MeddlingCard::Changes::kWhatWasRead;
    E2E_FAILS(by.status, co_await file->read(0, kMiB));
    E2E_FAILS(by.status, co_await file->read(0, 5000));
    card.changes = MeddlingCard::Changes::kNothing;
    // Neither the file nor the connection have suffered.
    E2E_TRY(const auto reply, co_await file->read(0, kMiB));
    EXPECT_TRUE(std::ranges::equal(reply->data, data));
    EXPECT_EQ(direct.connection->placed_protected(), 6u);
    co_await direct.connection->close();
  }
}

BRAID_E2E(Direct, WithoutATransformSealedDataTravelsInMessages) {
  client::ConnectionOptions without;
  without.rdma_transforms.clear();
  E2E_TRY(auto pair, co_await await_card(env));
  E2E_TRY(const Direct direct,
          co_await mount_over(env, std::move(pair), protected_by(kSealed.security), without));
  for (const size_t size : {1u, 65'536u, 1'000'000u}) {
    E2E_OK(co_await direct.tree->write_file(name_of_test(), pattern(size)));
    E2E_TRY(const Bytes back, co_await direct.tree->read_file(name_of_test()));
    EXPECT_TRUE(back == pattern(size)) << size;
  }
  E2E_TRY(const auto file,
          co_await direct.tree->open(name_of_test(), kReadWriteDelete, CreateDisposition::kOpen));
  EXPECT_EQ(direct.connection->placed(), 0u);
  Bytes data = pattern(100);
  E2E_FAILS(NtStatus::kAccessDenied, co_await write_placed(direct, *file, data, 0));
  co_await direct.connection->close();
}

BRAID_E2E(Direct, ASessionHasChannelsOfBothKindsAndOutlivesTheCards) {
  client::ConnectionOptions options;
  options.client_guid.bytes.fill(0x5A);
  E2E_TRY(const auto connection, co_await env.connect(options));
  E2E_TRY(const auto session, co_await env.log_on(connection));
  // The server says so before.
  bool is_told = false;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!is_told && std::chrono::steady_clock::now() < end) {
    E2E_TRY(const auto interfaces, co_await client::query_interfaces(session));
    for (const auto& each : interfaces) {
      if (each.capability & wire::NetworkInterfaceInfo::kRdmaCapable) is_told = true;
    }
  }
  EXPECT_TRUE(is_told);
  E2E_TRY(Direct direct, co_await connect_direct(env, options));
  E2E_OK(co_await session->bind(direct.connection, ntlm()));
  E2E_TRY(direct.tree, co_await session->tree_connect("share"));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  Bytes data = pattern(kMiB);
  const auto channel = session->channel_of(*direct.connection);
  EXPECT_TRUE(channel);
  if (!channel) co_return;
  E2E_TRY(const Descriptor lent, direct.card->register_memory(data, PeerMay::kRead));
  const Bytes info = wire::smbdirect::encode_channel_info(std::array{lent});
  wire::WriteRequest body{.file_id = file->id(),
                          .channel = wire::Channel::kRdmaV1,
                          .remaining_bytes = kMiB,
                          .write_channel_info = info};
  auto request = client::make_request(wire::Command::kWrite, body, kMiB);
  request.tree_id = direct.tree->id();
  E2E_TRY(const auto written, co_await session->call(std::move(request), *channel));
  EXPECT_EQ(written.status(), NtStatus::kSuccess);

  if (!environment("BRAID_DIRECT_BRAIDCTL").empty()) {
    const std::string shown = output_of("sessions");
    EXPECT_EQ(shown.find("(rdma)"), shown.rfind("(rdma)")) << shown;
    EXPECT_NE(shown.find("(rdma)"), std::string::npos) << shown;
  }

  const pid_t cards = process("braidd-rdma");
  EXPECT_GT(cards, 0);
  if (cards <= 0) co_return;
  EXPECT_EQ(::kill(cards, SIGKILL), 0);
  ++lives;
  EXPECT_EQ(co_await direct.connection->ended(), Error(NtStatus::kConnectionDisconnected));
  session->remove_channel(*channel);
  // The open is what it was.
  E2E_TRY(const auto reply, co_await file->read(0, kMiB));
  EXPECT_TRUE(std::ranges::equal(reply->data, data));
  co_await direct.connection->close();

  // It is started again, and takes the place of the first.
  E2E_TRY(const Direct again, co_await connect_direct(env, options));
  E2E_OK(co_await session->bind(again.connection, ntlm()));
  co_await again.connection->close();
}

BRAID_E2E(Direct, AllConnectionsOfAClientMeetWhereItsSessionIs) {
  for (uint8_t client = 1; client <= 12; ++client) {
    client::ConnectionOptions options;
    options.client_guid.bytes.fill(client);
    E2E_TRY(const Direct first, co_await connect_direct(env, options));
    E2E_TRY(const auto session, co_await env.log_on(first.connection));
    E2E_TRY(const Direct second, co_await connect_direct(env, options));
    E2E_OK(co_await session->bind(second.connection, ntlm()));
    E2E_TRY(const auto third, co_await env.connect(options));
    E2E_OK(co_await session->bind(third, ntlm()));
    E2E_TRY(const auto tree, co_await session->tree_connect("share"));
    E2E_OK(co_await tree->write_file(name_of_test(), pattern(5000, client)));
    E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
    EXPECT_TRUE(back == pattern(5000, client));
    co_await second.connection->close();
    co_await first.connection->close();
  }
}

BRAID_E2E(Direct, AClientThatGoesWhileItIsReadLeavesNothingBehind) {
  for (uint32_t round = 0; round < 20; ++round) {
    E2E_TRY(const Direct direct, co_await mount_direct(env));
    E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                        CreateDisposition::kOpenIf));
    Bytes data = pattern(8 * kMiB, round);
    E2E_TRY(const Descriptor lent, direct.card->register_memory(data, PeerMay::kRead));
    const Bytes info = wire::smbdirect::encode_channel_info(std::array{lent});
    wire::WriteRequest body{.file_id = file->id(),
                            .channel = wire::Channel::kRdmaV1,
                            .remaining_bytes = 8 * kMiB,
                            .write_channel_info = info};
    auto request = client::make_request(wire::Command::kWrite, body, 8 * kMiB);
    E2E_OK(co_await direct.tree->start(std::move(request)));
    if (round % 2 != 0) co_await env.reactor().sleep_for(round * 1ms);
    co_await direct.connection->close();
  }
  // All that they had of the server's 32 MiB is there again.
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  Bytes data = pattern(8 * kMiB);
  E2E_TRY(const uint32_t count, co_await write_placed(direct, *file, data, 0));
  EXPECT_EQ(count, 8 * kMiB);
  co_await direct.connection->close();
}

BRAID_E2E(Direct, AKeyThatIsNoneCostsTheChannelOnly) {
  E2E_TRY(const Direct neighbour, co_await mount_direct(env));
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  const Bytes info = wire::smbdirect::encode_channel_info(
      std::array{Descriptor{.offset = 4096, .token = 0xDEAD, .length = 4096}});
  wire::WriteRequest body{.file_id = file->id(),
                          .channel = wire::Channel::kRdmaV1,
                          .remaining_bytes = 4096,
                          .write_channel_info = info};
  E2E_FAILS(NtStatus::kConnectionDisconnected,
            co_await direct.tree->call_for<wire::WriteResponse>(
                client::make_request(wire::Command::kWrite, body, 4096)));
  E2E_OK(co_await neighbour.tree->write_file(name_of_test("2"), pattern(1000)));
  co_await direct.connection->close();
  co_await neighbour.connection->close();
}

BRAID_E2E(Direct, AWorkerThatEndsTakesItsConnectionsAndTheNextOneIsReached) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_OK(co_await direct.tree->write_file(name_of_test(), pattern(100'000)));
  const pid_t cards = process("braidd-rdma");
  EXPECT_EQ(::kill(process("braidd-worker"), SIGKILL), 0);
  EXPECT_EQ(co_await direct.connection->ended(), Error(NtStatus::kConnectionDisconnected));
  co_await direct.connection->close();
  E2E_TRY(const Direct again, co_await mount_direct(env));
  E2E_TRY(const Bytes back, co_await again.tree->read_file(name_of_test()));
  EXPECT_TRUE(back == pattern(100'000));
  EXPECT_EQ(process("braidd-rdma"), cards);
  co_await again.connection->close();
}

}  // namespace
}  // namespace braid::e2e

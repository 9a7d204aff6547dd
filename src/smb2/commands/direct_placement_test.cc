// READ and WRITE over RDMA, with network cards that are none: [MS-SMB2] 3.3.5.12 "Receiving an SMB2
// READ Request", 3.3.5.13 "Receiving an SMB2 WRITE Request".
#include "smb2/commands/direct_placement.h"

#include <gtest/gtest.h>

#include "base/hex_testing.h"
#include "rpc/captured_testing.h"
#include "smb2/rdma_client_testing.h"
#include "vfs/fault/fault_volume.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/read.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {
namespace {

using transport::BufferDescriptors;
using transport::smbdirect::TransportOptions;
using Via = wire::Channel;
using wire::Command;
using wire::Dialect;
using wire::Header;
using PeerMay = RdmaClient::PeerMay;
using Descriptor = RdmaClient::Descriptor;

constexpr size_t kMiB = 1u << 20;

Bytes counting_bytes(size_t size, uint8_t first = 0) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = first++;
  return bytes;
}

struct DirectPlacement : testing::Test {
  void log_on(Dialect dialect = Dialect::kSmb302) {
    ASSERT_TRUE(client.log_on(dialect));
    file = client.create("file");
    const auto ask = [](Header& header) { header.credits = 1000; };
    ASSERT_EQ(client.status_of(client.request(Command::kEcho, wire::EchoRequest{}, ask)),
              NtStatus::kSuccess);
  }
  // In the message.
  void fill(ByteView data) {
    ASSERT_EQ(client.status_of(client.request(Command::kWrite,
                                              wire::WriteRequest{.file_id = file, .data = data})),
              NtStatus::kSuccess);
  }
  Bytes content(size_t size, uint64_t offset = 0) {
    const auto answer = client.exchange(request(
        client, wire::ReadRequest{
                    .length = static_cast<uint32_t>(size), .offset = offset, .file_id = file}));
    if (!answer || answer->status() != NtStatus::kSuccess) return {};
    const ByteView data = answer->as<wire::ReadResponse>().data;
    return Bytes(data.begin(), data.end());
  }
  static Bytes request(RawClient& from, const wire::ReadRequest& read) {
    const auto charge = static_cast<uint16_t>(std::max(1u, (read.length + 65535) / 65536));
    Bytes message =
        from.request(Command::kRead, read, [&](Header& header) { header.credit_charge = charge; });
    from.next_message_id += charge - 1;
    return message;
  }
  Bytes read(uint32_t length, const BufferDescriptors& into, Via channel = Via::kRdmaV1,
             uint64_t offset = 0) {
    const Bytes info = wire::smbdirect::encode_channel_info(into);
    return request(client, {.length = length,
                            .offset = offset,
                            .file_id = file,
                            .channel = channel,
                            .read_channel_info = info});
  }
  Bytes write(uint32_t length, const BufferDescriptors& from, Via channel = Via::kRdmaV1,
              uint64_t offset = 0) {
    const Bytes info = wire::smbdirect::encode_channel_info(from);
    return client.request(Command::kWrite, wire::WriteRequest{.offset = offset,
                                                              .file_id = file,
                                                              .channel = channel,
                                                              .remaining_bytes = length,
                                                              .write_channel_info = info});
  }
  // What the answer says has been placed.
  size_t placed(Bytes message) {
    const auto answer = client.exchange(std::move(message));
    if (!answer || answer->status() != NtStatus::kSuccess) return SIZE_MAX;
    const auto response = answer->as<wire::ReadResponse>();
    EXPECT_TRUE(response.data.empty());
    return response.data_remaining;
  }
  size_t taken(Bytes message) {
    const auto answer = client.exchange(std::move(message));
    if (!answer || answer->status() != NtStatus::kSuccess) return SIZE_MAX;
    return answer->as<wire::WriteResponse>().count;
  }
  // Refused, and the connection lives on.
  void expect_refused(Bytes message, NtStatus status = NtStatus::kInvalidParameter) {
    EXPECT_EQ(client.status_of(std::move(message)), status);
    EXPECT_EQ(client.status_of(client.request(Command::kEcho, wire::EchoRequest{})),
              NtStatus::kSuccess);
  }

  Engine engine;
  RdmaClient client{engine};
  FileId file;
};

TEST_F(DirectPlacement, ReadGoesToTheClientsMemoryAndTheAnswerSaysHowMuch) {
  log_on();
  const Bytes data = counting_bytes(5000);
  fill(data);
  Bytes first(1000), second(8000);
  const Descriptor one = client.lend(first, PeerMay::kWrite);
  const Descriptor two = client.lend(second, PeerMay::kWrite);
  // The file ends before the memory does.
  EXPECT_EQ(placed(read(6000, {one, two}, Via::kRdmaV1, 100)), 4900u);
  EXPECT_TRUE(std::ranges::equal(first, ByteView(data).subspan(100, 1000)));
  EXPECT_TRUE(std::ranges::equal(ByteView(second).first(3900), ByteView(data).subspan(1100)));
  EXPECT_EQ(second[3900], 0);
  EXPECT_EQ(client.lent(), 2u);

  wire::ReadRequest beyond{.length = 1000, .offset = 5000, .file_id = file};
  const Bytes info = wire::smbdirect::encode_channel_info(std::vector{one});
  beyond.channel = Via::kRdmaV1;
  beyond.read_channel_info = info;
  expect_refused(request(client, beyond), NtStatus::kEndOfFile);
  beyond.offset = 4500;
  beyond.minimum_count = 501;
  expect_refused(request(client, beyond), NtStatus::kEndOfFile);
}

TEST_F(DirectPlacement, WriteComesFromTheClientsMemory) {
  log_on();
  Bytes first = counting_bytes(1000), second = counting_bytes(8000, 7);
  const Descriptor one = client.lend(first, PeerMay::kRead);
  const Descriptor two = client.lend(second, PeerMay::kRead);
  EXPECT_EQ(taken(write(3000, {two, one}, Via::kRdmaV1, 10)), 3000u);
  EXPECT_EQ(content(3000, 10), Bytes(second.begin(), second.begin() + 3000));
  EXPECT_EQ(taken(write(8500, {two, one})), 8500u);
  Bytes expected = second;
  expected.insert(expected.end(), first.begin(), first.begin() + 500);
  EXPECT_EQ(content(9000), expected);
  EXPECT_EQ(client.lent(), 2u);
}

TEST_F(DirectPlacement, TheLargestTransfersArrive) {
  log_on();
  Bytes data = counting_bytes(8 * kMiB, 3), back(8 * kMiB);
  const auto size = static_cast<uint32_t>(data.size());
  EXPECT_EQ(taken(write(size, {client.lend(data, PeerMay::kRead)})), size);
  EXPECT_EQ(placed(read(size, {client.lend(back, PeerMay::kWrite)})), size);
  EXPECT_TRUE(data == back);
}

// Between the file and the memory that the card reaches there is nothing.
TEST_F(DirectPlacement, NothingIsCopied) {
  log_on();
  Bytes data = counting_bytes(3 * kMiB), back(3 * kMiB);
  const auto size = static_cast<uint32_t>(data.size());
  EXPECT_EQ(taken(write(size, {client.lend(data, PeerMay::kRead)})), size);
  EXPECT_EQ(placed(read(size, {client.lend(back, PeerMay::kWrite)})), size);
  EXPECT_EQ(placed(read(5000, {client.lend(back, PeerMay::kWrite)})), 5000u);
  const auto& counters = engine.server().connections().front()->counters;
  EXPECT_EQ(counters.bytes_placed, 2 * size + 5000u);
  EXPECT_EQ(counters.bytes_copied, 0u);
  EXPECT_EQ(engine.server().totals().bytes_placed, 2 * size + 5000u);
}

TEST_F(DirectPlacement, TheAnswerInvalidatesTheFirstKeyWhateverItSays) {
  log_on(Dialect::kSmb311);
  fill(counting_bytes(100));
  Bytes memory(100);
  const uint8_t both = PeerMay::kRead | PeerMay::kWrite;
  const auto lend = [&] { return client.lend(memory, both); };
  const Descriptor second = lend();
  EXPECT_EQ(placed(read(100, {lend()}, Via::kRdmaV1Invalidate)), 100u);
  EXPECT_EQ(client.lent(), 1u);
  EXPECT_EQ(taken(write(150, {lend(), second}, Via::kRdmaV1Invalidate)), 150u);
  EXPECT_EQ(client.lent(), 1u);
  // The handler refuses it, and so do the gates before.
  expect_refused(read(100, {lend()}, Via::kRdmaV1Invalidate, 1000), NtStatus::kEndOfFile);
  EXPECT_EQ(client.lent(), 1u);
  expect_refused(write(101, {lend()}, Via::kRdmaV1Invalidate));
  EXPECT_EQ(client.lent(), 1u);
  ASSERT_EQ(client.close_file(file), NtStatus::kSuccess);
  expect_refused(read(100, {lend()}, Via::kRdmaV1Invalidate), NtStatus::kFileClosed);
  expect_refused(write(100, {lend()}, Via::kRdmaV1Invalidate), NtStatus::kFileClosed);
  EXPECT_EQ(client.lent(), 1u);
}

TEST_F(DirectPlacement, EachAnswerOfACompoundInvalidatesItsKey) {
  log_on();
  fill(counting_bytes(300));
  Bytes first(100), second(100), third(100);
  std::vector<Bytes> reads;
  for (Bytes* into : {&first, &second, &third}) {
    const bool stays = into == &second;
    reads.push_back(read(100, {client.lend(*into, PeerMay::kWrite)},
                         stays ? Via::kRdmaV1 : Via::kRdmaV1Invalidate, 100 * reads.size()));
  }
  const uint64_t last = client.next_message_id - 1;
  client.send(RawClient::compound(std::move(reads), false));
  const auto answer = client.answer_to(last);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_EQ(client.lent(), 1u);
  EXPECT_EQ(first, counting_bytes(100));
  EXPECT_EQ(second, counting_bytes(100, 100));
  EXPECT_EQ(third, counting_bytes(100, 200));
}

TEST_F(DirectPlacement, ManyTransfersAreUnderWayAtOnce) {
  log_on();
  constexpr size_t kCount = 60, kSize = 70'000;
  std::vector<Bytes> sources, targets(kCount, Bytes(kSize));
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < kCount; ++i) sources.push_back(counting_bytes(kSize, 7 * i % 251));
  const auto await_all = [&] {
    for (size_t left = ids.size(); left > 0; --left) {
      const auto answer = client.receive();
      ASSERT_TRUE(answer);
      if (answer->status() == NtStatus::kPending) {
        ++left;
        continue;
      }
      EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    }
    ids.clear();
  };
  for (size_t i = 0; i < kCount; ++i) {
    Descriptor half = client.lend(sources[i], PeerMay::kRead);
    half.length /= 2;
    Descriptor rest = half;
    rest.offset += half.length;
    ids.push_back(client.next_message_id);
    client.send(write(kSize, {half, rest}, Via::kRdmaV1Invalidate, i * kSize));
  }
  await_all();
  for (size_t i = 0; i < kCount; ++i) {
    ids.push_back(client.next_message_id);
    client.send(
        read(kSize, {client.lend(targets[i], PeerMay::kWrite)}, Via::kRdmaV1Invalidate, i * kSize));
  }
  await_all();
  EXPECT_TRUE(sources == targets);
  EXPECT_EQ(client.lent(), 0u);
}

TEST_F(DirectPlacement, ChannelsThatTheDialectOrTheConnectionDoesNotHaveAreRefused) {
  Bytes memory(100);
  log_on(Dialect::kSmb300);
  fill(memory);
  const Descriptor lent = client.lend(memory, PeerMay::kRead | PeerMay::kWrite);
  expect_refused(read(100, {lent}, Via::kRdmaV1Invalidate));
  expect_refused(write(100, {lent}, Via::kRdmaV1Invalidate));
  EXPECT_EQ(client.lent(), 1u);
  EXPECT_EQ(placed(read(100, {lent})), 100u);
  for (const uint32_t other : {3u, 4u, 0xFFFFFFFFu}) {
    expect_refused(read(100, {lent}, static_cast<Via>(other)));
    expect_refused(write(100, {lent}, static_cast<Via>(other)));
  }
}

TEST_F(DirectPlacement, Smb2KnowsNoChannels) {
  log_on(Dialect::kSmb210);
  fill(counting_bytes(100));
  Bytes memory(100);
  const Descriptor lent = client.lend(memory, PeerMay::kWrite);
  const auto answer = client.exchange(read(100, {lent}, Via::kRdmaV1Invalidate));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(std::ranges::equal(answer->as<wire::ReadResponse>().data, counting_bytes(100)));
  EXPECT_EQ(client.lent(), 1u);
}

TEST_F(DirectPlacement, OverTcpThereIsNone) {
  log_on();
  RawClient tcp(engine, ClientGuid{{9}});
  ASSERT_TRUE(tcp.log_on());
  const FileId id = tcp.create("other");
  const Bytes info = wire::smbdirect::encode_channel_info(std::vector{Descriptor{0, 1, 100}});
  for (const Via channel : {Via::kRdmaV1, Via::kRdmaV1Invalidate}) {
    EXPECT_EQ(
        tcp.status_of(tcp.request(Command::kWrite, wire::WriteRequest{.file_id = id,
                                                                      .channel = channel,
                                                                      .remaining_bytes = 100,
                                                                      .write_channel_info = info})),
        NtStatus::kInvalidParameter);
    EXPECT_EQ(
        tcp.status_of(request(
            tcp, {.length = 1, .file_id = id, .channel = channel, .read_channel_info = info})),
        NtStatus::kInvalidParameter);
  }
}

TEST_F(DirectPlacement, DescriptorsThatCannotBeAreRefused) {
  log_on();
  fill(counting_bytes(100));
  Bytes memory(100);
  const Descriptor all = client.lend(memory, PeerMay::kRead | PeerMay::kWrite);
  Descriptor none = all, half = all, high = all;
  none.length = 0;
  half.length = 50;
  high.offset = ~0ull - 98;  // its last byte has no address
  const std::vector<BufferDescriptors> wrong = {{},
                                                {none},
                                                {none, all},
                                                {half},
                                                {high},
                                                {half, high},
                                                {half, none, {half.offset + 50, half.token, 49}}};
  for (const auto& each : wrong) {
    expect_refused(read(100, each));
    expect_refused(write(100, each));
  }
  // A rest that is no descriptor, and one that lies beyond the message.
  for (const uint8_t length : {1, 15, 17, 255}) {
    Bytes message = read(1, {all});
    message[Header::kSize + 46] = length;  // ReadChannelInfoLength
    message.resize(message.size() + 1);
    expect_refused(std::move(message));
    message = write(1, {all});
    message[Header::kSize + 42] = length;  // WriteChannelInfoLength
    message.resize(message.size() + 1);
    expect_refused(std::move(message));
  }
  // 2^32 times what there is: 32 bits of a sum would not tell.
  expect_refused(write(100, {half, {1, 2, 49}}));
  EXPECT_EQ(placed(read(100, {half, half})), 100u);
  EXPECT_TRUE(std::ranges::equal(ByteView(memory).first(50), counting_bytes(50, 50)));
  EXPECT_EQ(taken(write(100, {half, {1, 2, 0xFFFFFFFF}})), SIZE_MAX);
}

TEST_F(DirectPlacement, SizesThatCannotBeAreRefused) {
  log_on();
  fill(counting_bytes(100));
  Bytes memory(100);
  const Descriptor all = client.lend(memory, PeerMay::kRead | PeerMay::kWrite);
  expect_refused(read(0, {all}));
  expect_refused(write(0, {all}));
  const Descriptor huge{.offset = 0, .token = 1, .length = 0xFFFFFFFF};
  expect_refused(read(8 * kMiB + 1, {huge}));
  expect_refused(write(8 * kMiB + 1, {huge}));
  expect_refused(write(0xFFFFFFFF, {huge}));
  // Data in the message besides, or a place for it.
  Bytes message = write(10, {all});
  message[Header::kSize + 2] = 0x70;  // DataOffset
  expect_refused(message);
  message = write(10, {all});
  message[Header::kSize + 2] = 0x70;
  message[Header::kSize + 4] = 1;  // Length
  expect_refused(std::move(message));
  EXPECT_EQ(taken(write(10, {all})), 10u);
}

TEST_F(DirectPlacement, NegotiateSaysNoMoreThanTheCardTransfers) {
  TransportOptions options;
  options.settings.max_read_write_size = kMiB;
  RdmaClient small(engine, {}, options);
  const auto answer = small.exchange(small.negotiate_request(Dialect::kSmb302));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<wire::NegotiateResponse>().max_read_size, kMiB);
  EXPECT_EQ(answer->as<wire::NegotiateResponse>().max_write_size, kMiB);
}

// What the card refuses ends the connection, and nothing else of the session.
TEST_F(DirectPlacement, AKeyThatIsNotThereCostsTheChannelOnly) {
  for (const bool writes : {false, true}) {
    RawClient tcp(engine);
    ASSERT_TRUE(tcp.log_on());
    RdmaClient rdma(engine);
    ASSERT_EQ(rdma.negotiate(), NtStatus::kSuccess);
    ASSERT_EQ(rdma.bind(tcp), NtStatus::kSuccess);
    file = tcp.create("file");
    Bytes memory = counting_bytes(100);
    ASSERT_EQ(tcp.status_of(tcp.request(Command::kWrite,
                                        wire::WriteRequest{.file_id = file, .data = memory})),
              NtStatus::kSuccess);
    Descriptor lent = rdma.lend(memory, writes ? PeerMay::kWrite : PeerMay::kRead);
    const Bytes info = wire::smbdirect::encode_channel_info(std::vector{lent});
    if (writes) {
      rdma.send(rdma.request(Command::kWrite, wire::WriteRequest{.file_id = file,
                                                                 .channel = Via::kRdmaV1,
                                                                 .remaining_bytes = 100,
                                                                 .write_channel_info = info}));
    } else {
      rdma.send(request(
          rdma,
          {.length = 100, .file_id = file, .channel = Via::kRdmaV1, .read_channel_info = info}));
    }
    EXPECT_TRUE(rdma.is_dropped());
    EXPECT_EQ(memory, counting_bytes(100));
    const auto answer = tcp.exchange(request(tcp, {.length = 200, .file_id = file}));
    ASSERT_TRUE(answer);
    EXPECT_TRUE(std::ranges::equal(answer->as<wire::ReadResponse>().data, counting_bytes(100)));
  }
}

TEST_F(DirectPlacement, WhatIsSignedByChoiceIsPlacedAndAnsweredSigned) {
  log_on(Dialect::kSmb311);
  fill(counting_bytes(100));
  Bytes memory(100);
  Bytes message = read(100, {client.lend(memory, PeerMay::kWrite)}, Via::kRdmaV1Invalidate);
  client.sign(message, *client.signing_key);
  const auto answer = client.exchange(std::move(message));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  EXPECT_TRUE(RawClient::is_signed_with(*answer, *client.signing_key));
  EXPECT_EQ(memory, counting_bytes(100));
  EXPECT_EQ(client.lent(), 0u);
}

TEST_F(DirectPlacement, WhatIsEncryptedIsNotPlacedInTheClear) {
  log_on(Dialect::kSmb311);
  Bytes memory = counting_bytes(100);
  const Descriptor lent = client.lend(memory, PeerMay::kRead | PeerMay::kWrite);
  const auto status_encrypted = [&](Bytes message) {
    client.send(client.encrypted(std::move(message)));
    const auto answer = client.receive();
    const auto opened = answer ? client.decrypted(answer->message) : std::nullopt;
    return opened ? opened->status() : NtStatus::kConnectionDisconnected;
  };
  EXPECT_EQ(status_encrypted(client.request(Command::kWrite,
                                            wire::WriteRequest{.file_id = file, .data = memory})),
            NtStatus::kSuccess);
  EXPECT_EQ(status_encrypted(read(100, {lent})), NtStatus::kAccessDenied);
  EXPECT_EQ(status_encrypted(write(100, {lent})), NtStatus::kAccessDenied);
  EXPECT_EQ(status_encrypted(request(client, {.length = 100, .file_id = file})),
            NtStatus::kSuccess);
}

TEST(DirectPlacementOfPipes, AReadThatWaitsIsPlacedWhenThereIsSomething) {
  Engine engine;
  RdmaClient client(engine);
  ASSERT_TRUE(client.log_on(Dialect::kSmb302, "IPC$"));
  const FileId pipe = client.create("srvsvc");
  Bytes bind = unhex(rpc::captured::kSrvsvcBind);
  Bytes answer(4280);
  const Bytes from =
      wire::smbdirect::encode_channel_info(std::vector{client.lend(bind, PeerMay::kRead)});
  const Bytes to =
      wire::smbdirect::encode_channel_info(std::vector{client.lend(answer, PeerMay::kWrite)});
  const auto read = [&](uint32_t length) {
    return client.request(Command::kRead, wire::ReadRequest{.length = length,
                                                            .file_id = pipe,
                                                            .channel = Via::kRdmaV1Invalidate,
                                                            .read_channel_info = to});
  };
  client.send(read(10));
  const auto interim = client.receive();
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status(), NtStatus::kPending);
  EXPECT_EQ(client.lent(), 2u);  // it is still to come
  const uint64_t waiting = interim->header.message_id.value;
  client.send(client.request(
      Command::kWrite, wire::WriteRequest{.file_id = pipe,
                                          .channel = Via::kRdmaV1,
                                          .remaining_bytes = static_cast<uint32_t>(bind.size()),
                                          .write_channel_info = from}));
  const auto placed = client.answer_to(waiting);
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->status(), NtStatus::kBufferOverflow);
  EXPECT_EQ(placed->as<wire::ReadResponse>().data_remaining, 10u);
  EXPECT_EQ(answer[0], 5);  // the version of RPC
  EXPECT_EQ(answer[10], 0);
  EXPECT_EQ(client.lent(), 1u);
}

TEST(DirectPlacementProtected, WhatHasToBeSignedIsNotPlacedUnsigned) {
  config::Server settings = Engine::lenient();
  settings.signing = config::Signing::kRequired;
  Engine engine(settings);
  RdmaClient client(engine);
  ASSERT_TRUE(client.log_on(Dialect::kSmb311));
  auto answer =
      client.exchange(client.signed_request(Command::kCreate, RawClient::create_body("file")));
  ASSERT_TRUE(answer);
  const FileId file = answer->as<wire::CreateResponse>().file_id;
  Bytes memory = counting_bytes(100);
  const Descriptor lent = client.lend(memory, PeerMay::kRead);
  const Bytes info = wire::smbdirect::encode_channel_info(std::vector{lent});
  wire::WriteRequest write{
      .file_id = file, .channel = Via::kRdmaV1, .remaining_bytes = 100, .write_channel_info = info};
  EXPECT_EQ(client.status_of(client.signed_request(Command::kWrite, write)),
            NtStatus::kAccessDenied);
  write = {.file_id = file, .data = memory};
  EXPECT_EQ(client.status_of(client.signed_request(Command::kWrite, write)), NtStatus::kSuccess);
}

TEST(DirectPlacementMemory, CountsWhatIsPulled) {
  const auto plan = vfs::make_fault_plan();
  Engine engine(Engine::lenient(), system_clock(), 1,
                Engine::shares_on(vfs::make_fault_volume(vfs::make_memory_volume(), plan)));
  RdmaClient client(engine);
  ASSERT_TRUE(client.log_on());
  const FileId file = client.create("file");
  Bytes memory(4 * kMiB);
  const Bytes info =
      wire::smbdirect::encode_channel_info(std::vector{client.lend(memory, PeerMay::kRead)});
  plan->hold_operation("write");
  client.send(client.request(Command::kWrite, wire::WriteRequest{.file_id = file,
                                                                 .channel = Via::kRdmaV1,
                                                                 .remaining_bytes = 4 * kMiB,
                                                                 .write_channel_info = info}));
  plan->await_held(1);
  EXPECT_GE(engine.server().connections().front()->memory->used(), 4 * kMiB);
  EXPECT_LT(engine.server().connections().front()->memory->used(), 7 * kMiB);
  plan->let_go();
  const auto answer = client.answer_to(client.next_message_id - 1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), NtStatus::kSuccess);
  engine.settle();
  EXPECT_LT(engine.server().connections().front()->memory->used(), 3 * kMiB);
}

}  // namespace
}  // namespace braid::smb2

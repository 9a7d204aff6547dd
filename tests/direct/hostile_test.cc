// What a client with a card may try: descriptors of anything, keys that are none, no credits, an
// end in the middle of a transfer, and many who say nothing. It costs him his connection at most.
#include <dirent.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "base/unique_fd.h"
#include "client/response.h"
#include "direct.h"
#include "runtime/one_shot.h"
#include "transport/remote_memory.h"
#include "wire/smb2/rdma_transform.h"

namespace braid::e2e {
namespace {

using transport::BufferDescriptors;
using wire::smbdirect::encode_channel_info;
using Via = wire::Channel;

// Disconnected: there was no answer, as the connection has ended.
Task<NtStatus> status_of(const Direct& direct, client::Request request) {
  const auto response = co_await direct.tree->call(std::move(request));
  co_return response ? response->status() : NtStatus::kConnectionDisconnected;
}

// Whoever keeps to the rules is served, over TCP and over the card, and has as much memory of the
// card's as the largest transfer takes.
Task<void> expect_others_are_served(Env& env) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_OK(co_await tree->write_file(name_of_test("-tcp"), pattern(100'000)));
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test("-card"), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  Bytes data = pattern(8 * kMiB);
  E2E_TRY(const uint32_t count, co_await write_placed(direct, *file, data, 0));
  EXPECT_EQ(count, 8 * kMiB);
  co_await direct.connection->close();
}

BRAID_E2E(HostileDescriptors, WhatCannotBeIsRefusedAndTheConnectionLives) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  E2E_OK(co_await file->write(0, pattern(1000)));
  Bytes memory(1000);
  E2E_TRY(const Descriptor all,
          direct.card->register_memory(memory, PeerMay::kRead | PeerMay::kWrite));
  const auto piece = [&](uint64_t offset, uint32_t length) {
    return Descriptor{.offset = all.offset + offset, .token = all.token, .length = length};
  };
  const Descriptor beyond{.offset = ~0ull - 98, .token = all.token, .length = 100};
  const std::vector<BufferDescriptors> wrong = {
      {piece(0, 0)},                                    // of nothing
      {piece(0, 0), all},                               // the first of nothing
      {piece(0, 999)},                                  // less than is asked for
      {piece(0, 500), piece(500, 0), piece(500, 499)},  // the same in pieces
      {beyond},                                         // its end has no address
      {piece(0, 1000), beyond},                         // also where it is not needed
      {beyond, beyond, beyond},
  };
  for (size_t i = 0; i < wrong.size(); ++i) {
    const Bytes info = encode_channel_info(wrong[i]);
    EXPECT_EQ(co_await status_of(direct, placed_read(*file, 1000, info)),
              NtStatus::kInvalidParameter)
        << i;
    EXPECT_EQ(co_await status_of(direct, placed_write(*file, 1000, info)),
              NtStatus::kInvalidParameter)
        << i;
  }
  // A rest that is no descriptor.
  Bytes info = encode_channel_info(std::array{all});
  info.push_back(0);
  EXPECT_EQ(co_await status_of(direct, placed_read(*file, 1000, info)),
            NtStatus::kInvalidParameter);
  // More than a card may move at once, whatever they describe.
  const Descriptor huge{.offset = 0, .token = all.token, .length = 0xFFFFFFFF};
  const Bytes huge_info = encode_channel_info(std::array{huge, huge});
  auto write = placed_write(*file, 0xFFFFFFFF, huge_info);
  write.credit_charge = 1;
  EXPECT_EQ(co_await status_of(direct, std::move(write)), NtStatus::kInvalidParameter);
  EXPECT_EQ(co_await status_of(direct, placed_write(*file, 8 * kMiB + 1, huge_info)),
            NtStatus::kInvalidParameter);
  // The memory is as it was, and so is the connection.
  EXPECT_TRUE(memory == Bytes(1000));
  E2E_TRY(const uint32_t count, co_await read_placed(direct, *file, memory, 0));
  EXPECT_EQ(count, 1000u);
  EXPECT_TRUE(memory == pattern(1000));
  co_await direct.connection->close();
}

BRAID_E2E(HostileDescriptors, OverlappingOnesAreWhatTheySay) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  const Bytes data = pattern(200);
  Bytes memory = data;
  E2E_TRY(const Descriptor all,
          direct.card->register_memory(memory, PeerMay::kRead | PeerMay::kWrite));
  const auto piece = [&](uint64_t offset, uint32_t length) {
    return Descriptor{.offset = all.offset + offset, .token = all.token, .length = length};
  };
  const Bytes twice = encode_channel_info(std::array{piece(0, 100), piece(50, 100), all});
  EXPECT_EQ(co_await status_of(direct, placed_write(*file, 400, twice)), NtStatus::kSuccess);
  E2E_TRY(const auto written, co_await file->read(0, 400));
  const ByteView got = written->data;
  EXPECT_EQ(got.size(), 400u);
  if (got.size() != 400) co_return;
  EXPECT_TRUE(std::ranges::equal(got.first(100), ByteView(data).first(100)));
  EXPECT_TRUE(std::ranges::equal(got.subspan(100, 100), ByteView(data).subspan(50, 100)));
  EXPECT_TRUE(std::ranges::equal(got.last(200), data));

  E2E_OK(co_await file->write(0, data));
  std::ranges::fill(memory, uint8_t{0});
  const Bytes over = encode_channel_info(std::array{piece(0, 100), piece(50, 100)});
  EXPECT_EQ(co_await status_of(direct, placed_read(*file, 200, over)), NtStatus::kSuccess);
  // In their order, so the second is what stays.
  EXPECT_TRUE(std::ranges::equal(ByteView(memory).first(50), ByteView(data).first(50)));
  EXPECT_TRUE(std::ranges::equal(ByteView(memory).subspan(50, 100), ByteView(data).last(100)));
  co_await direct.connection->close();
}

BRAID_E2E(HostileTransforms, WhatCannotBeIsRefusedAndTheFileStays) {
  using Type = wire::RdmaTransformType;
  client::SessionOptions options;
  options.security = client::SessionOptions::Security::kEncrypt;
  E2E_TRY(const Direct direct, co_await mount_direct(env, "encrypted", options));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  const Bytes data = pattern(100'000);
  E2E_OK(co_await file->write(0, ByteView(data)));
  Bytes memory(1000);
  E2E_TRY(const Descriptor all,
          direct.card->register_memory(memory, PeerMay::kRead | PeerMay::kWrite));
  const auto piece = [&](uint64_t offset, uint32_t length) {
    return Descriptor{.offset = all.offset + offset, .token = all.token, .length = length};
  };
  const Bytes signature(16), nonce(12);
  const auto transform = [&](const BufferDescriptors& descriptors, Type type = Type::kEncryption) {
    const Bytes encoded = encode_channel_info(descriptors);
    Bytes out;
    wire::Writer writer(out);
    wire::RdmaTransform{.channel = Via::kRdmaV1,
                        .crypto_transform = {type, signature, nonce},
                        .rdma_descriptors = encoded}
        .encode(writer);
    return out;
  };
  const auto write = [&](const Bytes& info, uint32_t size = 1000) {
    return status_of(direct, placed_write(*file, size, info, Via::kRdmaTransform));
  };

  // As far as data: nobody has sealed it. What overlaps is read twice, and the same nonce may come
  // again: it is the client's.
  const Bytes good = transform({all});
  EXPECT_EQ(co_await write(good), NtStatus::kAuthTagMismatch);
  EXPECT_EQ(co_await write(good), NtStatus::kAuthTagMismatch);
  EXPECT_EQ(co_await write(transform({piece(0, 600), piece(300, 600)})),
            NtStatus::kAuthTagMismatch);
  EXPECT_EQ(co_await write(transform({piece(0, 600), piece(300, 600)}), 1201),
            NtStatus::kInvalidParameter);
  EXPECT_EQ(co_await write(transform({all}, Type::kSigning)), NtStatus::kInvalidParameter);

  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(co_await write(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size))),
              NtStatus::kInvalidParameter)
        << size;
  }
  // The offset and the lengths: RdmaDescriptorOffset and -Length, SignatureLength, NonceLength.
  for (const size_t at : {0, 2, 18, 20}) {
    for (const unsigned value : {0u, 1u, 8u, 0x18u, 0x38u, 0x7FFFu, 0x8000u, 0xFFF0u, 0xFFFFu}) {
      Bytes info = good;
      info[at] = static_cast<uint8_t>(value);
      info[at + 1] = static_cast<uint8_t>(value >> 8);
      if (info == good) continue;
      EXPECT_EQ(co_await write(info), NtStatus::kInvalidParameter) << at << ": " << value;
    }
  }
  for (const uint32_t size : {0u, 1001u, 8 * kMiB + 1, 0xFFFFFFFFu}) {
    auto request = placed_write(*file, size, good, Via::kRdmaTransform);
    request.credit_charge = 1;
    EXPECT_EQ(co_await status_of(direct, std::move(request)), NtStatus::kInvalidParameter) << size;
  }
  EXPECT_EQ(co_await status_of(direct, placed_read(*file, 1000, good, Via::kRdmaTransform)),
            NtStatus::kInvalidParameter);

  // What overlaps is garbage to a reader as well: both pieces are of one sealed whole.
  EXPECT_TRUE(memory == Bytes(1000));
  const Bytes over = encode_channel_info(std::array{piece(0, 600), piece(300, 600)});
  EXPECT_EQ(co_await status_of(direct, placed_read(*file, 1200, over)), NtStatus::kSuccess);
  EXPECT_FALSE(std::ranges::equal(ByteView(memory).first(300), ByteView(data).first(300)));
  EXPECT_TRUE(std::ranges::equal(ByteView(memory).subspan(900), Bytes(100)));

  E2E_TRY(const auto reply, co_await file->read(0, 100'000));
  EXPECT_TRUE(std::ranges::equal(reply->data, data));
  EXPECT_EQ(direct.connection->placed_protected(), 2u);
  co_await direct.connection->close();
}

BRAID_E2E(HostileDescriptors, AsManyAsAMessageHolds) {
  E2E_TRY(const Direct direct, co_await mount_direct(env));
  E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                      CreateDisposition::kOverwriteIf));
  // 16 bytes each, in a length of 16 bits. Every other one describes nothing.
  constexpr size_t kCount = 4095;
  constexpr uint32_t kSize = (kCount + 1) / 2 * 7;
  const Bytes data = pattern(kSize);
  Bytes memory = data;
  E2E_TRY(const Descriptor all,
          direct.card->register_memory(memory, PeerMay::kRead | PeerMay::kWrite));
  BufferDescriptors pieces;
  for (size_t i = 0; i < kCount; ++i) {
    pieces.push_back(
        {.offset = all.offset + i / 2 * 7, .token = all.token, .length = i % 2 == 0 ? 7u : 0u});
  }
  const Bytes info = encode_channel_info(pieces);
  EXPECT_EQ(co_await status_of(direct, placed_write(*file, kSize, info)), NtStatus::kSuccess);
  E2E_TRY(const auto written, co_await file->read(0, kSize));
  EXPECT_TRUE(std::ranges::equal(written->data, data));
  std::ranges::fill(memory, uint8_t{0});
  EXPECT_EQ(co_await status_of(direct, placed_read(*file, kSize, info)), NtStatus::kSuccess);
  EXPECT_TRUE(memory == data);
  co_await direct.connection->close();
}

BRAID_E2E(HostileDescriptors, WhatTheCardRefusesCostsTheConnectionOnly) {
  E2E_TRY(const Direct neighbour, co_await mount_direct(env));
  Bytes memory(4096), of_neighbour(4096);
  E2E_TRY(const Descriptor foreign,
          neighbour.card->register_memory(of_neighbour, PeerMay::kRead | PeerMay::kWrite));
  enum class Wrong : uint8_t {
    kNoKey,
    kNoRight,
    kBeyond,
    kBefore,
    kSecond,
    kAnothers,
    kGone,
    kFarTooLong,
  };
  for (const auto wrong : {Wrong::kNoKey, Wrong::kNoRight, Wrong::kBeyond, Wrong::kBefore,
                           Wrong::kSecond, Wrong::kAnothers, Wrong::kGone, Wrong::kFarTooLong}) {
    for (const bool is_write : {true, false}) {
      E2E_TRY(const Direct direct, co_await mount_direct(env));
      E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                          CreateDisposition::kOverwriteIf));
      E2E_OK(co_await file->write(0, pattern(4096)));
      const bool has_right = (wrong != Wrong::kNoRight) == is_write;
      E2E_TRY(const Descriptor lent,
              direct.card->register_memory(memory, has_right ? PeerMay::kRead : PeerMay::kWrite));
      BufferDescriptors place{lent};
      switch (wrong) {
        case Wrong::kNoKey:
          place[0].token ^= 0x5A5A00;
          break;
        case Wrong::kNoRight:
          break;
        case Wrong::kBeyond:
          place[0].offset += 1;
          break;
        case Wrong::kBefore:
          place[0].offset -= 1;
          break;
        case Wrong::kSecond:
          place = {{.offset = lent.offset, .token = lent.token, .length = 2048},
                   {.offset = lent.offset, .token = lent.token ^ 0x5A5A00, .length = 2048}};
          break;
        case Wrong::kAnothers:
          place = {foreign};
          break;
        case Wrong::kGone:
          direct.card->unregister(lent.token);
          break;
        case Wrong::kFarTooLong:
          place = {{.offset = lent.offset, .token = lent.token, .length = 0xFFFFFFFF}};
          place[0].offset += 4095;
          break;
      }
      const Bytes info = encode_channel_info(place);
      EXPECT_EQ(co_await status_of(direct, is_write ? placed_write(*file, 4096, info)
                                                    : placed_read(*file, 4096, info)),
                NtStatus::kConnectionDisconnected)
          << static_cast<int>(wrong) << is_write;
      co_await direct.connection->close();
    }
  }
  EXPECT_TRUE(of_neighbour == Bytes(4096));
  E2E_OK(co_await neighbour.tree->write_file(name_of_test("-neighbour"), pattern(1000)));
  co_await neighbour.connection->close();
  co_await expect_others_are_served(env);
}

BRAID_E2E(HostileDescriptors, AKeyToInvalidateThatIsNotThereCostsTheConnectionOnly) {
  E2E_TRY(const Direct neighbour, co_await mount_direct(env));
  const Descriptor none{.offset = 4096, .token = 0xDEAD00, .length = 100};
  const Bytes info = encode_channel_info(std::array{none});
  for (const bool is_write : {true, false}) {
    E2E_TRY(const Direct direct, co_await mount_direct(env));
    E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                        CreateDisposition::kOverwriteIf));
    // Refused before there is a transfer; the answer, which would say so, takes the key with it.
    EXPECT_EQ(co_await status_of(direct,
                                 is_write ? placed_write(*file, 101, info, Via::kRdmaV1Invalidate)
                                          : placed_read(*file, 100, info, Via::kRdmaV1Invalidate)),
              NtStatus::kConnectionDisconnected)
        << is_write;
    co_await direct.connection->close();
  }
  E2E_OK(co_await neighbour.tree->write_file(name_of_test("-neighbour"), pattern(1000)));
  co_await neighbour.connection->close();
  co_await expect_others_are_served(env);
}

// A peer that speaks [MS-SMBD] by hand. Thread: the reactor's.
class RawPeer {
 public:
  RawPeer(Env& env, std::unique_ptr<QueuePair> pair) : env_(env), pair_(std::move(pair)) {
    for (size_t i = 0; i < 16; ++i) {
      receives_.push_back(pair_->memory(8192));
      EXPECT_TRUE(pair_->post_receive(i, receives_.back().view()));
    }
  }

  template <class Message>
  bool send(const Message& message) {
    Bytes bytes;
    wire::Writer writer(bytes);
    message.encode(writer);
    sends_.push_back(pair_->memory(bytes.size()));
    std::ranges::copy(bytes, sends_.back().data());
    return pair_->post_send(sends_.size(), sends_.back().view(), {}).has_value();
  }
  // The next packet; none when the connection has ended.
  Task<std::optional<Bytes>> next() {
    while (packets_.empty() && !is_lost_) {
      const auto some = std::make_shared<OneShot<bool>>();
      pair_->when_completed([some] { some->set(true); });
      Timer timer(env_.reactor());
      timer.start(kPatience, [some] { some->set(false); });
      if (!co_await some->wait(env_.reactor())) {
        ADD_FAILURE() << "the server says nothing";
        co_return std::nullopt;
      }
      look();
    }
    if (packets_.empty()) co_return std::nullopt;
    Bytes first = std::move(packets_.front());
    packets_.erase(packets_.begin());
    co_return first;
  }
  bool has_packet() {
    look();
    return !packets_.empty();
  }

 private:
  void look() {
    std::array<QueuePair::Completion, 8> done;
    while (const size_t count = pair_->poll(done)) {
      for (const auto& each : std::span(done).first(count)) {
        if (each.status != QueuePair::Status::kDone) {
          is_lost_ = true;
        } else if (each.kind == QueuePair::Kind::kReceive) {
          const ByteView packet = receives_[each.id].view().first(each.size);
          packets_.emplace_back(packet.begin(), packet.end());
        }
      }
    }
  }

  Env& env_;
  std::vector<Buffer> receives_, sends_;
  std::vector<Bytes> packets_;
  bool is_lost_ = false;
  std::unique_ptr<QueuePair> pair_;
};

constexpr wire::smbdirect::NegotiateRequest kHello{.credits_requested = 10,
                                                   .preferred_send_size = 1364,
                                                   .max_receive_size = 8192,
                                                   .max_fragmented_size = 1u << 20};

// An SMB2 NEGOTIATE of dialect 3.0.2.
Bytes negotiate_message(uint8_t client) {
  Bytes message;
  wire::Writer body(message);
  wire::Header{.command = wire::Command::kNegotiate, .credits = 1}.encode(body);
  body.u16(36);  // StructureSize
  body.u16(1);   // DialectCount
  body.u16(1);   // SecurityMode
  body.zeros(6);
  for (int i = 0; i < 16; ++i) body.u8(client);  // ClientGuid
  body.zeros(8);
  body.u16(0x0302);
  return message;
}

BRAID_E2E(HostilePeer, WhoGrantsNoCreditsIsAnsweredWhenHeDoes) {
  E2E_TRY(auto pair, co_await await_card(env));
  RawPeer peer(env, std::move(pair));
  EXPECT_TRUE(peer.send(kHello));
  const auto hello = co_await peer.next();
  EXPECT_TRUE(hello);
  if (!hello) co_return;
  wire::Reader reader(*hello);
  E2E_TRY(const auto response, wire::smbdirect::NegotiateResponse::decode(reader));
  EXPECT_EQ(response.status, NtStatus::kSuccess);
  EXPECT_GT(response.credits_granted, 0);

  const Bytes message = negotiate_message(0x11);
  EXPECT_TRUE(peer.send(wire::smbdirect::DataTransfer{.credits_requested = 10, .data = message}));
  // Meanwhile all others are served; and the answer is not there, as there is no credit for it.
  co_await expect_others_are_served(env);
  EXPECT_FALSE(peer.has_packet());
  // Who had one has used it up without a credit for the answer, which is against the rules.
  if (response.credits_granted == 1) co_return;
  EXPECT_TRUE(
      peer.send(wire::smbdirect::DataTransfer{.credits_requested = 10, .credits_granted = 10}));
  for (;;) {
    const auto packet = co_await peer.next();
    EXPECT_TRUE(packet);
    if (!packet) co_return;
    wire::Reader answer(*packet);
    E2E_TRY(const auto transfer, wire::smbdirect::DataTransfer::decode(answer));
    if (transfer.data.empty()) continue;  // credits
    wire::Reader body(transfer.data);
    E2E_TRY(const auto header, wire::Header::decode(body));
    EXPECT_EQ(header.command, wire::Command::kNegotiate);
    EXPECT_EQ(header.status, NtStatus::kSuccess);
    break;
  }
}

BRAID_E2E(HostilePeer, WhoSaysNonsenseIsDropped) {
  using wire::smbdirect::DataTransfer;
  const Bytes message = negotiate_message(0x12);
  const Bytes no_negotiate(200, 0x41);
  const std::array<DataTransfer, 4> wrong = {{
      // No credits are asked for, ever; more remains than a message may have; data that no server
      // of SMB2 begins with; a fragment that does not fit the next.
      {.credits_requested = 0, .credits_granted = 10, .data = message},
      {.credits_requested = 10,
       .credits_granted = 10,
       .remaining_data_length = 0xFFFFFFFF,
       .data = message},
      {.credits_requested = 10, .credits_granted = 10, .data = no_negotiate},
      {.credits_requested = 10, .credits_granted = 10, .remaining_data_length = 7, .data = message},
  }};
  for (size_t i = 0; i < wrong.size(); ++i) {
    E2E_TRY(auto pair, co_await await_card(env));
    RawPeer peer(env, std::move(pair));
    EXPECT_TRUE(peer.send(kHello));
    EXPECT_TRUE(co_await peer.next());
    EXPECT_TRUE(peer.send(wrong[i]));
    if (wrong[i].remaining_data_length == 7) EXPECT_TRUE(peer.send(wrong[i]));
    while (co_await peer.next()) {
    }
  }
  co_await expect_others_are_served(env);
}

// A line between a client's card and the server that is cut, or falls silent, once so many bytes
// have come from the client. One connection.
class BadLine {
 public:
  enum class End : uint8_t { kCut, kSilence };
  BadLine(const SocketAddress& server, size_t bytes, End end)
      : server_(server), bytes_(bytes), end_(end) {
    const SocketAddress any = SocketAddress::parse("127.0.0.1", 0).value();
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), any.data(), any.size()), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::jthread([this] { run(); });
  }
  ~BadLine() { ::shutdown(listener_.get(), SHUT_RDWR); }
  SocketAddress address() const { return SocketAddress::local_of(listener_.get()); }
  bool is_over() const { return is_over_; }

 private:
  void run() {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!client || ::connect(server.get(), server_.data(), server_.size()) != 0) return;
    Bytes piece(65'536);
    size_t passed = 0;
    for (;;) {
      pollfd waits[] = {{client.get(), POLLIN, 0},
                        {is_over_ ? -1 : server.get(), POLLIN, 0},
                        {listener_.get(), static_cast<short>(is_over_ ? POLLIN : 0), 0}};
      if (::poll(waits, 3, -1) < 0 || waits[2].revents != 0) return;
      for (const bool is_up : {true, false}) {
        if (waits[is_up ? 0 : 1].revents == 0) continue;
        const ssize_t got =
            ::recv(is_up ? client.get() : server.get(), piece.data(), piece.size(), 0);
        if (got <= 0) return;
        if (is_over_) continue;
        const auto size = static_cast<size_t>(got);
        if (::send(is_up ? server.get() : client.get(), piece.data(), size, MSG_NOSIGNAL) != got) {
          return;
        }
        if (!is_up || (passed += size) < bytes_) continue;
        is_over_ = true;
        if (end_ == End::kCut) return;
      }
    }
  }

  const SocketAddress server_;
  const size_t bytes_;
  const End end_;
  UniqueFd listener_;
  std::atomic<bool> is_over_ = false;
  std::jthread thread_;
};

BRAID_E2E(HostilePeer, WhoDiesWhileHeIsReadHasWrittenNothingAndLeavesNothingBehind) {
  if (has_real_card()) co_return;  // its line is not of bytes
  const auto server = SocketAddress::parse_with_port(listeners().back()).value();
  for (const size_t bytes : {size_t{1} * kMiB, size_t{5} * kMiB, size_t{7} * kMiB}) {
    for (const auto how : {BadLine::End::kCut, BadLine::End::kSilence}) {
      BadLine line(server, bytes, how);
      E2E_TRY(auto pair, co_await connect_card(env, line.address()));
      E2E_TRY(const Direct direct, co_await mount_over(env, std::move(pair)));
      E2E_TRY(const auto file, co_await direct.tree->open(name_of_test(), kReadWriteDelete,
                                                          CreateDisposition::kOverwriteIf));
      Bytes data = pattern(8 * kMiB);
      E2E_TRY(const Descriptor lent, direct.card->register_memory(data, PeerMay::kRead));
      const Bytes info = encode_channel_info(std::array{lent});
      E2E_TRY(const auto exchange,
              co_await direct.tree->start(placed_write(*file, 8 * kMiB, info)));
      if (how == BadLine::End::kCut) {
        E2E_FAILS(NtStatus::kConnectionDisconnected, co_await exchange->response());
      } else {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (!line.is_over() && std::chrono::steady_clock::now() < end) {
          co_await env.reactor().sleep_for(5ms);
        }
        EXPECT_TRUE(line.is_over());
        // What waits for him is the card's memory for one WRITE, and nobody.
        co_await expect_others_are_served(env);
      }
      co_await direct.connection->close();
      E2E_TRY(const auto tree, co_await env.mount());
      E2E_TRY(const Bytes whole, co_await tree->read_file(name_of_test()));
      EXPECT_TRUE(whole.empty());
    }
  }
  co_await expect_others_are_served(env);
}

// A line of /proc/PID/status, in KiB.
size_t memory_of(pid_t pid, const std::string& what) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    size_t value = 0;
    if (word == what + ":" && status >> value) return value;
  }
  ADD_FAILURE() << "process " << pid << " has no " << what;
  return 0;
}

size_t descriptors_of(pid_t pid) {
  size_t count = 0;
  DIR* const all = ::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
  while (all && ::readdir(all)) ++count;
  if (all) ::closedir(all);
  return count;
}

BRAID_E2E(HostilePeer, AThousandWhoNegotiateAndStaySilentKeepNobodyFromTheShares) {
  const pid_t worker = process("braidd-worker"), cards = process("braidd-rdma");
  EXPECT_GT(worker, 0);
  EXPECT_GT(cards, 0);
  if (worker < 0 || cards < 0) co_return;
  co_await expect_others_are_served(env);
  const size_t before = memory_of(worker, "RssAnon") + memory_of(cards, "RssAnon");
  const size_t descriptors = descriptors_of(cards);

  E2E_TRY(const auto tree, co_await env.mount());
  std::vector<transport::TransportPtr> silent;
  const auto address = SocketAddress::parse_with_port(listeners().back()).value();
  size_t refused = 0;
  for (size_t i = 0; i < (has_real_card() ? 300 : 1000); ++i) {
    auto pair = co_await connect_card(env, address);
    if (!pair) {
      if (has_real_card()) break;
      ++refused;  // he has his share
      continue;
    }
    silent.push_back(transport::smbdirect::make_smbdirect_transport(
        env.reactor(), std::move(*pair), transport::smbdirect::Role::kActive));
  }
  EXPECT_GT(silent.size(), 8u);
  if (!has_real_card()) EXPECT_GT(refused, 100u);
  EXPECT_LT(memory_of(worker, "RssAnon") + memory_of(cards, "RssAnon"), before + 128 * 1024);
  // The pool, and the rings.
  EXPECT_LT(memory_of(worker, "RssShmem"), 34u * 1024);
  E2E_OK(co_await tree->write_file(name_of_test(), pattern(100'000)));
  E2E_TRY(const Bytes back, co_await tree->read_file(name_of_test()));
  EXPECT_TRUE(back == pattern(100'000));
  if (!has_real_card()) {
    // Another has his own share of connections, and of memory.
    const auto from = SocketAddress::parse("127.0.0.2", 0).value();
    E2E_TRY(const Direct other, co_await mount_direct(env, "share", {}, from));
    E2E_TRY(const auto file, co_await other.tree->open(name_of_test("-other"), kReadWriteDelete,
                                                       CreateDisposition::kOverwriteIf));
    Bytes data = pattern(kMiB);
    E2E_TRY(const uint32_t count, co_await write_placed(other, *file, data, 0));
    EXPECT_EQ(count, kMiB);
    co_await other.connection->close();
  }
  for (const auto& each : silent) each->close();
  silent.clear();
  co_await expect_others_are_served(env);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (descriptors_of(cards) > descriptors + 4 && std::chrono::steady_clock::now() < end) {
    co_await env.reactor().sleep_for(20ms);
  }
  EXPECT_LE(descriptors_of(cards), descriptors + 4);
}

}  // namespace
}  // namespace braid::e2e

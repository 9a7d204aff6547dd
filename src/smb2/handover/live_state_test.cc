// Connections on their way to another process, as bytes.
#include "smb2/handover/live_state.h"

#include <gtest/gtest.h>

#include "smb2/common/limits.h"
#include "smb2/persistent/persistent_open_testing.h"

namespace braid::smb2 {
namespace {

LiveState small() {
  LiveState state;
  LiveConnection& connection = state.connections.emplace_back();
  connection.negotiated.dialect = wire::Dialect::kSmb311;
  connection.negotiated.client_guid = ClientGuid{{9}};
  connection.negotiated.max_read_size = 0x10000;
  connection.window = {.low = 5, .high = 8, .used = {false, true, false}};
  connection.received = {0, 0, 1};
  connection.channels.push_back({.session = {0x77},
                                 .signing_algorithm = crypto::SigningAlgorithm::kAesGmac,
                                 .signing_secret = crypto::Secret(Bytes(16, 0xCC))});
  LiveSession& session = state.sessions.emplace_back();
  session.id = {0x77};
  session.client_guid = ClientGuid{{9}};
  session.user.account_name = "alice";
  session.user.uid = 1000;
  session.credentials = std::make_shared<const UnixCredentials>(
      UnixCredentials{.uid = 1000, .gid = 100, .groups = {100}});
  session.dialect = wire::Dialect::kSmb311;
  session.cipher = crypto::Cipher::kAes128Gcm;
  session.signing_algorithm = crypto::SigningAlgorithm::kAesCmac;
  session.session_key = crypto::Secret(Bytes(16, 0x11));
  session.signing_secret = crypto::Secret(Bytes(16, 0x22));
  session.encryption_secret = crypto::Secret(Bytes(16, 0x33));
  session.decryption_secret = crypto::Secret(Bytes(16, 0x44));
  session.next_count = 0x1234;
  session.encrypt_data = session.has_session_key = true;
  session.logged_on_at = {5};
  session.method = "NTLM";
  session.machine = "PC";
  session.client = "192.0.2.1";
  session.trees.push_back(
      {.id = {3}, .share = "files", .real_path = "/srv", .encrypts = true, .connected_at = {1}});
  return state;
}

LiveOpen an_open() {
  LiveOpen open{.volatile_id = 0x55, .tree = {3}};
  open.open = {.share = "files",
               .real_path = "/srv",
               .device = 1,
               .write_time = {2},
               .has_descriptor = true,
               .open = filled_open()};
  open.open.open.client_guid = ClientGuid{{9}};
  return open;
}

Connection::WaitingRequest waiting(wire::Command command) {
  wire::Header header;
  header.command = command;
  header.session_id = {0x77};
  Connection::WaitingRequest request{.async_id = {3}, .is_encrypted = true, .message = {}};
  wire::Writer writer(request.message);
  header.encode(writer);
  return request;
}

LiveState filled() {
  LiveState state = small();
  LiveSession& session = state.sessions[0];
  session.now_as = session.user;
  session.now_as->is_anonymous = true;
  session.overtaken.push_back({.guid = CreateGuid{{4}}, .channel_sequence = 6});
  session.opens.push_back(an_open());
  LiveOpen& directory = session.opens.emplace_back(an_open());
  directory.volatile_id = 0x56;
  PersistentOpen& values = directory.open.open;
  values.attributes.is_directory = true;
  values.attributes.is_stream = false;
  values.attributes.file_key.stream = 0;
  values.stream.clear();
  values.state.locks.clear();
  directory.listing = LiveListing{.pattern = "*",
                                  .answered = true,
                                  .position = {.dots = 2, .offset = 77},
                                  .pending = {{"shown", "on disk"}, {"other", ""}}};
  directory.watch = LiveWatch{.tree = true, .filter = 3, .capacity = 1000};
  for (const auto command : {wire::Command::kCreate, wire::Command::kLock}) {
    state.connections[0].requests.push_back(waiting(command));
  }
  state.connections[0].requests[1].async_id = {4};
  return state;
}

TEST(LiveState, ComesBackAsItWas) {
  const LiveState state = filled();
  const Bytes bytes = encode(state);
  const auto back = decode_live_state(bytes);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(encode(*back), bytes);
  const LiveSession& session = back->sessions.at(0);
  EXPECT_EQ(session.next_count, 0x1234u);
  EXPECT_EQ(session.machine, "PC");
  EXPECT_TRUE(session.trees.at(0).encrypts);
  EXPECT_EQ(session.decryption_secret, crypto::Secret(Bytes(16, 0x44)));
  EXPECT_TRUE(session.now_as->is_anonymous);
  EXPECT_EQ(session.overtaken.at(0).channel_sequence, 6);
  EXPECT_EQ(session.opens.at(1).listing->pending.at(0).disk_name, "on disk");
  EXPECT_EQ(session.opens.at(1).watch->capacity, 1000u);
  EXPECT_EQ(back->connections.at(0).window.used, (std::vector<bool>{false, true, false}));
  EXPECT_EQ(back->connections.at(0).received, (Bytes{0, 0, 1}));
  EXPECT_EQ(back->connections.at(0).requests.at(1).async_id, AsyncId{4});
  EXPECT_TRUE(back->connections.at(0).requests.at(1).is_encrypted);
}

// As much as a connection may have set aside.
TEST(LiveState, WhatMayBeSetAsideIsRead) {
  LiveState state = small();
  auto& requests = state.connections[0].requests;
  for (uint64_t i = 0; i < kAsideMax / kCreateSizeMax; ++i) {
    requests.push_back(waiting(wire::Command::kCreate));
    requests.back().async_id = {i + 1};
    requests.back().message.resize(kCreateSizeMax);
  }
  EXPECT_TRUE(decode_live_state(encode(state)));
  requests.push_back(waiting(wire::Command::kCreate));
  requests.back().async_id = {99};
  EXPECT_FALSE(decode_live_state(encode(state))) << "more than that in all";
  requests.resize(1);
  requests[0].message.resize(kCreateSizeMax + 1);
  EXPECT_FALSE(decode_live_state(encode(state)));
}

// docs/records.md. Whoever changes them makes another version, which the version before refuses.
TEST(LiveState, IsThatOfThePage) {
  LiveState state = small();
  state.sessions[0].trees.clear();
  EXPECT_EQ(hex(encode(state)),
            "42524c560300"
            "01000000"                          // connections
            "1103"                              // dialect
            "09000000000000000000000000000000"  // ClientGuid
            "0000000000000000"                  // capabilities
            "00000000"                          // security modes
            "00000000000000000000000000000000"  // digest of dialects
            "00000000000000000000000000000000"
            "00000000"                          // cipher, signing algorithm
            "000000000000"                      // compression
            "000000"                            // three flags
            "000000000000010000000000"          // three sizes
            "00000000000000000000000000000000"  // preauthentication hash
            "00000000000000000000000000000000"
            "00000000000000000000000000000000"
            "00000000000000000000000000000000"
            "05000000000000000800000000000000"  // window
            "03000000000100"
            "03000000000001"  // received
            "01000000"        // channels
            "7700000000000000020010cccccccccccccccccccccccccccccccc"
            "00000000"                                          // requests that wait
            "01000000"                                          // sessions
            "7700000000000000"                                  // SessionId
            "09000000000000000000000000000000"                  // ClientGuid
            "05000000616c69636500000000"                        // account, domain
            "e80300000000000000000000"                          // uid, gid, groups
            "01000000000000000100000000000000"                  // two SIDs without parts
            "00000000000000"                                    // groups' SIDs, three flags
            "00"                                                // acts as nobody else
            "01e8030000640000000100000064000000"                // credentials
            "000000000000000000000000000000000000000000000000"  // three times
            "050000000000000004000000"                          // of the logon
            "4e544c4d020000005043090000003139322e302e322e31"
            "110302000100"                        // dialect, cipher, signing algorithm
            "1011111111111111111111111111111111"  // keys
            "00"
            "1022222222222222222222222222222222"
            "1033333333333333333333333333333333"
            "1044444444444444444444444444444444"
            "3412000000000000"    // count of nonces
            "000101"              // three flags
            "00000000"            // overtaken CREATEs
            "00000000"            // latest tree
            "0000000000000000");  // trees, opens
}

TEST(LiveState, CutShortOrOfAnotherVersionIsNone) {
  Bytes bytes = encode(filled());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_live_state(ByteView(bytes).first(size))) << size;
  }
  for (const int version : {kLiveVersion + 1, kLiveVersionFirst - 1}) {
    bytes[4] = static_cast<uint8_t>(version);
    EXPECT_EQ(decode_live_state(bytes).error(), Error::unsupported());
  }
}

// Each is written as it stands, and refused when it is read.
TEST(LiveState, WhatDoesNotFitTogetherIsNone) {
  const auto refused = [](auto change) {
    LiveState state = filled();
    change(state);
    return !decode_live_state(encode(state));
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].opens[0].tree = {4}; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].opens[0].volatile_id = 0x56; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions.push_back(state.sessions[0]); }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].channels[0].session = {8}; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].window.high = 9; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].window.used[0] = true; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].encryption_secret = {}; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].next_count = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].client_guid = ClientGuid{{1}}; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].credentials = nullptr; }));
  EXPECT_TRUE(refused([](auto& state) { state.sessions[0].opens[0].watch.emplace(); }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].async_id = {}; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].async_id = {4}; }));
  EXPECT_TRUE(
      refused([](auto& state) { state.connections[0].requests[0].async_id = {1ull << 63}; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].message.pop_back(); }));
  // The SessionId, the next message, a flag.
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].message[40] ^= 1; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].message[20] = 8; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].message[16] |= 4; }));
  EXPECT_TRUE(refused([](auto& state) { state.connections[0].requests[0].message[16] |= 1; }));
  EXPECT_TRUE(refused(
      [](auto& state) { state.connections[0].requests[0] = waiting(wire::Command::kWrite); }));
  EXPECT_TRUE(refused(
      [](auto& state) { state.sessions[0].opens[1].listing->pending[0].disk_name = "../up"; }));
}

}  // namespace
}  // namespace braid::smb2

// What TREE_CONNECT and TREE_DISCONNECT answer: [MS-SMB2] 3.3.5.7 and 3.3.5.8.
#include "wire/smb2/tree_connect.h"

#include "smb2/commands/file_requests_testing.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::Command;
using wire::Dialect;
using wire::ShareFlags;
using enum NtStatus;

struct TreeConnects : FileRequests {
  static NtStatus status(RawClient& by, std::string_view path) {
    wire::TreeConnectRequest body;
    body.path = path;
    return by.status_of(by.request(Command::kTreeConnect, body));
  }
  static wire::TreeConnectResponse connected(RawClient& by, std::string_view share = "files") {
    Bytes message = by.tree_request(share);
    by.sign(message, *by.signing_key);
    const auto answer = by.exchange(std::move(message));
    EXPECT_EQ(answer->status(), kSuccess);
    EXPECT_NE(answer->header.tree_id, TreeId{});
    return answer->as<wire::TreeConnectResponse>();
  }
};

TEST_F(TreeConnects, PathIsAServerAndAShare) {
  struct {
    std::string_view path;
    NtStatus expected;
  } constexpr kCases[] = {
      {"\\\\engine\\files", kSuccess},
      {"\\\\engine\\FILES", kSuccess},
      {"\\\\x\\IPC$", kSuccess},
      {"\\\\\\files", kSuccess},
      {"\\\\engine\\none", kBadNetworkName},
      {"\\\\engine\\", kBadNetworkName},
      {"\\\\engine\\files\\", kBadNetworkName},
      {"\\\\engine\\files\\below", kBadNetworkName},
      {"\\\\engine", kInvalidParameter},
      {"\\engine\\files", kInvalidParameter},
      {"engine\\files", kInvalidParameter},
      {"files", kInvalidParameter},
      {"", kInvalidParameter},
  };
  for (const auto& each : kCases) EXPECT_EQ(status(client, each.path), each.expected) << each.path;
}

TEST_F(TreeConnects, AnswerSaysWhatTheShareIs) {
  auto told = connected(client);
  EXPECT_EQ(told.share_type, wire::ShareType::kDisk);
  EXPECT_EQ(told.share_flags, 0u);
  EXPECT_EQ(told.capabilities, 0u);
  EXPECT_EQ(told.maximal_access, Access::kFileAllAccess);
  told = connected(client, "IPC$");
  EXPECT_EQ(told.share_type, wire::ShareType::kPipe);
  EXPECT_EQ(told.share_flags, 0u);
  EXPECT_EQ(told.capabilities, 0u);
  EXPECT_EQ(told.maximal_access, Access::kFileAllAccess);
  share().read_only = true;
  EXPECT_EQ(connected(client).maximal_access,
            Access::kFileGenericRead | Access::kFileGenericExecute);
  share().hide_unreadable = true;
  EXPECT_EQ(connected(client).share_flags, ShareFlags::kAccessBasedDirectoryEnum);
}

// Who has agreed on an algorithm is told to compress what he writes.
TEST_F(TreeConnects, CompressionIsAskedOfWhoHasIt) {
  share().compress = config::Compress::kAlways;
  EXPECT_EQ(connected(client).share_flags, 0u);
  RawClient latest{engine, ClientGuid{{9}}};
  latest.compression = {.flags = wire::CompressionCapabilities::kFlagChained,
                        .compression_algorithms = {wire::CompressionAlgorithm::kLz77}};
  ASSERT_TRUE(latest.log_on(Dialect::kSmb311));
  EXPECT_EQ(connected(latest).share_flags, ShareFlags::kCompressData);
  EXPECT_EQ(connected(latest, "IPC$").share_flags, 0u);
  share().compress = config::Compress::kAsked;
  EXPECT_EQ(connected(latest).share_flags, 0u);
}

// 3.3.5.7, and 3.3.5.2.11 for what follows.
TEST_F(TreeConnects, EncryptedShareIsForWhoEncrypts) {
  const FileId before = open("f");
  share().encrypt = true;
  EXPECT_EQ(connected(client).share_flags, ShareFlags::kEncryptData);
  EXPECT_EQ(connected(client, "IPC$").share_flags, 0u);
  const auto echo = [&] { return client.request(Command::kEcho, wire::EchoRequest{}); };
  EXPECT_EQ(client.close_file(before), kAccessDenied);
  EXPECT_EQ(client.status_of(echo()), kSuccess) << "names no share";
  const Bytes open_again = client.request(Command::kCreate, RawClient::create_body("f"));
  client.send(client.encrypted(open_again));
  const auto answer = client.decrypted(client.receive()->message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
  for (const Dialect dialect : {Dialect::kSmb202, Dialect::kSmb210}) {
    RawClient old{engine, ClientGuid{{static_cast<uint8_t>(dialect)}}};
    ASSERT_EQ(old.negotiate(dialect), kSuccess);
    ASSERT_EQ(old.session_setup(), kSuccess);
    EXPECT_EQ(old.tree_connect(), kAccessDenied);
    EXPECT_EQ(old.tree_connect("IPC$"), kSuccess);
  }
  // A guest has no key.
  RawClient guest{engine, ClientGuid{{9}}};
  ASSERT_EQ(guest.negotiate(), kSuccess);
  ASSERT_EQ(guest.session_setup("guest"), kSuccess);
  EXPECT_EQ(guest.tree_connect(), kAccessDenied);
}

// In 3.1.1 the first signature proves that nobody changed the NEGOTIATE.
TEST_F(TreeConnects, WithoutASignatureTheLatestDialectEnds) {
  RawClient latest{engine, ClientGuid{{9}}};
  ASSERT_EQ(latest.negotiate(Dialect::kSmb311), kSuccess);
  ASSERT_EQ(latest.session_setup(), kSuccess);
  latest.send(latest.tree_request());
  EXPECT_TRUE(latest.is_dropped());
  RawClient guest{engine, ClientGuid{{10}}};
  ASSERT_EQ(guest.negotiate(Dialect::kSmb311), kSuccess);
  ASSERT_EQ(guest.session_setup("guest"), kSuccess);
  EXPECT_EQ(guest.status_of(guest.tree_request("IPC$")), kSuccess);
}

TEST_F(TreeConnects, DisconnectClosesWhatIsOpenThere) {
  const FileId id = open("f");
  const TreeId tree = client.tree_id;
  const auto disconnect = [&] {
    return client.status_of(
        client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{}));
  };
  EXPECT_EQ(disconnect(), kSuccess);
  EXPECT_EQ(disconnect(), kNetworkNameDeleted);
  EXPECT_EQ(client.close_file(id), kNetworkNameDeleted);
  ASSERT_EQ(client.tree_connect(), kSuccess);
  EXPECT_NE(client.tree_id, tree);
  EXPECT_EQ(client.close_file(id), kFileClosed);
  EXPECT_EQ(status_of_open("f", Access::kFileReadData), kSuccess);
}

TEST_F(TreeConnects, TreesAreBoundedAndComeBack) {
  for (size_t i = 1; i < kTreesPerSessionMax; ++i) {
    ASSERT_EQ(client.status_of(client.tree_request("IPC$")), kSuccess) << i;
  }
  EXPECT_EQ(client.status_of(client.tree_request("IPC$")), kInsufficientResources);
  EXPECT_EQ(
      client.status_of(client.request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})),
      kSuccess);
  EXPECT_EQ(client.status_of(client.tree_request("IPC$")), kSuccess);
}

// [MS-SMB2] 3.3.5.2.7.2: what follows in the compound is of the tree that was connected.
TEST_F(TreeConnects, RelatedRequestsAreOfTheTreeThatWasConnected) {
  const Bytes connect = client.tree_request();
  client.tree_id = {};
  const Bytes create = client.request(Command::kCreate, RawClient::create_body("f"));
  const uint64_t asked = client.next_message_id - 1;
  client.send(RawClient::compound({connect, create}));
  const auto answer = client.answer_to(asked);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status(), kSuccess);
}

// [MS-SMB2] 3.3.5.7: a share that all nodes serve.
TEST_F(TreeConnects, SharesOfAClusterAreScaledOut) {
  config::Server settings = Engine::lenient();
  settings.cluster = "/run/ctdb/ctdbd.socket";
  Engine node(settings);
  RawClient by{node};
  ASSERT_TRUE(by.log_on());
  EXPECT_EQ(connected(by).capabilities, wire::ShareCapabilities::kScaleout);
  EXPECT_EQ(connected(by, "IPC$").capabilities, 0u);
  RawClient old{node, ClientGuid{{8}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb210));
  EXPECT_EQ(connected(old).capabilities, 0u);
  by.close();
  old.close();
}

// [MS-SMB2] 3.3.5.7, to those of SMB 3.
TEST_F(TreeConnects, ScaleOutIsSaid) {
  share().scale_out = true;
  EXPECT_EQ(connected(client).capabilities, wire::ShareCapabilities::kScaleout);
  EXPECT_EQ(connected(client, "IPC$").capabilities, 0u);
  RawClient old{engine, ClientGuid{{8}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb210));
  EXPECT_EQ(connected(old).capabilities, 0u);
  old.close();
}

// [MS-SMB2] 3.3.5.7: a share that a witness tells of.
TEST_F(TreeConnects, WitnessedSharesAreThoseOfACluster) {
  config::Server settings = Engine::lenient();
  settings.witness = true;
  Engine watched(settings);
  RawClient by{watched};
  ASSERT_TRUE(by.log_on());
  EXPECT_EQ(connected(by).capabilities, wire::ShareCapabilities::kCluster);
  EXPECT_EQ(connected(by, "IPC$").capabilities, 0u);
  RawClient old{watched, ClientGuid{{8}}};
  ASSERT_TRUE(old.log_on(Dialect::kSmb210));
  EXPECT_EQ(connected(old).capabilities, 0u);
  by.close();
  old.close();
}

}  // namespace
}  // namespace braid::smb2

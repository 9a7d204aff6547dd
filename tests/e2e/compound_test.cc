// Compounded requests.
#include "e2e.h"
#include "wire/smb2/echo.h"
#include "wire/smb2/flush.h"

namespace braid::e2e {
namespace {

using client::Compound;
using wire::Command;
using wire::CreateDisposition;

wire::CreateRequest create(std::string name, CreateDisposition disposition) {
  wire::CreateRequest request;
  request.desired_access = kReadWriteDelete;
  request.share_access = wire::ShareAccess::kAll;
  request.create_disposition = disposition;
  request.name = std::move(name);
  return request;
}
wire::WriteRequest write(ByteView data) {
  wire::WriteRequest request;
  request.file_id = FileId::all_ones();
  request.data = data;
  return request;
}
const wire::CloseRequest kCloseRelated{.file_id = FileId::all_ones()};

// Everybody's first compound, in every way to protect it.
BRAID_E2E(Compound, CreateWriteReadClose) {
  using Security = client::SessionOptions::Security;
  for (const auto security : {Security::kSign, Security::kEncrypt, Security::kAsServerWants}) {
    client::SessionOptions options;
    options.security = security;
    E2E_TRY(const auto tree, co_await env.mount("share", {}, options));
    const Bytes data = pattern(1001);
    wire::ReadRequest read;
    read.length = 2000;
    read.file_id = FileId::all_ones();
    Compound compound(tree);
    compound.add(Command::kCreate, create(name_of_test(), CreateDisposition::kOverwriteIf))
        .add_related(Command::kWrite, write(data), data.size())
        .add_related(Command::kRead, read, 2000)
        .add_related(Command::kClose, kCloseRelated);
    E2E_TRY(const auto responses, co_await compound.send());
    EXPECT_EQ(responses.size(), 4u);
    for (const auto& response : responses) {
      EXPECT_EQ(response.status(), NtStatus::kSuccess) << name_of(response.header.command);
      EXPECT_EQ(response.was_encrypted, security == Security::kEncrypt);
    }
    E2E_TRY(const auto back, responses[2].body<wire::ReadResponse>());
    EXPECT_TRUE(std::ranges::equal(back.data, data));
    EXPECT_EQ(tree->session().connection().bad_messages(), 0u);
  }
}

BRAID_E2E(Compound, RelatedFollowersOfAFailedCreateFailTheSame) {
  E2E_TRY(const auto tree, co_await env.mount());
  Compound compound(tree);
  compound.add(Command::kCreate, create(name_of_test(), CreateDisposition::kOpen))
      .add_related(Command::kFlush, wire::FlushRequest{.file_id = FileId::all_ones()})
      .add_related(Command::kClose, kCloseRelated);
  E2E_TRY(const auto responses, co_await compound.send());
  for (const auto& response : responses) {
    EXPECT_EQ(response.status(), NtStatus::kObjectNameNotFound);
  }
}

BRAID_E2E(Compound, UnrelatedRequestsStandAlone) {
  E2E_TRY(const auto tree, co_await env.mount());
  Compound compound(tree);
  compound.add(Command::kCreate, create(name_of_test(".missing"), CreateDisposition::kOpen))
      .add(Command::kCreate, create(name_of_test(), CreateDisposition::kOverwriteIf))
      .add(Command::kClose, wire::CloseRequest{.file_id = {7, 7}})
      .add(Command::kEcho, wire::EchoRequest{});
  E2E_TRY(const auto responses, co_await compound.send());
  EXPECT_EQ(responses[0].status(), NtStatus::kObjectNameNotFound);
  EXPECT_EQ(responses[1].status(), NtStatus::kSuccess);
  EXPECT_EQ(responses[2].status(), NtStatus::kFileClosed);
  EXPECT_EQ(responses[3].status(), NtStatus::kSuccess);
}

BRAID_E2E(Compound, FirstRelatedIsInvalid) {
  client::SessionOptions options;
  // There is no session yet that could sign the answer.
  options.security = client::SessionOptions::Security::kAsServerWants;
  E2E_TRY(const auto tree, co_await env.mount("share", {}, options));
  Compound compound(tree);
  compound.add_related(Command::kClose, kCloseRelated).add_related(Command::kClose, kCloseRelated);
  E2E_TRY(const auto responses, co_await compound.send());
  for (const auto& response : responses) {
    EXPECT_EQ(response.status(), NtStatus::kInvalidParameter);
  }
}

// Each response of a compound is padded to eight bytes, and signed with its padding.
BRAID_E2E(Compound, ManySmallOnes) {
  E2E_TRY(const auto tree, co_await env.mount());
  for (int round = 0; round < 20; ++round) {
    Compound compound(tree);
    compound.add(Command::kCreate, create(name_of_test(), CreateDisposition::kOverwriteIf));
    for (int i = 0; i < 10; ++i) {
      wire::QueryInfoRequest query;
      query.info_type = wire::InfoType::kFile;
      query.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kAll);
      query.output_buffer_length = 1000;
      query.file_id = FileId::all_ones();
      compound.add_related(Command::kQueryInfo, query, 1000);
    }
    compound.add_related(Command::kClose, kCloseRelated);
    E2E_TRY(const auto responses, co_await compound.send());
    for (const auto& response : responses) EXPECT_EQ(response.status(), NtStatus::kSuccess);
  }
}

}  // namespace
}  // namespace braid::e2e

// QUERY_INFO, SET_INFO and IOCTL.
#include "e2e.h"
#include "wire/fscc/file_attributes.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/validate_negotiate_info.h"

namespace braid::e2e {
namespace {

using wire::CreateDisposition;
using wire::FileInfoClass;

Task<Result<client::FilePtr>> make_file(client::TreePtr tree, std::string name) {
  BRAID_CO_CHECK(co_await tree->write_file(name, to_bytes("0123456789")));
  co_return co_await tree->open(name, kReadWriteDelete);
}

BRAID_E2E(Getinfo, FileClassesAgree) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await make_file(tree, name_of_test()));
  E2E_TRY(const auto standard,
          co_await file->query<wire::FileStandardInformation>(FileInfoClass::kStandard));
  EXPECT_EQ(standard.end_of_file, 10u);
  EXPECT_EQ(standard.number_of_links, 1u);
  EXPECT_FALSE(standard.directory || standard.delete_pending);
  E2E_TRY(const auto all, co_await file->query<wire::FileAllInformation>(FileInfoClass::kAll));
  EXPECT_EQ(all.standard.end_of_file, 10u);
  EXPECT_EQ(all.basic.creation_time, file->created().creation_time);
  E2E_TRY(const auto open,
          co_await file->query<wire::FileNetworkOpenInformation>(FileInfoClass::kNetworkOpen));
  EXPECT_EQ(open.last_write_time, all.basic.last_write_time);
  EXPECT_EQ(open.file_attributes, all.basic.file_attributes);
  E2E_TRY(const auto internal,
          co_await file->query<wire::FileInternalInformation>(FileInfoClass::kInternal));
  EXPECT_EQ(internal.index_number, all.internal.index_number);
}

BRAID_E2E(Getinfo, BuffersThatAreTooSmall) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await make_file(tree, name_of_test()));
  E2E_FAILS(NtStatus::kInfoLengthMismatch, co_await file->query_info(FileInfoClass::kBasic, 39));
  E2E_FAILS(NtStatus::kBufferOverflow, co_await file->query_info(FileInfoClass::kAll, 104));
  E2E_FAILS(NtStatus::kInvalidInfoClass,
            co_await file->query_info(static_cast<FileInfoClass>(200)));
}

BRAID_E2E(Getinfo, FileSystemClasses) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto root, co_await tree->open_directory());
  E2E_TRY(const Bytes size, co_await root->query_fs_info(wire::FsInfoClass::kFullSize));
  wire::Reader size_reader(size);
  E2E_TRY(const auto full, wire::FileFsFullSizeInformation::decode(size_reader));
  EXPECT_GT(full.total_allocation_units, 0u);
  E2E_TRY(const Bytes attribute, co_await root->query_fs_info(wire::FsInfoClass::kAttribute));
  wire::Reader attribute_reader(attribute);
  E2E_TRY(const auto attributes, wire::FileFsAttributeInformation::decode(attribute_reader));
  EXPECT_EQ(attributes.file_system_name, "NTFS");
  E2E_OK(co_await root->query_fs_info(wire::FsInfoClass::kVolume));
  E2E_OK(co_await root->query_fs_info(wire::FsInfoClass::kDevice));
}

BRAID_E2E(Getinfo, SecurityDescriptorHasAnOwner) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await make_file(tree, name_of_test()));
  E2E_TRY(const Bytes descriptor, co_await file->query_security(wire::SecurityInformation::kOwner |
                                                                wire::SecurityInformation::kDacl));
  EXPECT_GE(descriptor.size(), 20u + 28u);
  E2E_FAILS(NtStatus::kBufferTooSmall,
            co_await file->query_security(wire::SecurityInformation::kOwner, 0));
}

BRAID_E2E(Setinfo, TimesAndAttributesStay) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await make_file(tree, name_of_test()));
  wire::FileBasicInformation basic;
  basic.creation_time = {kUnixEpochTicks + 12'345'678'900};
  basic.last_write_time = {kUnixEpochTicks + 98'765'432'100};
  basic.file_attributes = wire::file_attribute::kHidden | wire::file_attribute::kArchive;
  E2E_OK(co_await file->set(FileInfoClass::kBasic, basic));
  E2E_OK(co_await file->close());
  E2E_TRY(const auto again, co_await tree->open(name_of_test(), wire::Access::kFileReadAttributes));
  EXPECT_EQ(again->created().creation_time, basic.creation_time);
  EXPECT_EQ(again->created().last_write_time, basic.last_write_time);
  EXPECT_EQ(again->created().file_attributes, basic.file_attributes);
}

BRAID_E2E(Setinfo, EndOfFileCutsAndGrows) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await make_file(tree, name_of_test()));
  for (const uint64_t size : {4, 100'000, 0}) {
    wire::FileEndOfFileInformation end;
    end.end_of_file = size;
    E2E_OK(co_await file->set(FileInfoClass::kEndOfFile, end));
    E2E_TRY(const auto standard,
            co_await file->query<wire::FileStandardInformation>(FileInfoClass::kStandard));
    EXPECT_EQ(standard.end_of_file, size);
  }
}

BRAID_E2E(Rename, MovesAndReplacesOnlyIfAsked) {
  E2E_TRY(const auto tree, co_await env.mount());
  const std::string from = name_of_test(".from");
  const std::string to = name_of_test(".to");
  E2E_TRY(const auto file, co_await make_file(tree, from));
  E2E_OK(co_await tree->write_file(to, to_bytes("old")));
  E2E_FAILS(NtStatus::kObjectNameCollision, co_await file->rename(to));
  E2E_OK(co_await file->rename(to, true));
  E2E_OK(co_await file->close());
  E2E_FAILS(NtStatus::kObjectNameNotFound, co_await tree->open(from));
  E2E_TRY(const Bytes content, co_await tree->read_file(to));
  EXPECT_EQ(as_text(content), "0123456789");
}

// [MS-SMB2] 3.2.5.5 "Receiving an SMB2 TREE_CONNECT Response": how a 3.0 client finds out that
// somebody changed its NEGOTIATE.
BRAID_E2E(Ioctl, ValidateNegotiateInfo) {
  for (const auto dialect : {wire::Dialect::kSmb300, wire::Dialect::kSmb302}) {
    client::ConnectionOptions options;
    options.dialects = {wire::Dialect::kSmb210, dialect};
    E2E_TRY(const auto tree, co_await env.mount("share", options));
    const client::Connection& connection = tree->session().connection();
    wire::ValidateNegotiateInfoRequest request;
    request.capabilities = connection.options().capabilities;
    request.guid = connection.options().client_guid;
    request.security_mode = connection.options().security_mode;
    request.dialects = connection.options().dialects;
    Bytes input;
    wire::Writer writer(input);
    request.encode(writer);
    E2E_TRY(const Bytes output,
            co_await tree->ioctl(wire::Fsctl::kValidateNegotiateInfo, input, 24));
    wire::Reader reader(output);
    E2E_TRY(const auto response, wire::ValidateNegotiateInfoResponse::decode(reader));
    EXPECT_EQ(response.dialect, dialect);
    EXPECT_EQ(response.guid, connection.server_guid());
    EXPECT_EQ(response.capabilities, connection.capabilities());

    // Any difference ends the connection without an answer.
    input[4] ^= 1;
    EXPECT_FALSE(co_await tree->ioctl(wire::Fsctl::kValidateNegotiateInfo, input, 24));
    EXPECT_TRUE(connection.is_closed());
  }
}

BRAID_E2E(Ioctl, UnknownCodeIsAnInvalidDeviceRequest) {
  E2E_TRY(const auto tree, co_await env.mount());
  E2E_TRY(const auto file, co_await make_file(tree, name_of_test()));
  const auto result = co_await file->ioctl(static_cast<wire::Fsctl>(0x0009FFFC));
  EXPECT_FALSE(result);
}

}  // namespace
}  // namespace braid::e2e

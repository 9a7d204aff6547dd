// A client of an Engine that makes, opens, renames and deletes files, for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "smb2/raw_client_testing.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/read.h"
#include "wire/smb2/set_info.h"
#include "wire/smb2/write.h"

namespace braid::smb2 {

inline Bytes set_info_request(RawClient& client, FileId id, wire::FileInfoClass info_class,
                              ByteView buffer) {
  wire::SetInfoRequest set;
  set.info_type = wire::InfoType::kFile;
  set.file_info_class = static_cast<uint8_t>(info_class);
  set.file_id = id;
  set.buffer = buffer;
  return client.request(wire::Command::kSetInfo, set);
}
inline NtStatus set_info(RawClient& client, FileId id, wire::FileInfoClass info_class,
                         ByteView buffer) {
  return client.status_of(set_info_request(client, id, info_class, buffer));
}
inline Bytes renaming(std::string_view to, bool replace) {
  Bytes buffer;
  wire::Writer writer(buffer);
  wire::FileRenameInformation{.replace_if_exists = replace, .file_name = std::string(to)}.encode(
      writer);
  return buffer;
}
inline NtStatus rename(RawClient& client, FileId id, std::string_view to, bool replace) {
  return set_info(client, id, wire::FileInfoClass::kRename, renaming(to, replace));
}
inline std::string content(RawClient& client, FileId id) {
  const auto answer = client.exchange(
      client.request(wire::Command::kRead, wire::ReadRequest{.length = 100, .file_id = id}));
  if (answer->status() != NtStatus::kSuccess) return std::string(name_of(answer->status()));
  return std::string(as_text(answer->as<wire::ReadResponse>().data));
}

struct FileRequests : testing::Test {
  explicit FileRequests(std::unique_ptr<vfs::Volume> volume = vfs::make_memory_volume(),
                        size_t threads = 1)
      : engine(Engine::lenient(), system_clock(), threads, Engine::shares_on(std::move(volume))) {}
  void SetUp() override { ASSERT_TRUE(client.log_on()); }

  FileId open(std::string_view name, uint32_t access = wire::Access::kFileAllAccess,
              uint32_t share = wire::ShareAccess::kAll) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    body.share_access = share;
    return client.create(body);
  }
  NtStatus status_of_open(std::string_view name,
                          uint32_t access = wire::Access::kFileReadAttributes,
                          wire::CreateDisposition disposition = wire::CreateDisposition::kOpen) {
    auto body = RawClient::create_body(name);
    body.desired_access = access;
    body.create_disposition = disposition;
    const auto answer = client.exchange(client.request(wire::Command::kCreate, body));
    if (answer->status() == NtStatus::kSuccess) {
      client.close_file(answer->as<wire::CreateResponse>().file_id);
    }
    return answer->status();
  }
  // A file with this content, closed.
  void make(std::string_view name, std::string_view content, uint32_t attributes = 0) {
    auto body = RawClient::create_body(name);
    body.file_attributes = attributes;
    const FileId id = client.create(body);
    write(id, content);
    client.close_file(id);
  }
  NtStatus write(FileId id, std::string_view content) {
    return client.status_of(client.request(
        wire::Command::kWrite, wire::WriteRequest{.file_id = id, .data = as_bytes(content)}));
  }
  std::string content(FileId id) { return smb2::content(client, id); }
  std::string content(std::string_view name) {
    auto body = RawClient::create_body(name);
    body.create_disposition = wire::CreateDisposition::kOpen;
    const FileId id = client.create(body);
    const std::string found = content(id);
    client.close_file(id);
    return found;
  }

  // As it is; a client hears of what is changed here when it connects to it.
  Share& share() { return const_cast<Share&>(*engine.server().settings.shares()->find("files")); }
  vfs::Volume& share_volume() { return *share().volume; }

  // SET_INFO.
  Bytes request(FileId id, wire::FileInfoClass info_class, ByteView buffer) {
    return set_info_request(client, id, info_class, buffer);
  }
  NtStatus set(FileId id, wire::FileInfoClass info_class, ByteView buffer) {
    return client.status_of(request(id, info_class, buffer));
  }
  NtStatus rename(FileId id, std::string_view to, bool replace = true) {
    return set(id, wire::FileInfoClass::kRename, renaming(to, replace));
  }
  NtStatus link(FileId id, std::string_view to, bool replace) {
    return set(id, wire::FileInfoClass::kLink, renaming(to, replace));
  }
  NtStatus rename_ex(FileId id, std::string_view to, uint32_t flags) {
    Bytes buffer;
    wire::Writer writer(buffer);
    wire::FileRenameInformationEx{.flags = flags, .file_name = std::string(to)}.encode(writer);
    return set(id, wire::FileInfoClass::kRenameEx, buffer);
  }
  NtStatus dispose_ex(FileId id, uint32_t flags) {
    Bytes buffer;
    wire::Writer writer(buffer);
    wire::FileDispositionInformationEx{.flags = flags}.encode(writer);
    return set(id, wire::FileInfoClass::kDispositionEx, buffer);
  }

  Engine engine;
  RawClient client{engine};
};

}  // namespace braid::smb2

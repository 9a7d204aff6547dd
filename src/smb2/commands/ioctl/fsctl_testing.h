// A client of an Engine that asks for FSCTLs, for tests.
#pragma once

#include <algorithm>
#include <utility>

#include "smb2/commands/file_requests_testing.h"
#include "wire/smb2/ioctl.h"

namespace braid::smb2 {

struct Fsctls : FileRequests {
  using FileRequests::FileRequests;

  struct Told {
    NtStatus status;
    Bytes output;
  };
  static Told ask(RawClient& by, wire::Fsctl code, FileId id, ByteView input = {},
                  uint32_t room = 4096) {
    const wire::IoctlRequest body{.ctl_code = code,
                                  .file_id = id,
                                  .input = input,
                                  .max_output_response = room,
                                  .flags = wire::IoctlRequest::kFlagIsFsctl};
    // What its credits have to pay for.
    const auto charge = static_cast<uint16_t>(
        std::max<size_t>(1, (std::max<size_t>(input.size(), room) + 0xFFFF) >> 16));
    const auto answer =
        by.exchange(by.request(wire::Command::kIoctl, body,
                               [charge](wire::Header& header) { header.credit_charge = charge; }));
    by.next_message_id += charge - 1u;
    if (!answer) return {NtStatus::kConnectionDisconnected, {}};
    wire::Reader reader = answer->body();
    const auto response = wire::IoctlResponse::decode(reader);
    if (!response) return {answer->status(), {}};
    EXPECT_EQ(response->ctl_code, code);
    EXPECT_EQ(response->file_id, id);
    return {answer->status(), Bytes(response->output.begin(), response->output.end())};
  }
  Told ask(wire::Fsctl code, FileId id, ByteView input = {}, uint32_t room = 4096) {
    return ask(client, code, id, input, room);
  }
  NtStatus status(wire::Fsctl code, FileId id, ByteView input = {}, uint32_t room = 4096) {
    return ask(code, id, input, room).status;
  }
  template <class Body>
  static Bytes encoded(const Body& body) {
    Bytes bytes;
    wire::Writer writer(bytes);
    body.encode(writer);
    return bytes;
  }
  template <class Body>
  static Body decoded(ByteView bytes) {
    wire::Reader reader(bytes);
    return Body::decode(reader).value();
  }
  // Numbers as they stand behind each other.
  static uint64_t number_at(const Bytes& bytes, size_t offset, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t{bytes.at(offset + i)} << (8 * i);
    return value;
  }

  vfs::Found find(std::string_view name) {
    return share_volume()
        .find(server_credentials(), vfs::parse_path(name)->path, {.pin_parent = true})
        .value();
  }
  FileId directory(std::string_view name = "d") {
    auto body = RawClient::create_body(name);
    body.create_options = wire::CreateOptions::kDirectoryFile;
    return client.create(body);
  }
  // Of any size, unlike content().
  Bytes data(FileId id, uint64_t offset, uint32_t length) {
    const auto answer = client.exchange(
        client.request(wire::Command::kRead,
                       wire::ReadRequest{.length = length, .offset = offset, .file_id = id}));
    EXPECT_EQ(answer->status(), NtStatus::kSuccess);
    if (answer->status() != NtStatus::kSuccess) return {};
    const auto response = answer->as<wire::ReadResponse>();
    return Bytes(response.data.begin(), response.data.end());
  }
};

}  // namespace braid::smb2

// A pipe with a memory directory behind it, for tests.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>

#include "base/hex_testing.h"
#include "rpc/memory_directory.h"
#include "rpc/pipe_registry.h"

namespace braid::rpc {

// A pipe and who uses it.
struct UsedPipe {
  std::unique_ptr<Pipe> pipe;
  CallerInfo caller;

  Result<void> write(ByteView bytes) { return pipe->write(caller, bytes); }
  Result<PipeRead> read(size_t max) { return pipe->read(max); }
  Result<PipeRead> transceive(ByteView bytes, size_t max) {
    BRAID_CHECK(write(bytes));
    return read(max);
  }
  size_t next_message_size() const { return pipe->next_message_size(); }
  size_t readable_size() const { return pipe->readable_size(); }
};

// The server that captured_testing.h was taken from, as far as the answers show it.
class PipeFixture {
 public:
  PipeFixture() {
    directory.server.netbios_name = "FRSERV";
    directory.server.workgroup = "FRGROUP";
    directory.server.comment = "Samba 4.17.12-Debian";
    directory.server.account_domain_sid =
        *wire::Sid::parse("S-1-5-21-1427926535-1335606207-1366967977");
    directory.share_list.resize(3);
    directory.share_list[0].name = "share";
    directory.share_list[0].path = "/srv/share";
    directory.share_list[1].name = "enc";
    directory.share_list[2].name = "IPC$";
    directory.share_list[2].type = ShareType::kIpc;
    directory.share_list[2].hidden = true;
    directory.share_list[2].comment = "IPC Service (Samba 4.17.12-Debian)";
    Account root;
    root.domain = "FRSERV";
    root.name = "root";
    root.sid = directory.server.account_domain_sid.with_rid(1000);
    directory.user_list = {root};
    caller.account_name = "root";
    caller.domain_name = "FRSERV";
    caller.is_administrator = true;
  }

  std::unique_ptr<UsedPipe> open(std::string_view name) {
    auto pipe = PipeRegistry(directory.directory()).open(name, caller).value();
    return std::make_unique<UsedPipe>(std::move(pipe), caller);
  }
  // Opens and binds with the captured bytes.
  std::unique_ptr<UsedPipe> bound(std::string_view name, std::string_view bind_hex) {
    auto pipe = open(name);
    (void)pipe->transceive(unhex(bind_hex), 65536).value();
    return pipe;
  }

  MemoryDirectory directory;
  CallerInfo caller;
};

inline Bytes answer(UsedPipe& pipe, ByteView request) {
  Result<PipeRead> read = pipe.transceive(request, 65536);
  return read ? read->data : Bytes();
}
inline Bytes answer(UsedPipe& pipe, std::string_view hex) { return answer(pipe, unhex(hex)); }

// Referents are any numbers that differ: those of both peers become one number.
inline Bytes without_referents(Bytes pdu) {
  for (size_t i = 24; i + 4 <= pdu.size(); i += 4) {
    uint32_t value;
    std::memcpy(&value, &pdu[i], 4);
    if ((value & 0xffffff00) == 0x00020000) value = 0x00020000;
    std::memcpy(&pdu[i], &value, 4);
  }
  return pdu;
}

// The captured request with the handle at the front of its stub put to ours.
inline Bytes with_handle(std::string_view request_hex, ByteView handle) {
  Bytes request = unhex(request_hex);
  std::memcpy(&request[24], handle.data(), 20);
  return request;
}

}  // namespace braid::rpc

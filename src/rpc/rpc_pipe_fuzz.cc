// First byte: the pipe, the caller and whether the fuzzer does the bind. The rest is split into
// requests, each with a length before it: the fuzzer writes opnum and stub, the harness the header;
// a length of 0xff hands everything left to the pipe raw.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "rpc/memory_directory.h"
#include "rpc/pdu.h"
#include "rpc/pipe_registry.h"

using namespace braid;
using namespace braid::rpc;

namespace {

MemoryDirectory& directory() {
  static MemoryDirectory& memory = *[] {
    auto* made = new MemoryDirectory;
    made->server.netbios_name = "SRV";
    made->server.account_domain_sid = wire::Sid{5, {21, 1, 2, 3}};
    made->share_list.resize(2);
    made->share_list[0].name = "a";
    made->share_list[1].name = "IPC$";
    made->session_list.resize(1);
    made->connection_list.resize(1);
    made->open_file_list.resize(1);
    Account user;
    user.domain = "SRV";
    user.name = "u";
    user.sid = made->server.account_domain_sid.with_rid(1000);
    made->user_list = {user};
    return made;
  }();
  return memory;
}

constexpr const char* kNames[] = {"srvsvc", "wkssvc", "lsarpc", "samr"};
constexpr SyntaxId kSyntaxes[] = {{{{0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78,
                                     0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88}},
                                   3},
                                  {{{0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33,
                                     0x46, 0xc3, 0xf8, 0x7e, 0x34, 0x5a}},
                                   1},
                                  {{{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00,
                                     0x01, 0x23, 0x45, 0x67, 0x89, 0xab}},
                                   0},
                                  {{{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00,
                                     0x01, 0x23, 0x45, 0x67, 0x89, 0xac}},
                                   1}};

Bytes pdu(PduType type, ByteView body) {
  Bytes out;
  wire::Writer w(out);
  PduHeader header;
  header.type = type;
  header.frag_length = static_cast<uint16_t>(PduHeader::kSize + body.size());
  header.call_id = 1;
  header.encode(w);
  w.bytes(body);
  return out;
}

Bytes bind(const SyntaxId& syntax) {
  Bytes body;
  wire::Writer w(body);
  w.u16(4280);
  w.u16(4280);
  w.u32(0);
  w.u32(1);
  w.u16(0);
  w.u16(1);
  syntax.encode(w);
  kNdrSyntax.encode(w);
  return pdu(PduType::kBind, body);
}

// Reads everything; remembers the handle an answer may start with.
void drain(Pipe& pipe, Bytes& handle) {
  while (const auto read = pipe.read(1000)) {
    if (read->data.size() > PduHeader::kSize + 60) continue;
    if (read->data.size() >= 48 && read->data[2] == 2) {
      handle.assign(read->data.end() - 24, read->data.end() - 4);
    }
  }
  if (pipe.readable_size() != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0] % 4;
  CallerInfo caller;
  caller.is_administrator = (data[0] & 4) != 0;
  static const PipeRegistry& registry = *new PipeRegistry(directory().directory());
  const auto pipe = registry.open(kNames[choice], caller);
  if (!pipe) std::abort();
  Bytes handle(20);
  if (data[0] & 8) {
    if (!(*pipe)->write(caller, bind(kSyntaxes[choice]))) std::abort();
    drain(**pipe, handle);
  }
  ByteView rest(data + 1, size - 1);
  while (!rest.empty()) {
    const uint8_t length = rest[0];
    rest = rest.subspan(1);
    if (length == 0xff || rest.size() < 2) {
      (void)(*pipe)->write(caller, rest);
      drain(**pipe, handle);
      break;
    }
    const ByteView part = rest.first(std::min<size_t>(length, rest.size()));
    rest = rest.subspan(part.size());
    if (part.size() < 2) continue;
    // Opnum, then a flag whether the last handle goes first, then the stub.
    Bytes body(8);
    body[6] = part[0];
    if (part[1] & 1) body.insert(body.end(), handle.begin(), handle.end());
    body.insert(body.end(), part.begin() + 2, part.end());
    (void)(*pipe)->write(caller, pdu(PduType::kRequest, body));
    drain(**pipe, handle);
  }
  return 0;
}

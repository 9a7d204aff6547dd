// What an RPC interface is to the runtime: an id and a table of operations.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "rpc/call_token.h"
#include "rpc/caller_info.h"
#include "rpc/directory.h"
#include "rpc/fault_status.h"
#include "rpc/handle_table.h"
#include "rpc/pdu.h"
#include "wire/ndr/ndr_reader.h"
#include "wire/ndr/ndr_writer.h"

namespace braid::rpc {

namespace witness {
class Service;
}
namespace epm {
struct Endpoint;
}

// One call being carried out. Lives on the stack of the pipe's write(), or wherever else its
// conversation receives.
struct Call {
  const CallerInfo& caller;
  const Directory& directory;
  HandleTable& handles;
  wire::NdrReader in;
  wire::NdrWriter out;
  witness::Service* const witness = nullptr;  // null where that is no interface of the conversation
  const SecTrailer* const security =
      nullptr;              // what the caller logged on with; null: not within it
  const CallToken token{};  // names it when it waits
  const std::vector<epm::Endpoint>* const endpoints = nullptr;  // of the endpoint mapper
  const std::string_view server_address{};         // that the caller came to; empty: no address
  std::move_only_function<void()> on_abandoned{};  // of a call that waits

  // Writes the call's return value, and says that it was carried out.
  FaultStatus finish(uint32_t return_value) {
    out.u32(return_value);
    return FaultStatus::kNone;
  }
  FaultStatus finish(NtStatus status) { return finish(static_cast<uint32_t>(status)); }
  // Says that the answer comes later, by Association::complete(), as long as the client wants it:
  // `abandoned` is called once it does not. What was written is dropped.
  FaultStatus wait(std::move_only_function<void()> abandoned) {
    on_abandoned = std::move(abandoned);
    return FaultStatus::kWaits;
  }
};

// Reads the parameters in IDL order from `in`, writes the results to `out`. With a fault, what was
// written is dropped. Must not block: see directory.h; what has to wait says so by Call::wait().
using Handler = FaultStatus (*)(Call&);

struct Operation {
  uint16_t opnum;
  Handler handler;
};

// Operations by opnum upward; an opnum not in the table is answered with kOperationRangeError, as
// one that the interface does not have.
struct Interface {
  std::string_view pipe_name;  // "srvsvc"
  SyntaxId syntax;             // a client may want a lower minor version
  std::span<const Operation> operations;
  bool anonymous_allowed;  // and guests
};

const Interface& srvsvc_interface();
const Interface& wkssvc_interface();
const Interface& lsarpc_interface();
const Interface& samr_interface();
const Interface& witness_interface();  // of no pipe: [MS-SWN] 2.1 "Transport"
const Interface& epm_interface();      // nor this

}  // namespace braid::rpc

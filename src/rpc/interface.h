// What an RPC interface is to the runtime: an id and a table of operations.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "rpc/caller_info.h"
#include "rpc/directory.h"
#include "rpc/fault_status.h"
#include "rpc/handle_table.h"
#include "rpc/pdu.h"
#include "wire/ndr/ndr_reader.h"
#include "wire/ndr/ndr_writer.h"

namespace braid::rpc {

// One call being carried out. Lives on the stack of the pipe's write().
struct Call {
  const CallerInfo& caller;
  const Directory& directory;
  HandleTable& handles;
  wire::NdrReader in;
  wire::NdrWriter out;

  // Writes the call's return value, and says that it was carried out.
  FaultStatus finish(uint32_t return_value) {
    out.u32(return_value);
    return FaultStatus::kNone;
  }
  FaultStatus finish(NtStatus status) { return finish(static_cast<uint32_t>(status)); }
};

// Reads the parameters in IDL order from `in`, writes the results to `out`. With a fault, what was
// written is dropped. Must not block: see directory.h.
using Handler = FaultStatus (*)(Call&);

struct Operation {
  uint16_t opnum;
  Handler handler;
};

// Operations by opnum upward; an opnum not in the table is answered with kOperationRangeError, as
// one that the interface does not have.
struct Interface {
  std::string_view pipe_name;  // "srvsvc"
  SyntaxId syntax;
  std::span<const Operation> operations;
  bool anonymous_allowed;
};

const Interface& srvsvc_interface();
const Interface& wkssvc_interface();
const Interface& lsarpc_interface();
const Interface& samr_interface();

}  // namespace braid::rpc

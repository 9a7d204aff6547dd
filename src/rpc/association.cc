#include "rpc/association.h"

#include <algorithm>
#include <string>
#include <utility>

namespace braid::rpc {
namespace {

constexpr uint16_t kNakAuthTypeNotRecognized = 8;
// Any number but 0: associations of one group would share handles, and ours share nothing.
constexpr uint32_t kAssociationGroup = 0x53f0;

}  // namespace

Result<void> Association::receive(const CallerInfo& caller, ByteView bytes) {
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  size_t done = 0;
  while (input_.size() - done >= PduHeader::kSize) {
    const ByteView left = ByteView(input_).subspan(done);
    wire::Reader r(left);
    BRAID_TRY(const PduHeader header, PduHeader::decode(r));
    if (left.size() < header.frag_length) break;
    BRAID_CHECK(process(caller, left.first(header.frag_length)));
    done += header.frag_length;
  }
  // No more stays than the start of a PDU, however much came.
  if (done > 0) input_ = Bytes(input_.begin() + static_cast<ptrdiff_t>(done), input_.end());
  return {};
}

Result<void> Association::process(const CallerInfo& caller, ByteView fragment) {
  wire::Reader header_reader(fragment);
  BRAID_TRY(const PduHeader header, PduHeader::decode(header_reader));
  const size_t verifier = header.auth_length == 0 ? 0 : header.auth_length + kAuthTrailerSize;
  wire::Reader r(fragment.first(fragment.size() - verifier), PduHeader::kSize);
  switch (header.type) {
    case PduType::kBind:
    case PduType::kAlterContext:
      return bind(header, r);
    case PduType::kRequest:
      return request(caller, header, r);
    case PduType::kCoCancel:
      return {};  // a call is over before its cancel can be read
    case PduType::kOrphaned:
      pending_.reset();
      return {};
    default:
      return fail(Error::unsupported());
  }
}

Result<void> Association::bind(const PduHeader& header, wire::Reader& r) {
  const bool first = header.type == PduType::kBind;
  if (first == bound_) return fail(Error::malformed());  // bind comes once, alter_context after it
  if (header.auth_length != 0) {
    if (!first) return fail(Error::unsupported());
    send(encode_bind_nak(header.call_id, kNakAuthTypeNotRecognized));
    return {};
  }
  BRAID_TRY(const BindBody body, BindBody::decode(r));
  BindAckBody ack;
  for (const PresentationContext& context : body.contexts)
    ack.answers.push_back(negotiate(context));
  if (first) {
    max_xmit_frag_ = std::clamp(body.max_recv_frag, kFragmentSizeMin, kFragmentSize);
    ack.secondary_address = "\\PIPE\\" + std::string(interface_.pipe_name);
    bound_ = true;
  }
  ack.max_xmit_frag = max_xmit_frag_;
  ack.max_recv_frag = std::clamp(body.max_xmit_frag, kFragmentSizeMin, kFragmentSize);
  ack.assoc_group_id = body.assoc_group_id != 0 ? body.assoc_group_id : kAssociationGroup;
  send(encode_bind_ack(first ? PduType::kBindAck : PduType::kAlterContextResponse, header.call_id,
                       ack));
  return {};
}

ContextAnswer Association::negotiate(const PresentationContext& context) {
  ContextAnswer answer;
  const auto& syntaxes = context.transfer_syntaxes;
  if (syntaxes.size() == 1 && is_feature_negotiation(syntaxes.front())) {
    // The reason field is a bitmask here: none of the features.
    answer.result = ContextResult::kNegotiateAck;
    return answer;
  }
  answer.result = ContextResult::kProviderRejection;
  const uint32_t minor = context.abstract_syntax.version >> 16;
  if (context.abstract_syntax.uuid != interface_.syntax.uuid ||
      (context.abstract_syntax.version & 0xffff) != interface_.syntax.version || minor != 0) {
    answer.reason = RejectReason::kAbstractSyntaxNotSupported;
  } else if (std::find(syntaxes.begin(), syntaxes.end(), kNdrSyntax) == syntaxes.end()) {
    answer.reason = RejectReason::kTransferSyntaxesNotSupported;
  } else if (!contexts_.contains(context.id) && contexts_.size() >= kContextsMax) {
    answer.reason = RejectReason::kLocalLimitExceeded;
  } else {
    answer.result = ContextResult::kAcceptance;
    answer.transfer_syntax = kNdrSyntax;
    contexts_.insert(context.id);
  }
  return answer;
}

Result<void> Association::request(const CallerInfo& caller, const PduHeader& header,
                                  wire::Reader& r) {
  if (!bound_) return fail(Error::malformed());
  BRAID_TRY(const RequestBody body, RequestBody::decode(r, header.flags));
  const ByteView stub = r.rest();
  if (header.flags & pfc::kFirstFragment) {
    // One call at a time: no client interleaves them on a pipe, and we did not offer it.
    if (pending_) return fail(Error::malformed());
    pending_ = Pending{header.call_id, body, {}};
  } else if (!pending_ || pending_->call_id != header.call_id) {
    return fail(Error::malformed());
  }
  if (stub.size() > kStubSizeMax - pending_->stub.size()) return fail(Error::malformed());
  pending_->stub.insert(pending_->stub.end(), stub.begin(), stub.end());
  if (header.flags & pfc::kLastFragment) {
    const Pending complete = *std::exchange(pending_, std::nullopt);
    carry_out(caller, complete);
  }
  return {};
}

void Association::carry_out(const CallerInfo& caller, const Pending& pending) {
  const uint16_t context_id = pending.body.context_id;
  Bytes stub;
  const FaultStatus fault =
      queued_size_ > kQueuedMax ? FaultStatus::kOutOfMemory : dispatch(caller, pending, stub);
  if (fault != FaultStatus::kNone) {
    const bool not_executed =
        fault == FaultStatus::kUnknownInterface || fault == FaultStatus::kOperationRangeError;
    send(encode_fault(pending.call_id, context_id, static_cast<uint32_t>(fault),
                      not_executed ? pfc::kDidNotExecute : 0));
    return;
  }
  const size_t room = (max_xmit_frag_ - kResponseOverhead) / 8 * 8;
  size_t sent = 0;
  do {
    const size_t size = std::min(room, stub.size() - sent);
    uint8_t flags = 0;
    if (sent == 0) flags |= pfc::kFirstFragment;
    if (sent + size == stub.size()) flags |= pfc::kLastFragment;
    send(encode_response(pending.call_id, context_id, flags,
                         static_cast<uint32_t>(stub.size() - sent),
                         ByteView(stub).subspan(sent, size)));
    sent += size;
  } while (sent < stub.size());
}

FaultStatus Association::dispatch(const CallerInfo& caller, const Pending& pending, Bytes& out) {
  if (!contexts_.contains(pending.body.context_id)) return FaultStatus::kUnknownInterface;
  const auto it = std::find_if(
      interface_.operations.begin(), interface_.operations.end(),
      [&](const Operation& operation) { return operation.opnum == pending.body.opnum; });
  if (it == interface_.operations.end()) return FaultStatus::kOperationRangeError;
  Call call{caller, directory_, handles_, wire::NdrReader(pending.stub), wire::NdrWriter(out)};
  return it->handler(call);
}

void Association::send(Bytes pdu) {
  queued_size_ += pdu.size();
  answers_.push_back(std::move(pdu));
}

}  // namespace braid::rpc

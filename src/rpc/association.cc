#include "rpc/association.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rpc/verification_trailer.h"

namespace braid::rpc {
namespace {

constexpr uint16_t kNakLocalLimitExceeded = 2;
constexpr uint16_t kNakVersionNotSupported = 4;
constexpr uint16_t kNakAuthTypeNotRecognized = 8;
constexpr uint16_t kNakInvalidChecksum = 9;
// Any number but 0: associations of one group would share handles, and ours share nothing.
constexpr uint32_t kAssociationGroup = 0x53f0;
constexpr uint8_t kFeatures =
    features::kSecurityContextMultiplexing | features::kKeepConnectionOnOrphan;
// Of what stands in front of a trailer that is no request's or response's.
constexpr size_t kBindAlignment = 4;

Bytes copy_of(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

Result<void> Association::receive(const CallerInfo& caller, ByteView bytes) {
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  return work(caller);
}

Result<void> Association::work(const CallerInfo& caller) {
  size_t done = 0;
  size_t pdus = 0;
  has_more_ = false;
  while (!leg_ && input_.size() - done >= PduHeader::kSize) {
    has_more_ = pdus++ >= pdus_at_once_;
    if (has_more_) break;
    const MutableByteView left = MutableByteView(input_).subspan(done);
    wire::Reader r(left);
    const auto decoded = PduHeader::decode(r);
    if (!decoded) return refuse_header(left, decoded.error());
    const PduHeader& header = *decoded;
    if (left.size() < header.frag_length) break;
    BRAID_CHECK(process(caller, left.first(header.frag_length)));
    done += header.frag_length;
  }
  // No more stays than the start of a PDU, however much came, and what is behind a logon.
  if (done > 0) input_ = Bytes(input_.begin() + static_cast<ptrdiff_t>(done), input_.end());
  return {};
}

// [C706] 12.6.4.5 "The bind_nak PDU": a client of another version is told ours.
Result<void> Association::refuse_header(ByteView header, Error error) {
  wire::Reader r(header);
  const uint8_t version = r.u8();
  const uint8_t minor_version = r.u8();
  const bool is_bind = r.as<PduType>() == PduType::kBind;
  const bool is_version = version == kRpcVersion && minor_version <= kRpcMinorVersionMax;
  if (!bound_ && is_bind && !is_version) {
    r.skip(1);
    const bool is_big = r.u8() == 0;
    r.skip(PduHeader::kSize - 5 - 4);
    send(encode_bind_nak(is_big ? r.u32_be() : r.u32(), kNakVersionNotSupported));
  }
  return fail(error);
}

Result<void> Association::process(const CallerInfo& caller, MutableByteView fragment) {
  wire::Reader header_reader(fragment);
  BRAID_TRY(const PduHeader header, PduHeader::decode(header_reader));
  switch (header.type) {
    case PduType::kBind:
    case PduType::kAlterContext:
      return bind(header, fragment);
    case PduType::kAuth3:
      return auth3(header, fragment);
    case PduType::kRequest:
      return request(caller, header, fragment);
    case PduType::kCoCancel:
      cancel(header.call_id, true);
      return {};
    case PduType::kOrphaned:
      if (pending_ && pending_->call_id == header.call_id) pending_.reset();
      cancel(header.call_id, false);
      return {};
    default:
      return fail(Error::unsupported());
  }
}

Result<void> Association::bind(const PduHeader& header, ByteView fragment) {
  const bool first = header.type == PduType::kBind;
  if (first == bound_) return fail(Error::malformed());  // bind comes once, alter_context after it
  DrepReader r(wire::Reader(fragment.first(header.body_end()), PduHeader::kSize), header.order);
  BRAID_TRY(BindBody body, BindBody::decode(r));
  if (header.auth_length == 0) return acknowledge(header, body, {}, {});
  DrepReader verifier(wire::Reader(fragment, header.body_end()), header.order);
  const SecTrailer trailer = SecTrailer::decode(verifier);
  return take_leg({.header = header,
                   .trailer = trailer,
                   .body = std::move(body),
                   .token = copy_of(verifier.rest()),
                   .context = nullptr});
}

// [MS-RPCE] 2.2.2.10 "rpc_auth_3 PDU": the last leg, which is not answered.
Result<void> Association::auth3(const PduHeader& header, ByteView fragment) {
  if (!bound_ || header.auth_length == 0) return fail(Error::malformed());
  DrepReader verifier(wire::Reader(fragment, header.body_end()), header.order);
  const SecTrailer trailer = SecTrailer::decode(verifier);
  return take_leg({.header = header,
                   .trailer = trailer,
                   .body = {},
                   .token = copy_of(verifier.rest()),
                   .context = nullptr});
}

Result<void> Association::take_leg(Leg leg) {
  const PduHeader& header = leg.header;
  if (!security_.recognizes(leg.trailer)) {
    if (header.type == PduType::kBind) {
      send(encode_bind_nak(header.call_id, kNakAuthTypeNotRecognized));
    } else {
      fault(header.call_id, 0, FaultStatus::kAccessDenied);
    }
    return {};
  }
  const auto context = security_.begin_leg(leg.trailer, leg.token, header.type);
  if (context) {
    leg.context = *context;
    leg_ = std::move(leg);
    return {};
  }
  if (context.error() == Error::malformed()) {
    return end(header.call_id, 0, FaultStatus::kProtocolError);
  }
  if (header.type == PduType::kBind) {
    send(encode_bind_nak(header.call_id, kNakInvalidChecksum));
  } else {
    const bool too_many = context.error() == Error(NtStatus::kInsufficientResources);
    fault(header.call_id, 0,
          too_many ? FaultStatus::kInternalProtocolError : FaultStatus::kAccessDenied);
  }
  return {};
}

std::optional<PipeLogon> Association::logon_due() const {
  if (!leg_) return std::nullopt;
  return PipeLogon{*leg_->context->exchange, leg_->token};
}

Result<void> Association::logged_on(const CallerInfo& caller, const Result<auth::AuthStep>& step) {
  const Leg leg = *std::exchange(leg_, std::nullopt);
  auto ended = security_.end_leg(*leg.context, step, caller.client_address);
  // Nothing but the last leg goes without an answer.
  if (leg.header.type == PduType::kAuth3 && step && !step->done) {
    ended = security_.end_leg(*leg.context, fail(NtStatus::kLogonFailure), caller.client_address);
  }
  switch (leg.header.type) {
    case PduType::kBind:
      if (!ended) {
        security_.erase(leg.trailer.context_id);
        send(encode_bind_nak(leg.header.call_id, kNakInvalidChecksum));
        break;
      }
      BRAID_CHECK(acknowledge(leg.header, leg.body, leg.trailer, step->reply_token));
      break;
    case PduType::kAlterContext:
      if (ended) {
        BRAID_CHECK(acknowledge(leg.header, leg.body, leg.trailer, step->reply_token));
      } else {
        fault(leg.header.call_id, 0, FaultStatus::kAccessDenied);
      }
      break;
    default:
      break;  // the requests that follow an rpc_auth_3 hear of it
  }
  return work(caller);
}

Result<void> Association::acknowledge(const PduHeader& header, const BindBody& body,
                                      const SecTrailer& trailer, ByteView token) {
  const bool first = header.type == PduType::kBind;
  BindAckBody ack;
  for (const PresentationContext& context : body.contexts)
    ack.answers.push_back(negotiate(context));
  if (first) {
    max_xmit_frag_ = std::clamp(body.max_recv_frag, kFragmentSizeMin, kFragmentSize);
    ack.secondary_address =
        server_port_.empty() ? "\\PIPE\\" + std::string(interface_.pipe_name) : server_port_;
    bound_ = true;
  }
  ack.max_xmit_frag = max_xmit_frag_;
  ack.max_recv_frag = std::clamp(body.max_xmit_frag, kFragmentSizeMin, kFragmentSize);
  ack.assoc_group_id = body.assoc_group_id != 0 ? body.assoc_group_id : kAssociationGroup;
  uint8_t flags = header.flags & pfc::kConcurrentMultiplexing;
  if (header.auth_length != 0 && (header.flags & pfc::kSupportHeaderSign) != 0) {
    security_.client_signs_headers();
    flags |= pfc::kSupportHeaderSign;
  }
  Bytes pdu = encode_bind_ack(first ? PduType::kBindAck : PduType::kAlterContextResponse, flags,
                              header.call_id, ack);
  if (!token.empty()) {
    append_sec_trailer(pdu, PduHeader::kSize, kBindAlignment, trailer, token.size());
    pdu.insert(pdu.end(), token.begin(), token.end());
  }
  // It cannot be fragmented. Who asks for so many contexts gets none, and the conversation ends.
  if (pdu.size() > max_xmit_frag_) {
    if (!first) return end(header.call_id, 0, FaultStatus::kProtocolError);
    send(encode_bind_nak(header.call_id, kNakLocalLimitExceeded));
    return fail(Error::malformed());
  }
  send(std::move(pdu));
  return {};
}

ContextAnswer Association::negotiate(const PresentationContext& context) {
  ContextAnswer answer;
  const auto& syntaxes = context.transfer_syntaxes;
  if (syntaxes.size() == 1 && is_feature_negotiation(syntaxes.front())) {
    // The reason field is a bitmask here.
    answer.result = ContextResult::kNegotiateAck;
    answer.reason = static_cast<RejectReason>(offered_features(syntaxes.front()) & kFeatures);
    return answer;
  }
  answer.result = ContextResult::kProviderRejection;
  const SyntaxId& wanted = context.abstract_syntax;
  const SyntaxId& served = interface_.syntax;
  if (wanted.uuid != served.uuid || (wanted.version & 0xffff) != (served.version & 0xffff) ||
      wanted.version >> 16 > served.version >> 16) {
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
                                  MutableByteView fragment) {
  if (!bound_) return fail(Error::malformed());
  DrepReader r(wire::Reader(fragment.first(header.body_end()), PduHeader::kSize), header.order);
  BRAID_TRY(const RequestBody body, RequestBody::decode(r, header.flags));
  const auto refuse = [&](FaultStatus status) {
    return end(header.call_id, body.context_id, status);
  };
  std::optional<SecTrailer> trailer;
  if (header.auth_length != 0) {
    DrepReader at_trailer(wire::Reader(fragment, header.body_end()), header.order);
    trailer = SecTrailer::decode(at_trailer);
  }
  const auto security = security_.of_request(trailer);
  if (!security) return refuse(FaultStatus::kAccessDenied);
  const size_t body_offset = r.position();
  ByteView stub = r.rest();
  if (*security && trailer) {
    const auto readable = security_.unprotect(**security, header, fragment, body_offset);
    if (!readable) return refuse(FaultStatus::kSecurityPackageError);
    stub = *readable;
  }

  if (header.flags & pfc::kFirstFragment) {
    // [MS-RPCE] 3.3.1.5.8: whoever has several calls under way sends one whole before the next.
    if (pending_) return refuse(FaultStatus::kProtocolError);
    pending_ = Pending{header.call_id, header.order, body, *security, {}};
    current_call_id_ = header.call_id;
  } else if (!pending_ && current_call_id_ && *current_call_id_ - header.call_id < kOldCalls) {
    return {};  // of a call that was given up or refused
  } else if (!pending_ || pending_->call_id != header.call_id || pending_->order != header.order ||
             pending_->security != *security) {
    return refuse(FaultStatus::kProtocolError);
  }
  if (stub.size() > kStubSizeMax - pending_->stub.size()) {
    return refuse(FaultStatus::kAccessDenied);  // [MS-RPCE] 3.3.3.5.4
  }
  pending_->stub.insert(pending_->stub.end(), stub.begin(), stub.end());
  if (header.flags & pfc::kLastFragment) {
    const Pending complete = *std::exchange(pending_, std::nullopt);
    return carry_out(*security ? *(*security)->caller : caller, complete);
  }
  return {};
}

Result<void> Association::carry_out(const CallerInfo& caller, const Pending& pending) {
  if (pending.security && pending.security->messages) {
    const auto verified = check_verification_trailer(
        pending.stub, {.call_id = pending.call_id,
                       .context_id = pending.body.context_id,
                       .opnum = pending.body.opnum,
                       .drep = pending.order == wire::ByteOrder::kBig ? 0u : kLittleEndianDrep,
                       .abstract_syntax = interface_.syntax,
                       .transfer_syntax = kNdrSyntax,
                       .header_signing = security_.header_signing()});
    if (!verified) return end(pending.call_id, pending.body.context_id, FaultStatus::kAccessDenied);
  }
  Bytes stub;
  const FaultStatus status =
      queued_size_ > kQueuedMax ? FaultStatus::kOutOfMemory : dispatch(caller, pending, stub);
  if (status == FaultStatus::kWaits) return {};
  if (status == FaultStatus::kNone) return respond(pending, stub);
  fault(pending.call_id, pending.body.context_id, status);
  return {};
}

Result<void> Association::respond(const Pending& pending, ByteView stub) {
  SecurityContext* const security =
      pending.security ? security_.find(pending.security->how.context_id) : nullptr;
  const bool is_protected = security && security->messages;
  size_t room = max_xmit_frag_ - kResponseOverhead;
  if (is_protected) {
    BRAID_TRY(const size_t overhead, security_.overhead(*security));
    if (overhead > room / 2) return fail(NtStatus::kInternalError);
    room -= overhead;
  }
  room = room / 8 * 8;
  size_t sent = 0;
  do {
    const size_t size = std::min(room, stub.size() - sent);
    uint8_t flags = 0;
    if (sent == 0) flags |= pfc::kFirstFragment;
    if (sent + size == stub.size()) flags |= pfc::kLastFragment;
    Bytes pdu =
        encode_response(pending.call_id, pending.body.context_id, flags,
                        static_cast<uint32_t>(stub.size() - sent), stub.subspan(sent, size));
    if (is_protected) BRAID_CHECK(security_.protect(*security, pdu, kResponseOverhead));
    send(std::move(pdu));
    sent += size;
  } while (sent < stub.size());
  return {};
}

FaultStatus Association::dispatch(const CallerInfo& caller, const Pending& pending, Bytes& out) {
  if (!contexts_.contains(pending.body.context_id)) return FaultStatus::kUnknownInterface;
  // Who logged on within the pipe is not who opened it.
  if (caller.has_no_account() && !interface_.anonymous_allowed) return FaultStatus::kAccessDenied;
  const auto it = std::find_if(
      interface_.operations.begin(), interface_.operations.end(),
      [&](const Operation& operation) { return operation.opnum == pending.body.opnum; });
  if (it == interface_.operations.end()) return FaultStatus::kOperationRangeError;
  if (waiting_.size() >= kWaitingMax) return FaultStatus::kOutOfMemory;
  Call call{.caller = caller,
            .directory = directory_,
            .handles = handles_,
            .in = wire::NdrReader(pending.stub, pending.order),
            .out = wire::NdrWriter(out),
            .witness = witness_,
            .security = pending.security ? &pending.security->how : nullptr,
            .token = {number_, next_call_++},
            .endpoints = endpoints_,
            .server_address = server_address_};
  const FaultStatus status = it->handler(call);
  if (status == FaultStatus::kWaits) {
    waiting_.emplace(
        call.token.number,
        WaitingCall{{pending.call_id, pending.order, pending.body, pending.security, {}},
                    std::move(call.on_abandoned)});
    waiting_ids_.emplace(pending.call_id, call.token.number);
  }
  return status;
}

Result<void> Association::complete(uint64_t call_number, FaultStatus status, ByteView stub) {
  const auto found = waiting_.find(call_number);
  if (found == waiting_.end()) return {};
  const Pending pending = std::move(found->second.pending);
  waiting_.erase(found);
  waiting_ids_.erase({pending.call_id, call_number});
  if (status == FaultStatus::kNone) return respond(pending, stub);
  fault(pending.call_id, pending.body.context_id, status);
  return {};
}

// A call that does not wait is over before its cancel can be read.
void Association::cancel(uint32_t call_id, bool is_answered) {
  const auto id = waiting_ids_.lower_bound({call_id, 0});
  if (id == waiting_ids_.end() || id->first != call_id) return;
  const auto found = waiting_.find(id->second);
  waiting_ids_.erase(id);
  WaitingCall call = std::move(found->second);
  waiting_.erase(found);
  call.abandoned();
  if (is_answered) fault(call_id, call.pending.body.context_id, FaultStatus::kCancelled);
}

void Association::abandon_calls() {
  waiting_ids_.clear();
  for (auto& [number, call] : std::exchange(waiting_, {})) call.abandoned();
}

Association::~Association() { abandon_calls(); }

void Association::fault(uint32_t call_id, uint16_t context_id, FaultStatus status) {
  const bool not_executed =
      status == FaultStatus::kUnknownInterface || status == FaultStatus::kOperationRangeError;
  send(encode_fault(call_id, context_id, static_cast<uint32_t>(status),
                    not_executed ? pfc::kDidNotExecute : 0));
}

std::unexpected<Error> Association::end(uint32_t call_id, uint16_t context_id, FaultStatus status) {
  fault(call_id, context_id, status);
  return fail(Error::malformed());
}

void Association::send(Bytes pdu) {
  queued_size_ += pdu.size();
  answers_.push_back(std::move(pdu));
}

}  // namespace braid::rpc

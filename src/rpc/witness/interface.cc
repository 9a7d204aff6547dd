#include "rpc/interface.h"

#include "base/log.h"
#include "rpc/witness/service.h"

namespace braid::rpc {
namespace witness {
namespace {

constexpr uint32_t kIpNotification = 0x1;  // WITNESS_REGISTER_IP_NOTIFICATION

// [MS-SWN] 3.1.4: what callers have to prove. Nothing wrong: kSuccess.
uint32_t check_caller(const Call& call) {
  if (call.security == nullptr) return error::kNotAuthenticated;
  const bool is_enough = call.security->level >= AuthLevel::kIntegrity && !call.caller.is_anonymous;
  return is_enough ? error::kSuccess : error::kAccessDenied;
}

FaultStatus answer(Call& call, const Completion& completion) {
  call.out.bytes(completion.encode());
  return FaultStatus::kNone;
}

FaultStatus wait(Call& call) {
  Service& service = *call.witness;
  const CallToken token = call.token;
  return call.wait([&service, token] { service.forget_call(token); });
}

// [MS-SWN] 3.1.4.1 "WitnessrGetInterfaceList (Opnum 0)".
FaultStatus get_interface_list(Call& call) {
  if (const uint32_t denied = check_caller(call)) return answer(call, {call.token, denied});
  const auto list = call.witness->interface_list(call.token, IpAddress::parse(call.server_address));
  return list ? answer(call, *list) : wait(call);
}

FaultStatus finish_register(Call& call, RegisterRequest request) {
  std::pair<uint32_t, Handle> registered{check_caller(call), {}};
  if (registered.first == error::kSuccess) {
    registered = call.witness->register_client(
        std::move(request), call.token.association,
        {call.caller.sid.to_string(), call.caller.account_name, call.caller.client_address});
  }
  if (registered.first == error::kNoSystemResources) {
    log::warn(
        "{}: '{}' cannot register with Witness: a user may have {} registrations, and all "
        "together {}; braidctl witness list shows them, braidctl witness end ends some",
        call.caller.client_address, call.caller.account_name, Registry::kPerUserMax,
        Registry::kRegistrationsMax);
  }
  call.out.context_handle(registered.second);
  return call.finish(registered.first);
}

// [MS-SWN] 3.1.4.2 "WitnessrRegister (Opnum 1)".
FaultStatus register_1(Call& call) {
  RegisterRequest request;
  request.version = call.in.u32();
  request.net_name = call.in.unique_wide_string();
  request.ip_address = call.in.unique_wide_string();
  request.client_name = call.in.unique_wide_string();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (request.version != RegisterRequest::kVersion1) {
    call.out.context_handle({});
    return call.finish(error::kRevisionMismatch);
  }
  return finish_register(call, std::move(request));
}

// [MS-SWN] 3.1.4.5 "WitnessrRegisterEx (Opnum 4)". No share here is STYPE_CLUSTER_SOFS, so the
// share's name is not compared with those there are.
FaultStatus register_ex(Call& call) {
  RegisterRequest request;
  request.version = call.in.u32();
  request.net_name = call.in.unique_wide_string();
  request.share_name = call.in.unique_wide_string();
  request.ip_address = call.in.unique_wide_string();
  request.client_name = call.in.unique_wide_string();
  const uint32_t flags = call.in.u32();
  request.keep_alive_s = call.in.u32();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  request.wants_ip_changes = (flags & kIpNotification) != 0;
  if (request.version != RegisterRequest::kVersion2) {
    call.out.context_handle({});
    return call.finish(error::kRevisionMismatch);
  }
  return finish_register(call, std::move(request));
}

uint32_t unregister_handle(Call& call, const Handle& handle) {
  if (const uint32_t denied = check_caller(call)) return denied;
  return call.witness->unregister(handle, call.token.association);
}

// [MS-SWN] 3.1.4.3 "WitnessrUnRegister (Opnum 2)".
FaultStatus unregister_1(Call& call) {
  const Handle handle = call.in.context_handle();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  return call.finish(unregister_handle(call, handle));
}

// [MS-SWN] 3.1.4.6 "WitnessrUnRegisterEx (Opnum 5)".
FaultStatus unregister_ex(Call& call) {
  const Handle handle = call.in.context_handle();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  const uint32_t result = unregister_handle(call, handle);
  call.out.context_handle(result == error::kSuccess ? Handle{} : handle);
  return call.finish(result);
}

// [MS-SWN] 3.1.4.4 "WitnessrAsyncNotify (Opnum 3)".
FaultStatus async_notify(Call& call) {
  const Handle handle = call.in.context_handle();
  if (!call.in.ok()) return FaultStatus::kBadStubData;
  if (const uint32_t denied = check_caller(call)) return answer(call, {call.token, denied});
  const auto notice = call.witness->async_notify(handle, call.token);
  return notice ? answer(call, *notice) : wait(call);
}

constexpr Operation kOperations[] = {{0, get_interface_list}, {1, register_1},  {2, unregister_1},
                                     {3, async_notify},       {4, register_ex}, {5, unregister_ex}};

// ccd8c074-d0e5-4a40-92b4-d074faa6ba28 version 1.1: [MS-SWN] 1.9 "Standards Assignments".
constexpr rpc::Interface kInterface{"witness",
                                    {{{0x74, 0xc0, 0xd8, 0xcc, 0xe5, 0xd0, 0x40, 0x4a, 0x92, 0xb4,
                                       0xd0, 0x74, 0xfa, 0xa6, 0xba, 0x28}},
                                     0x00010001},
                                    kOperations,
                                    // Each call says itself what is wrong with its caller.
                                    true};

}  // namespace
}  // namespace witness

const Interface& witness_interface() { return witness::kInterface; }

}  // namespace braid::rpc

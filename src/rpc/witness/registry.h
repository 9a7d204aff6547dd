// Registry: who has registered with this witness, and what they have not been told yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rpc/call_token.h"
#include "rpc/witness/notice.h"
#include "wire/ndr/ndr_reader.h"

namespace braid::rpc::witness {

using TimePoint = std::chrono::steady_clock::time_point;
using Handle = wire::NdrContextHandle;

// What calls return: [MS-SWN] 3.1.4, from [MS-ERREF] 2.2 "Win32 Error Codes".
namespace error {
inline constexpr uint32_t kSuccess = 0;
inline constexpr uint32_t kAccessDenied = 5;
inline constexpr uint32_t kInvalidParameter = 87;
inline constexpr uint32_t kNoMoreItems = 0x103;
inline constexpr uint32_t kNotFound = 0x490;
inline constexpr uint32_t kRevisionMismatch = 0x51A;
inline constexpr uint32_t kNoSystemResources = 0x5AA;
inline constexpr uint32_t kTimeout = 0x5B4;
inline constexpr uint32_t kInvalidState = 0x139F;
inline constexpr uint32_t kNotAuthenticated = 0x4DC;
}  // namespace error

// [MS-SWN] 3.1.4.2 "WitnessrRegister (Opnum 1)" and 3.1.4.5 "WitnessrRegisterEx (Opnum 4)".
struct RegisterRequest {
  static constexpr uint32_t kVersion1 = 0x00010001;
  static constexpr uint32_t kVersion2 = 0x00020000;

  uint32_t version = kVersion1;
  std::optional<std::string> net_name;
  std::optional<std::string> share_name;
  std::optional<std::string> ip_address;
  std::optional<std::string> client_name;
  bool wants_ip_changes = false;  // WITNESS_REGISTER_IP_NOTIFICATION
  uint32_t keep_alive_s = 0;      // of version 2
};

// Who registers.
struct Registrant {
  std::string sid;      // whose kPerUserMax it is of
  std::string account;  // this and the next are for administrators
  std::string address;
};

// Why clients are not sent to where an administrator wants them.
enum class Refusal : uint8_t {
  kUnknown,      // not among the interfaces, or neither an address nor a group of them
  kUnavailable,  // there is none that can be used now
  kUnusable,     // an address of one machine, of one link, or of many machines
};

// What they may be sent to.
enum class Reach : uint8_t {
  kInterfaces,  // what this witness knows
  kAnywhere,    // other addresses, too
};

// A call that waited and is over.
struct Completion {
  CallToken call;
  uint32_t result = error::kSuccess;
  // With kSuccess, of WitnessrAsyncNotify and of WitnessrGetInterfaceList.
  std::optional<Notice> notice = std::nullopt;
  std::optional<std::vector<Interface>> interfaces = std::nullopt;

  // The results of the call, to its return value.
  Bytes encode() const;
};
using Completions = std::vector<Completion>;

// [MS-SWN] 3.1.1 "Abstract Data Model" and what changes it. Pure: time comes with each event, and
// who waits is told by what the event returns. Notices that nobody waits for are kept and merged;
// of each kind a registration keeps what still matters, so their number is bounded by that of the
// interfaces. Thread: one at a time.
class Registry {
 public:
  // Each keeps some hundred bytes. Of one conversation: a client has one for each share it uses.
  static constexpr size_t kRegistrationsMax = 65'536;
  static constexpr size_t kPerUserMax = 16'384;  // over all associations
  static constexpr size_t kNameMax = 260;        // bytes of each name
  // [MS-SWN] 3.1.5.1: Windows' time-out for who does not ask.
  static constexpr std::chrono::seconds kUnusedTime{30};
  static constexpr std::chrono::seconds kKeepAliveMax{24 * 3600};

  // ServerGlobalName: the names clients may know the server by, without regard to case.
  // So is an address among the interfaces, for clients that name the server by that.
  explicit Registry(std::vector<std::string> server_names);

  const std::vector<Interface>& interfaces() const { return interfaces_; }
  // 3.1.4.1 "WitnessrGetInterfaceList (Opnum 0)". Nothing: there are interfaces and none is
  // available, so the call waits until one is. `asked_at`: the address of ours that the call came
  // to, which the list does not name as a witness.
  std::optional<Completion> interface_list(CallToken call, std::optional<IpAddress> asked_at = {});

  // A handle, or why not. `association`: it ends with that.
  std::pair<uint32_t, Handle> register_client(RegisterRequest request, uint64_t association,
                                              Registrant registrant, TimePoint now);
  // The registration's own pending call ends with kNotFound.
  uint32_t unregister(const Handle& handle, uint64_t association, Completions& ended);
  // Its answer if there is one, or nothing when it waits: then `call` completes later. One may
  // wait for each registration.
  std::optional<Completion> async_notify(const Handle& handle, CallToken call, TimePoint now);
  // The call is not waited for any more: cancelled, or its conversation is gone.
  void forget_call(CallToken call, TimePoint now);
  // 3.1.6.5 "Transport Connection Shutdown": nobody is told, and its registrations end.
  void association_ended(uint64_t association);

  // 3.1.6.1 and 3.1.6.4: an address is there, is gone, or has changed its state.
  Completions set_interface(Interface interface, TimePoint now);
  Completions remove_interface(const IpAddress& address, TimePoint now);
  // 3.1.6.2 and 3.1.6.3: of clients of this name, or of all with an empty one. `destination`: an
  // address or an InterfaceGroupName.
  struct Moved {
    size_t registrations = 0;
    Completions completions;
  };
  using MoveResult = std::expected<Moved, Refusal>;
  MoveResult move_clients(std::string_view client_name, std::string_view destination, TimePoint now,
                          Reach reach = Reach::kInterfaces);
  // Of clients that registered for this address, to all others that are available.
  MoveResult move_away(const IpAddress& address, TimePoint now);
  // The same for all addresses of this InterfaceGroupName: a machine that is to be empty.
  MoveResult move_group_away(std::string_view group_name, TimePoint now);
  MoveResult move_share(std::string_view client_name, std::string_view share_name,
                        std::string_view destination, TimePoint now,
                        Reach reach = Reach::kInterfaces);

  // When expire() has something to do at the earliest.
  std::optional<TimePoint> next_deadline() const;
  // 3.1.5: registrations nobody uses end, and calls that waited for as long as their client wanted.
  Completions expire(TimePoint now);

  // For administrators.
  struct Entry {
    Handle handle;
    RegisterRequest request;
    Registrant registrant;
    uint64_t association;
    bool is_waiting;
    size_t pending;  // notices that it has not been told
  };
  std::vector<Entry> entries() const;
  size_t size() const { return registrations_.size(); }
  size_t size_of(uint64_t association) const {
    const auto found = per_association_.find(association);
    return found == per_association_.end() ? 0 : found->second.size();
  }

 private:
  struct Registration {
    RegisterRequest request;
    std::optional<IpAddress> address;  // its ip_address, if it is one
    uint64_t association = 0;
    Registrant registrant;
    std::optional<CallToken> waiting;
    TimePoint deadline;
    std::deque<ResourceChange> changes;
    std::vector<AddressState> move;  // where to; empty: none
    std::vector<AddressState> share_move;
    std::map<IpAddress, State> ip_changes;
  };
  using Registrations = std::map<Handle, Registration>;

  bool is_any_available() const;
  bool is_ours(const std::optional<std::string>& net_name) const;
  std::vector<Interface> interfaces_for(const std::optional<IpAddress>& asked_at) const;
  static bool has_pending(const Registration& registration);
  std::expected<std::vector<AddressState>, Refusal> destination_of(std::string_view name,
                                                                   Reach reach) const;
  Notice take_notice(Registration& registration);
  void set_deadline(const Handle& handle, Registration& registration, TimePoint deadline);
  // What it waits for, if something is pending now.
  void deliver(const Handle& handle, Registration& registration, TimePoint now,
               Completions& completions);
  void tell_change(const Interface& interface, TimePoint now, Completions& completions);
  void erase(Registrations::iterator entry);

  const std::vector<std::string> server_names_;
  std::vector<Interface> interfaces_;
  std::map<CallToken, std::optional<IpAddress>> list_waits_;  // and where it asked
  Registrations registrations_;
  std::map<uint64_t, std::set<Handle>> per_association_;
  std::map<std::string, size_t> per_user_;
  std::map<CallToken, Handle> waiting_;
  std::set<std::pair<TimePoint, Handle>> deadlines_;
};

}  // namespace braid::rpc::witness

// Events of a witness: each three bytes, what, of whom, and where. Completions are encoded, and
// nothing is told twice or to a call that does not wait.
#include <cstdint>
#include <cstdlib>
#include <set>

#include "rpc/witness/registry.h"

using namespace braid;
using namespace braid::rpc;
using namespace braid::rpc::witness;

namespace {

struct World {
  Registry registry{{"fs"}};
  std::vector<Handle> handles;
  std::set<CallToken> waiting;
  uint64_t calls = 0;
  TimePoint now{std::chrono::seconds(1)};

  void told(const Completions& completions) {
    for (const Completion& completion : completions) {
      if (waiting.erase(completion.call) != 1) std::abort();
      if (completion.encode().size() < 8) std::abort();
    }
  }
  Handle handle(uint8_t which) const {
    return handles.empty() ? Handle{} : handles[which % handles.size()];
  }
};

IpAddress address_of(uint8_t byte) {
  IpAddress address;
  address.is_v6 = (byte & 4) != 0;
  address.bytes[0] = byte & 3;
  return address;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  World world;
  Registry& registry = world.registry;
  for (; size >= 3; data += 3, size -= 3) {
    const uint64_t association = data[1] & 3;
    const CallToken call{association, ++world.calls};
    const std::string name(1, static_cast<char>('a' + (data[1] & 3)));
    const std::string where = address_of(data[2]).text();
    const Reach reach = data[2] & 2 ? Reach::kAnywhere : Reach::kInterfaces;
    switch (data[0] % 10) {
      case 0: {
        RegisterRequest request;
        request.version = data[2] & 1 ? RegisterRequest::kVersion2 : RegisterRequest::kVersion1;
        request.net_name = "FS";
        request.share_name = name;
        request.ip_address = where;
        request.client_name = name;
        request.wants_ip_changes = (data[2] & 8) != 0;
        request.keep_alive_s = data[2];
        const auto [error, handle] =
            registry.register_client(request, association, {name, name, where}, world.now);
        if (error == error::kSuccess) world.handles.push_back(handle);
        break;
      }
      case 1: {
        Completions ended;
        (void)registry.unregister(world.handle(data[2]), association, ended);
        world.told(ended);
        break;
      }
      case 2:
        if (const auto at_once = registry.async_notify(world.handle(data[2]), call, world.now)) {
          (void)at_once->encode();
        } else {
          world.waiting.insert(call);
        }
        break;
      case 3:
        if (const auto at_once = registry.interface_list(call)) {
          (void)at_once->encode();
        } else {
          world.waiting.insert(call);
        }
        break;
      case 4: {
        const State state = data[1] & 16 ? State::kUnavailable : State::kAvailable;
        world.told(registry.set_interface({name, state, address_of(data[2]), false}, world.now));
        break;
      }
      case 5:
        world.told(registry.remove_interface(address_of(data[2]), world.now));
        break;
      case 6:
        if (const auto moved = registry.move_clients(name, where, world.now, reach)) {
          world.told(moved->completions);
        }
        break;
      case 7:
        if (const auto moved =
                registry.move_share("", name, data[2] & 1 ? where : name, world.now, reach)) {
          world.told(moved->completions);
        }
        break;
      case 8:
        world.now += std::chrono::seconds(data[1]);
        world.told(registry.expire(world.now));
        break;
      case 9:
        if (data[1] & 16) {
          registry.association_ended(association);
          std::erase_if(world.waiting,
                        [&](CallToken token) { return token.association == association; });
        } else if (!world.waiting.empty()) {
          registry.forget_call(*world.waiting.begin(), world.now);
          world.waiting.erase(world.waiting.begin());
        }
        break;
    }
  }
  size_t waiting = 0;
  for (const Registry::Entry& entry : registry.entries()) waiting += entry.is_waiting ? 1 : 0;
  if (waiting > world.waiting.size()) std::abort();
  return 0;
}

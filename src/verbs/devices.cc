#include "verbs/devices.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "base/log.h"

namespace braid::verbs {
namespace {

// Of one connection. The transport has 64 packets under way, and as many pieces of transfers as the
// rest takes.
constexpr int kRequestsMax = 256;
constexpr int kReceivesMax = 512;
// RDMA reads under way of one connection: enough to hide the way there and back.
constexpr int kReadsMax = 32;

}  // namespace

RegisteredMemory::~RegisteredMemory() {
  auto state = state_.lock();
  for (const auto& [begin, slab] : state->slabs) release(const_cast<uint8_t*>(begin), slab);
}

void RegisteredMemory::release(uint8_t* begin, const Slab& slab) noexcept {
  ibv_dereg_mr(slab.region);
  munmap(begin, slab.size);
}

size_t RegisteredMemory::block_of(size_t size) {
  const size_t step = std::max(kBlockMin, std::bit_floor(size) / 4);
  return std::max(kBlockMin, (size + step - 1) / step * step);
}

Result<void> RegisteredMemory::add_slab(size_t block) {
  const size_t size = block >= kSlab ? block : kSlab / block * block;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail_last_os();
  auto* begin = static_cast<uint8_t*>(memory);
  int access = IBV_ACCESS_LOCAL_WRITE;  // nothing for the peer
  ibv_mr* region = ibv_reg_mr(domain_.get(), memory, size, access);
  if (!region) {
    const Error why = Error::last_os_error();
    munmap(memory, size);
    return fail(why);
  }
  auto state = state_.lock();
  state->slabs[begin] = {size, region};
  auto& free = state->free[block];
  for (size_t at = 0; at + block <= size; at += block) free.push_back(begin + at);
  if (block >= kSlab) state->kept += block;
  return {};
}

Buffer RegisteredMemory::take(size_t size) {
  const size_t block = block_of(size);
  for (;;) {
    {
      auto state = state_.lock();
      if (auto& free = state->free[block]; !free.empty()) {
        uint8_t* const data = free.back();
        free.pop_back();
        if (block >= kSlab) state->kept -= block;
        if (state->taken++ == 0) state->self = shared_from_this();
        return Buffer(data, size, *this);
      }
    }
    // Not with the lock: the kernel pins each page.
    if (const auto added = add_slab(block); !added) {
      log::error(
          "rdma: {} cannot register {} bytes of memory: {} (is the limit of locked memory "
          "too low?)",
          device_, block, added.error().message());
      return Buffer(size);
    }
  }
}

struct RegisteredMemory::Lent {
  ~Lent() {
    {
      auto state = owner->state_.lock();
      const auto place = state->lent.find(begin);
      if (place != state->lent.end() && place->second.region == region) state->lent.erase(place);
    }
    ibv_dereg_mr(region);
  }
  const std::shared_ptr<RegisteredMemory> owner;
  const uint8_t* const begin;
  ibv_mr* const region;
};

Result<std::shared_ptr<void>> RegisteredMemory::reach(MutableByteView memory) {
  {
    auto state = state_.lock();
    const auto known = state->lent.find(memory.data());
    if (known != state->lent.end()) {
      if (auto lent = known->second.lent.lock()) return lent;
    }
  }
  // Nothing for the peer. Not with the lock: the kernel pins each page.
  int access = IBV_ACCESS_LOCAL_WRITE;
  ibv_mr* region = ibv_reg_mr(domain_.get(), memory.data(), memory.size(), access);
  if (!region) return fail_last_os();
  auto lent = std::make_shared<Lent>(shared_from_this(), memory.data(), region);
  state_.lock()->lent[memory.data()] = {memory.size(), region, lent};
  return lent;
}

std::optional<uint32_t> RegisteredMemory::key_of(ByteView memory) const {
  auto state = state_.lock();
  if (auto lent = state->lent.upper_bound(memory.data()); lent != state->lent.begin()) {
    --lent;
    const auto at = static_cast<size_t>(memory.data() - lent->first);
    const size_t size = lent->second.size;
    if (at <= size && memory.size() <= size - at) return lent->second.region->lkey;
  }
  auto slab = state->slabs.upper_bound(memory.data());
  if (slab == state->slabs.begin()) return std::nullopt;
  --slab;
  const auto at = static_cast<size_t>(memory.data() - slab->first);
  if (at > slab->second.size || memory.size() > slab->second.size - at) return std::nullopt;
  return slab->second.region->lkey;
}

void RegisteredMemory::take_back(uint8_t* data, size_t size) noexcept {
  const size_t block = block_of(size);
  std::optional<Slab> surplus;
  std::shared_ptr<RegisteredMemory> last;
  {
    auto state = state_.lock();
    if (block >= kSlab && state->kept + block > kKeptMax) {
      const auto slab = state->slabs.find(data);
      surplus = slab->second;
      state->slabs.erase(slab);
    } else {
      state->free[block].push_back(data);
      if (block >= kSlab) state->kept += block;
    }
    if (--state->taken == 0) last = std::exchange(state->self, nullptr);
  }
  if (surplus) release(data, *surplus);
}

Result<void> Devices::check(std::string& why) {
  int count = 0;
  ibv_device** list = ibv_get_device_list(&count);
  if (!list) {
    why = "no RDMA device: the kernel has no RDMA (" + Error::last_os_error().message() + ")";
    return fail_os(ENODEV);
  }
  ibv_free_device_list(list);
  if (count > 0) return {};
  why =
      "no RDMA device: none has a driver here, or its library (package ibverbs-providers) is "
      "missing";
  return fail_os(ENODEV);
}

Result<std::vector<Port>> Devices::ports() {
  int count = 0;
  const std::unique_ptr<ibv_device*, void (*)(ibv_device**)> list(ibv_get_device_list(&count),
                                                                  ibv_free_device_list);
  if (!list) return fail_os(ENODEV);
  std::vector<Port> all;
  for (ibv_device* device : std::span(list.get(), static_cast<size_t>(count))) {
    const std::unique_ptr<ibv_context, int (*)(ibv_context*)> context(ibv_open_device(device),
                                                                      ibv_close_device);
    ibv_device_attr attributes{};
    if (!context || ibv_query_device(context.get(), &attributes) != 0) return fail_last_os();
    for (unsigned number = 1; number <= attributes.phys_port_cnt; ++number) {
      ibv_port_attr port{};
      if (ibv_query_port(context.get(), static_cast<uint8_t>(number), &port) != 0) continue;
      all.push_back({.device = ibv_get_device_name(device),
                     .number = number,
                     .is_active = port.state == IBV_PORT_ACTIVE,
                     .state = ibv_port_state_str(port.state),
                     .is_iwarp = device->transport_type == IBV_TRANSPORT_IWARP});
    }
  }
  return all;
}

Result<std::shared_ptr<Device>> Devices::device_of(ibv_context* context) {
  auto devices = devices_.lock();
  if (const auto known = devices->find(context); known != devices->end()) return known->second;
  if (context->device->transport_type != IBV_TRANSPORT_IB) return fail_os(ENOTSUP);
  ibv_device_attr attributes{};
  if (const int failed = ibv_query_device(context, &attributes)) return fail_os(failed);
  ibv_pd* domain = ibv_alloc_pd(context);
  if (!domain) return fail_last_os();
  auto device = std::make_shared<Device>();
  device->name = ibv_get_device_name(context->device);
  device->domain = {domain, [](ibv_pd* each) { ibv_dealloc_pd(each); }};
  device->memory = std::make_shared<RegisteredMemory>(device->name, device->domain);
  device->receives_max = static_cast<size_t>(std::min(attributes.max_qp_wr, kReceivesMax));
  device->requests_max = static_cast<size_t>(std::min(attributes.max_qp_wr, kRequestsMax));
  device->reads_max = static_cast<uint8_t>(std::min(attributes.max_qp_init_rd_atom, kReadsMax));
  device->reads_served_max = static_cast<uint8_t>(std::min(attributes.max_qp_rd_atom, kReadsMax));
  (*devices)[context] = device;
  return device;
}

}  // namespace braid::verbs

#include "network/link_details.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/unique_fd.h"

namespace braid::network {
namespace {

constexpr uint64_t kMegabit = 1'000'000;
// A VLAN on a bond of links is three levels.
constexpr int kLevelsMax = 4;
// The masks behind ethtool_link_settings: three of at most 127 words.
constexpr size_t kLinkModeWordsMax = 3 * 127;

template <class Command>
bool ethtool(int fd, const std::string& name, Command& command) {
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&command);
  return ::ioctl(fd, SIOCETHTOOL, &request) == 0;
}

std::optional<uint64_t> speed_of(int fd, const std::string& name) {
  struct Answer {
    uint32_t megabits;
    int words;
  };
  // struct ethtool_link_settings and the masks behind it.
  std::array<uint32_t, sizeof(ethtool_link_settings) / 4 + kLinkModeWordsMax> command{};
  const auto ask = [&](int words) -> std::optional<Answer> {
    ethtool_link_settings settings{};
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    settings.link_mode_masks_nwords = static_cast<int8_t>(words);
    std::memcpy(command.data(), &settings, sizeof settings);
    if (!ethtool(fd, name, command)) return std::nullopt;
    std::memcpy(&settings, command.data(), sizeof settings);
    return Answer{settings.speed, settings.link_mode_masks_nwords};
  };
  auto answer = ask(0);
  // The first answer is how many words the kernel's masks have, as a negative number.
  if (answer && answer->words < 0) answer = ask(-answer->words);
  if (!answer || answer->megabits == 0 ||
      answer->megabits == static_cast<uint32_t>(SPEED_UNKNOWN)) {
    return std::nullopt;
  }
  return answer->megabits * kMegabit;
}

// 0 when the driver has no word for it.
uint32_t receive_queues_of(int fd, const std::string& name) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (ethtool(fd, name, channels)) {
    const uint32_t count = channels.rx_count + channels.combined_count;
    if (count > 0) return count;
  }
  ethtool_rxnfc rings{};
  rings.cmd = ETHTOOL_GRXRINGS;
  if (ethtool(fd, name, rings) && rings.data > 0) return static_cast<uint32_t>(rings.data);
  return 0;
}

// RDMA device by name of its network interface: devices of hardware have the interface beside
// them, those made of software name it in `parent`.
std::map<std::string, std::string> rdma_devices(const std::string& sysfs) {
  std::map<std::string, std::string> found;
  std::error_code failed;
  for (const auto& device :
       std::filesystem::directory_iterator(sysfs + "/class/infiniband", failed)) {
    const std::string name = device.path().filename();
    for (const auto& link :
         std::filesystem::directory_iterator(device.path() / "device" / "net", failed)) {
      found.emplace(link.path().filename(), name);
    }
    std::ifstream parent(device.path() / "parent");
    if (std::string link; parent >> link) found.emplace(link, name);
  }
  return found;
}

// "4: RNIC"; those of InfiniBand and RoCE are "1: CA".
bool is_iwarp(const std::string& sysfs, const std::string& device) {
  std::ifstream type(sysfs + "/class/infiniband/" + device + "/node_type");
  char first = 0;
  return type >> first && first == '4';
}

uint32_t queues_of(const NetworkState& state, const LinkDetailsTable& own, uint32_t index,
                   int levels) {
  if (const auto details = own.find(index);
      details == own.end() || details->second.receive_queues > 0 || levels == 0) {
    return details == own.end() ? 1 : std::max<uint32_t>(1, details->second.receive_queues);
  }
  uint32_t best = 1;
  for (const auto& [other, link] : state.links) {
    if (other != index && link.master == index) {
      best = std::max(best, queues_of(state, own, other, levels - 1));
    }
  }
  const auto link = state.links.find(index);
  if (link != state.links.end() && link->second.lower != 0) {
    best = std::max(best, queues_of(state, own, link->second.lower, levels - 1));
  }
  return best;
}

}  // namespace

Result<LinkDetailsTable> read_link_details(const NetworkState& state, const std::string& sysfs) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_last_os();
  const auto rdma = rdma_devices(sysfs);
  LinkDetailsTable own;
  for (const auto& [index, link] : state.links) {
    LinkDetails& details = own[index];
    details.speed = speed_of(fd.get(), link.name);
    details.receive_queues = receive_queues_of(fd.get(), link.name);
    if (const auto device = rdma.find(link.name); device != rdma.end()) {
      details.rdma_device = device->second;
      details.rdma_is_iwarp = is_iwarp(sysfs, device->second);
    }
  }
  LinkDetailsTable whole = own;
  for (auto& [index, details] : whole) {
    details.receive_queues = queues_of(state, own, index, kLevelsMax);
  }
  return whole;
}

}  // namespace braid::network

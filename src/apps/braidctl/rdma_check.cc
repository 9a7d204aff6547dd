#include "apps/braidctl/rdma_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <expected>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "apps/braidctl/output.h"
#include "network/interfaces.h"
#include "runtime/reactor.h"
#include "runtime/task_scope.h"
#include "verbs/connect.h"
#include "verbs/devices.h"

namespace braid::braidctl {
namespace {

using transport::SocketAddress;

constexpr std::chrono::seconds kConnectLimit{10};

struct Step {
  std::string name;
  bool is_there = false;
  std::string text;
};

// What is there, in a few words; or what is missing and what to do.
using Finding = std::expected<std::string, std::string>;

Finding check_configuration(const config::Config& config) {
  if (!config.server.rdma) {
    return std::unexpected(fmt::format(
        "SMB Direct is off; set rdma = true in [server] of {}, and restart braidd", config.file));
  }
  return fmt::format("rdma = true, port {}, {} MiB", config.server.rdma_port,
                     config.server.rdma_memory_mib);
}

Finding check_device() {
  std::string why;
  if (!verbs::Devices::check(why)) {
    return std::unexpected(why +
                           "; load the driver of the card, or for soft-RoCE: modprobe "
                           "rdma_rxe && rdma link add rxe0 type rxe netdev eth0");
  }
  const auto ports = verbs::Devices::ports();
  if (!ports) {
    return std::unexpected(
        fmt::format("a device cannot be opened: {}; run this as root, and look "
                    "at /dev/infiniband",
                    ports.error().message()));
  }
  std::string names;
  for (const verbs::Port& port : *ports) {
    if (port.number == 1) names += (names.empty() ? "" : ", ") + port.device;
  }
  return names;
}

Finding check_port() {
  const auto ports = verbs::Devices::ports();
  std::string others;
  bool has_other = false;
  for (const verbs::Port& port : ports ? *ports : std::vector<verbs::Port>{}) {
    if (port.is_active && !port.is_iwarp) {
      return fmt::format("{} port {} is active", port.device, port.number);
    }
    has_other |= !port.is_iwarp;
    others += fmt::format("{}{} port {} is {}", others.empty() ? "" : ", ", port.device,
                          port.number, port.is_iwarp ? "iWARP" : port.state);
  }
  // Where the card is at fault, no cable helps.
  if (!has_other) {
    return std::unexpected(others +
                           ", which is not served: memory that such a card reads into, its client "
                           "may write to at any time; take RoCE or InfiniBand, or TCP");
  }
  return std::unexpected(others + "; look at the cable, the switch and ip link");
}

// An address of a link with a card, on which is listened.
struct Place {
  IpAddress address;
  std::string text;
};
std::expected<Place, std::string> find_address(const config::Config& config) {
  const auto offers = network::Interfaces(config.server).judge({});
  if (!offers) {
    return std::unexpected(
        fmt::format("cannot ask the kernel for its addresses: {}", offers.error().message()));
  }
  std::string reason = "no link with an RDMA device has an address; give it one (ip address add)";
  for (const network::Offer& offer : *offers) {
    if (offer.rdma_device.empty() || offer.rdma_is_iwarp) continue;
    const std::string text = fmt::format("{} of {}, device {}", offer.address.address.to_string(),
                                         offer.link_name, offer.rdma_device);
    if (offer.verdict == network::Verdict::kOffered) return Place{offer.address.address, text};
    reason = fmt::format("{}: {}", text, network::explain(offer.verdict));
  }
  return std::unexpected(reason);
}

std::optional<pid_t> process_with_cards() {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failed)) {
    std::string name;
    std::ifstream(entry.path() / "comm") >> name;
    if (name == "braidd-rdma") return std::atoi(entry.path().filename().c_str());
  }
  return std::nullopt;
}

Finding check_listener() {
  if (const auto pid = process_with_cards()) return fmt::format("process {}", *pid);
  return std::unexpected(
      "no process of braidd has the cards; start braidd, or send it SIGHUP (systemctl reload "
      "braidd) when the card came later, and look at its log");
}

Finding check_memory(const config::Config& config) {
  const auto pid = process_with_cards();
  std::ifstream limits(fmt::format("/proc/{}/limits", pid.value_or(0)));
  for (std::string line; std::getline(limits, line);) {
    if (!line.starts_with("Max locked memory")) continue;
    std::istringstream words(line.substr(17));
    std::string soft;
    words >> soft;
    if (soft == "unlimited") return "locked memory is not limited";
    const uint64_t needed =
        (uint64_t{config.server.rdma_memory_mib} << 20) * config.server.workers + (16u << 20);
    if (std::strtoull(soft.c_str(), nullptr, 10) >= needed) {
      return fmt::format("{} bytes may be locked", soft);
    }
    return std::unexpected(fmt::format(
        "{} bytes may be locked, and {} are needed; raise it (LimitMEMLOCK= of the systemd unit, "
        "ulimit -l), or lower rdma_memory",
        soft, needed));
  }
  return std::unexpected("the limits of that process cannot be read; run this as root");
}

Task<void> connect(Reactor& reactor, verbs::Devices& devices, SocketAddress address,
                   Result<void>& outcome) {
  auto connected = co_await verbs::connect(devices, reactor, address, kConnectLimit);
  outcome = connected ? Result<void>() : fail(connected.error());
  if (connected) connected->pair.reset();
  reactor.stop();
}

Finding check_client(const Place& place, uint16_t port) {
  const auto address = SocketAddress::parse(place.address.to_string(), port);
  Result<void> outcome;
  verbs::Devices devices;
  Reactor reactor;
  TaskScope scope;
  reactor.post([&] { scope.spawn(connect(reactor, devices, *address, outcome)); });
  reactor.run();
  if (outcome) return fmt::format("one of this machine reaches {}", address->to_string());
  const bool is_refused = outcome.error().is_os(ECONNREFUSED);
  return std::unexpected(fmt::format(
      "{} is not reached: {}; {}", address->to_string(), outcome.error().message(),
      is_refused ? "nobody listens there: look at listen and rdma_port, and at braidd's log"
                 : "look at the route there, and at what filters UDP port 4791 (RoCE)"));
}

std::vector<Step> walk(const config::Config& config) {
  std::vector<Step> steps;
  const auto note = [&](const char* name, const Finding& found) {
    steps.push_back({name, found.has_value(), found ? *found : found.error()});
    return found.has_value();
  };
  if (!note("configuration", check_configuration(config))) return steps;
  if (::geteuid() != 0) {
    note("rights", std::unexpected("this is not root, from whom devices and processes are not "
                                   "hidden: what follows may be there; run this as root"));
  }
  if (!note("device", check_device())) return steps;
  if (!note("port", check_port())) return steps;
  const auto place = find_address(config);
  if (!note("address", place ? Finding(place->text) : std::unexpected(place.error()))) return steps;
  if (!note("listener", check_listener())) return steps;
  if (!note("memory", check_memory(config))) return steps;
  const auto port = static_cast<uint16_t>(config.server.rdma_port);
  if (port == 0) {
    note("client", std::unexpected("rdma_port = 0, which no client finds; set it to 445"));
    return steps;
  }
  note("client", check_client(*place, port));
  return steps;
}

}  // namespace

int check_rdma(const config::Config& config, const RdmaArguments& arguments) {
  const std::vector<Step> steps = walk(config);
  if (arguments.json) {
    auto list = nlohmann::ordered_json::array();
    for (const Step& step : steps) {
      list.push_back({{"step", step.name}, {"ok", step.is_there}, {"text", step.text}});
    }
    fmt::print("{}\n", json_text(list));
  } else {
    for (const Step& step : steps) {
      fmt::print("{:<14} {:<8} {}\n", step.name, step.is_there ? "ok" : "missing",
                 printable(step.text));
    }
  }
  return steps.back().is_there ? 0 : kCannotDo;
}

}  // namespace braid::braidctl

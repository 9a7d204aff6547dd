#include "apps/braidctl/interfaces.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/braidctl/output.h"
#include "network/interfaces.h"

namespace braid::braidctl {
namespace {

using network::Offer;
using network::Verdict;

std::string show_speed(uint64_t speed) {
  struct Unit {
    uint64_t bits;
    const char* name;
  };
  for (const Unit unit : {Unit{1'000'000'000, "Gbit/s"}, Unit{1'000'000, "Mbit/s"}}) {
    if (speed >= unit.bits)
      return fmt::format("{:g} {}", double(speed) / double(unit.bits), unit.name);
  }
  return fmt::format("{} bit/s", speed);
}

std::string show_traits(const Offer& offer) {
  std::string text = show_speed(offer.speed);
  if (!offer.speed_known) text += " (assumed)";
  if (offer.rss) text += fmt::format(", rss with {} queues", offer.receive_queues);
  if (!offer.rdma_device.empty()) text += ", rdma " + offer.rdma_device;
  if (offer.movable) text += ", movable";
  if (offer.in_use) text += ", in use";
  return text;
}

void print_table(const std::vector<Offer>& offers) {
  size_t links = 0;
  size_t addresses = 0;
  size_t traits = 0;
  for (const Offer& offer : offers) {
    links = std::max(links, offer.link_name.size());
    addresses = std::max(addresses, offer.address.address.to_string().size());
    traits = std::max(traits, show_traits(offer).size());
  }
  for (const Offer& offer : offers) {
    const bool offered = offer.verdict == Verdict::kOffered;
    fmt::print("{:<{}}  {:<{}}  {:<{}}  {}{}\n", printable(offer.link_name), links,
               offer.address.address.to_string(), addresses, show_traits(offer), traits,
               offered ? "" : "not offered: ", network::explain(offer.verdict));
  }
}

void print_json(const std::vector<Offer>& offers) {
  auto list = nlohmann::ordered_json::array();
  for (const Offer& offer : offers) {
    list.push_back({{"interface", offer.link_name},
                    {"index", offer.address.link},
                    {"address", offer.address.address.to_string()},
                    {"prefix_length", offer.address.prefix_length},
                    {"speed", offer.speed},
                    {"speed_known", offer.speed_known},
                    {"receive_queues", offer.receive_queues},
                    {"rss", offer.rss},
                    {"rdma_device", offer.rdma_device},
                    {"movable", offer.movable},
                    {"in_use", offer.in_use},
                    {"offered", offer.verdict == Verdict::kOffered},
                    {"verdict", network::name_of(offer.verdict)},
                    {"reason", network::explain(offer.verdict)}});
  }
  fmt::print("{}\n", json_text(list));
}

}  // namespace

int show_interfaces(const config::Server& settings, const InterfacesArguments& arguments) {
  network::Client client;
  for (const auto& [text, address] : {std::pair(&arguments.client, &client.address),
                                      std::pair(&arguments.connected_to, &client.connected_to)}) {
    if (text->empty()) continue;
    *address = IpAddress::parse(*text);
    if (!*address) {
      return complain(
          fmt::format("{} is no address; give one in numbers, such as 192.0.2.1, "
                      "fd00::1 or, with the index of the interface, fe80::1%2",
                      *text));
    }
  }
  const auto offers = network::Interfaces(settings).judge(client);
  if (!offers) {
    return complain(
        fmt::format("cannot ask the kernel for its addresses: {}", offers.error().message()));
  }
  if (arguments.json) {
    print_json(*offers);
  } else {
    print_table(*offers);
  }
  return 0;
}

}  // namespace braid::braidctl

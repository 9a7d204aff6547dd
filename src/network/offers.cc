#include "network/offers.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace braid::network {
namespace {

struct Words {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Words, 11> kWords = {{
    {"offered", "offered"},
    {"link-down", "the link is down"},
    {"not-ready", "the address is a duplicate, being checked for one, or deprecated"},
    {"temporary", "a temporary IPv6 address"},
    {"not-configured", "interfaces in the configuration leaves it out"},
    {"not-listening", "listen in the configuration leaves it out"},
    {"movable", "movable, and the client is not connected to it"},
    {"loopback", "a loopback address, and the client is not on it"},
    {"link-local", "a link-local address, and the client is not on that link"},
    {"no-route", "no route to the client from there"},
    {"other-family", "the client uses the other address family, which the link does not have"},
}};

bool matches(const config::InterfaceRule& rule, const Offer& offer) {
  if (const auto address = IpAddress::parse(rule.match)) {
    return address->same_address(offer.address.address);
  }
  const std::string_view match = rule.match;
  if (match.ends_with('*')) return offer.link_name.starts_with(match.substr(0, match.size() - 1));
  return match == offer.link_name;
}

// Whether the administrator wants it offered at all; takes in what was said about it.
bool configure(Offer& offer, const config::Server& settings) {
  if (settings.interfaces.empty()) return true;
  const auto rule = std::ranges::find_if(settings.interfaces,
                                         [&](const auto& each) { return matches(each, offer); });
  if (rule == settings.interfaces.end()) return false;
  if (rule->speed) {
    offer.speed = *rule->speed;
    offer.speed_known = true;
  }
  offer.rss = rule->rss.value_or(offer.rss);
  offer.movable = rule->movable;
  return true;
}

bool listens_on(const IpAddress& address, const config::Server& settings) {
  return std::ranges::any_of(settings.listen, [&](const config::Endpoint& endpoint) {
    const auto bound = IpAddress::parse(endpoint.address);
    return bound && (bound->same_address(address) ||
                     (bound->is_unspecified() && bound->is_v4() == address.is_v4()));
  });
}

bool on_the_link(const IpAddress& client, const LinkAddress& own) {
  if (client.is_v4()) return client.shares_prefix(own.address, own.prefix_length);
  return client.scope_id() == own.link;
}

// What decides before the client's other addresses matter.
Verdict judge(const Offer& offer, bool configured, const Link& link, const config::Server& settings,
              const Client& client, const RouteQuery& route) {
  const IpAddress& own = offer.address.address;
  if (!configured) return Verdict::kNotConfigured;
  if (!listens_on(own, settings)) return Verdict::kNotListening;
  if (!link.is_up) return Verdict::kLinkDown;
  // Whatever it is, the client has got there.
  if (offer.in_use) return Verdict::kOffered;
  if (!offer.address.is_ready) return Verdict::kNotReady;
  if (offer.address.is_temporary) return Verdict::kTemporary;
  if (offer.movable) return Verdict::kMovable;
  if (own.is_loopback()) {
    return client.address && client.address->is_loopback() ? Verdict::kOffered : Verdict::kLoopback;
  }
  const bool same_family = client.address && client.address->family() == own.family();
  if (own.is_link_local()) {
    return same_family && client.address->is_link_local() &&
                   on_the_link(*client.address, offer.address)
               ? Verdict::kOffered
               : Verdict::kLinkLocal;
  }
  if (!same_family || client.address->is_loopback()) return Verdict::kOffered;
  const uint32_t scope = client.address->scope_id();
  return route(own, *client.address, scope) == Route::kNone ? Verdict::kNoRoute : Verdict::kOffered;
}

// Nothing is known of the client's addresses in the other family. Where a link has both, the
// client gets to one as well as to the other.
void judge_other_family(std::vector<Offer>& offers, const Client& client) {
  if (!client.address) return;
  const auto serves_client = [&](uint32_t link) {
    return std::ranges::any_of(offers, [&](const Offer& offer) {
      return offer.address.link == link && offer.verdict == Verdict::kOffered &&
             offer.address.address.family() == client.address->family();
    });
  };
  for (Offer& offer : offers) {
    if (offer.verdict == Verdict::kOffered &&
        offer.address.address.family() != client.address->family() &&
        !serves_client(offer.address.link)) {
      offer.verdict = Verdict::kOtherFamily;
    }
  }
}

}  // namespace

std::string_view explain(Verdict verdict) { return kWords[static_cast<size_t>(verdict)].text; }
std::string_view name_of(Verdict verdict) { return kWords[static_cast<size_t>(verdict)].name; }

bool MovableAddresses::has(const IpAddress& address) const {
  if (are_unknown) return !address.is_loopback();
  return std::ranges::any_of(addresses,
                             [&](const IpAddress& each) { return each.same_address(address); });
}

std::vector<Offer> judge_addresses(const NetworkState& state, const LinkDetailsTable& details,
                                   const config::Server& settings, const Client& client,
                                   const RouteQuery& route, const MovableAddresses& movable) {
  std::vector<Offer> offers;
  for (const LinkAddress& address : state.addresses) {
    const auto link = state.links.find(address.link);
    if (link == state.links.end() || address.link == 0) continue;
    Offer offer;
    offer.address = address;
    offer.link_name = link->second.name;
    if (const auto known = details.find(address.link); known != details.end()) {
      offer.speed = known->second.speed.value_or(kSpeedUnknown);
      offer.speed_known = known->second.speed.has_value();
      offer.receive_queues = known->second.receive_queues;
      offer.rss = offer.receive_queues > 1;
      offer.rdma_device = known->second.rdma_device;
      offer.rdma_is_iwarp = known->second.rdma_is_iwarp;
    }
    const bool configured = configure(offer, settings);
    offer.movable = offer.movable || movable.has(address.address);
    offer.in_use = client.connected_to && client.connected_to->same_address(address.address);
    offer.verdict = judge(offer, configured, link->second, settings, client, route);
    offers.push_back(std::move(offer));
  }
  std::ranges::sort(offers, {}, [](const Offer& offer) {
    const IpAddress& own = offer.address.address;
    return std::tuple(offer.address.link, !own.is_v4(), own.to_string());
  });
  judge_other_family(offers, client);
  return offers;
}

}  // namespace braid::network

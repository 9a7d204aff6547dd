#include "network/interfaces.h"

namespace braid::network {

Interfaces::Interfaces(const config::Server& settings, const Clock& clock)
    : settings_(settings), clock_(clock) {
  // One that cannot be had now is asked for again by the first answer.
  if (auto opened = Netlink::open()) known_.lock()->netlink = std::move(*opened);
}

Result<void> Interfaces::refresh(Known& known) const {
  if (!known.netlink) {
    BRAID_TRY(Netlink opened, Netlink::open());
    known.netlink = std::move(opened);
  }
  const std::map<uint32_t, Link> before = known.state.links;
  BRAID_CHECK(known.netlink->refresh(known.state));
  const Clock::Instant now = clock_.monotonic();
  if (known.has_details && before == known.state.links &&
      now - known.details_read < kDetailsFresh) {
    return {};
  }
  BRAID_TRY(known.details, read_link_details(known.state));
  known.details_read = now;
  known.has_details = true;
  return {};
}

Result<std::vector<Offer>> Interfaces::judge(const Client& client) const {
  auto known = known_.lock();
  BRAID_CHECK(refresh(*known));
  const RouteQuery route = [&](const IpAddress& from, const IpAddress& to, uint32_t link) {
    // Where the kernel does not say, the client may find out.
    return known->netlink->route(from, to, link).value_or(Route::kOther);
  };
  return judge_addresses(known->state, known->details, settings_, client, route, known->movable);
}

}  // namespace braid::network

#include "apps/braidd/witness_addresses.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace braid::braidd {

namespace witness = rpc::witness;

namespace {

constexpr int kLookEveryMs = 500;

}  // namespace

std::map<witness::IpAddress, witness::State> addresses_of(
    const std::vector<network::Offer>& offers) {
  std::map<witness::IpAddress, witness::State> addresses;
  for (const network::Offer& offer : offers) {
    const bool is_usable =
        offer.verdict == network::Verdict::kOffered || offer.verdict == network::Verdict::kMovable;
    const bool is_away = offer.verdict == network::Verdict::kLinkDown ||
                         offer.verdict == network::Verdict::kNotReady;
    if (!is_usable && !is_away) continue;
    // What only has a meaning on one link, or on this machine, is nothing to tell others of.
    if (offer.address.address.is_loopback() || offer.address.address.is_link_local()) continue;
    witness::IpAddress address;
    address.is_v6 = !offer.address.address.is_v4();
    std::ranges::copy(offer.address.address.bytes(), address.bytes.begin());
    addresses[address] = is_usable ? witness::State::kAvailable : witness::State::kUnavailable;
  }
  return addresses;
}

WitnessAddresses::WitnessAddresses(const config::Server& settings, std::string group,
                                   witness::Service& witness,
                                   std::function<bool(const IpAddress&)> is_movable)
    : settings_(settings),
      group_(std::move(group)),
      witness_(witness),
      is_movable_(std::move(is_movable)) {
  auto netlink = network::Netlink::open();
  stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC));
  if (!netlink || !stop_) {
    log::error("Witness cannot hear of this machine's addresses: {}; it tells clients of none",
               !netlink ? netlink.error().message() : Error::last_os_error().message());
    return;
  }
  netlink_ = std::move(*netlink);
  tell();
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    log::error("Witness has no thread to hear of addresses that come and go: {}", error.what());
  }
}

WitnessAddresses::~WitnessAddresses() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) == sizeof one) thread_.join();
}

void WitnessAddresses::run() {
  for (;;) {
    std::array<pollfd, 2> waits{{{stop_.get(), POLLIN, 0}, {netlink_->fd(), POLLIN, 0}}};
    // Nothing says when a cluster calls an address movable.
    if (::poll(waits.data(), waits.size(), is_movable_ ? kLookEveryMs : -1) < 0) continue;
    if (waits[0].revents != 0) return;
    tell();
  }
}

void WitnessAddresses::tell() {
  if (const auto refreshed = netlink_->refresh(state_); !refreshed) {
    log::warn("Witness cannot read this machine's addresses: {}", refreshed.error().message());
    // The kernel may go on saying so.
    ::poll(nullptr, 0, 1000);
    return;
  }
  const auto route = [](const IpAddress&, const IpAddress&, uint32_t) {
    return network::Route::kOther;
  };
  auto offers = network::judge_addresses(state_, {}, settings_, {}, route);
  if (is_movable_) {
    std::erase_if(offers, [&](const auto& each) { return is_movable_(each.address.address); });
  }
  const auto now = addresses_of(offers);
  for (const auto& [address, state] : std::exchange(told_, now)) {
    if (now.contains(address)) continue;
    log::info("Witness: {} is gone", address.text());
    witness_.remove_interface(address);
  }
  for (const auto& [address, state] : now) {
    witness_.set_interface({group_, state, address, true});
  }
}

}  // namespace braid::braidd

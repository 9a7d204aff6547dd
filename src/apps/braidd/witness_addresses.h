// WitnessAddresses: tells a witness which addresses this machine has.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "network/netlink.h"
#include "network/offers.h"
#include "rpc/witness/service.h"

namespace braid::braidd {

// What clients may be told to use: addresses that `interfaces` and `listen` of the configuration
// allow, with whether their link is up. Waits for the kernel's messages on a thread of its own, as
// an address that goes is to be told at once. Of a cluster's movable addresses ClusterWitness
// tells.
//
// Owned by the worker's server, and gone before `witness`. Thread: one of its own.
class WitnessAddresses {
 public:
  // `group`: InterfaceGroupName of this machine. Without netlink it says so in the log, and the
  // witness knows no address.
  // `is_movable`: an address that who knows the cluster tells of; null: there is none. It may be
  // asked on the thread of this, some times a second.
  WitnessAddresses(const config::Server& settings, std::string group,
                   rpc::witness::Service& witness,
                   std::function<bool(const IpAddress&)> is_movable = {});
  ~WitnessAddresses();
  WitnessAddresses(const WitnessAddresses&) = delete;
  WitnessAddresses& operator=(const WitnessAddresses&) = delete;

 private:
  void run();
  void tell();

  const config::Server settings_;
  const std::string group_;
  rpc::witness::Service& witness_;
  const std::function<bool(const IpAddress&)> is_movable_;
  std::optional<network::Netlink> netlink_;
  network::NetworkState state_;
  std::map<rpc::witness::IpAddress, rpc::witness::State> told_;
  UniqueFd stop_;  // readable: the end
  std::thread thread_;
};

// The addresses, without those that no client is to use, and whether each can be used now. Pure.
std::map<rpc::witness::IpAddress, rpc::witness::State> addresses_of(
    const std::vector<network::Offer>& offers);

}  // namespace braid::braidd

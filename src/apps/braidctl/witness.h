// braidctl witness list, move, share-move and end; braidctl address drain.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.h"

namespace braid::braidctl {

struct WitnessArguments {
  std::string client;
  std::string share;
  std::string address;
  uint64_t connection = 0;
  bool elsewhere = false;  // the address may be another machine's
  uint32_t wait_s = 30;    // how long clients may take to leave an address
  bool json = false;
};

// Each gives the exit code: 0, or 2 after one line on stderr.
int list_registrations(const config::Config& config, const WitnessArguments& arguments);
int move_clients(const config::Config& config, const WitnessArguments& arguments);
int move_share(const config::Config& config, const WitnessArguments& arguments);
int end_connection(const config::Config& config, const WitnessArguments& arguments);
// Tells those who use the address to use another, waits, and ends what is left.
int drain_address(const config::Config& config, const WitnessArguments& arguments);

}  // namespace braid::braidctl

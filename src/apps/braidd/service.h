// Service: what a listener is for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace braid::braidd {

enum class Service : uint8_t {
  kSmb,
  kEndpointMapper,  // RPC: where Witness is
  kWitness,         // RPC
};

// The worker that has all connections of RPC, and with them the registrations of all clients.
inline constexpr size_t kRpcWorker = 0;

}  // namespace braid::braidd

// Endpoint: where an RPC interface of this server is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rpc/pdu.h"

namespace braid::rpc::epm {

struct Endpoint {
  SyntaxId interface;
  std::string annotation;  // for people, ASCII, at most 63 characters
  uint16_t port = 0;       // TCP, on the address that the endpoint mapper was reached at
};
using Endpoints = std::vector<Endpoint>;

}  // namespace braid::rpc::epm

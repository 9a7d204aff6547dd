// What administrators are told that algorithms are called.
#pragma once

#include <string_view>

#include "crypto/algorithms.h"

namespace braid::admin {

std::string_view name_of(crypto::SigningAlgorithm algorithm);
std::string_view name_of(crypto::Cipher cipher);  // "off" for kNone

}  // namespace braid::admin

// How fast AES-GCM and AES-GMAC are on this processor.
#pragma once

#include <chrono>

namespace braid::crypto {

// What encrypting 64 KiB takes on one thread, measured once; GMAC takes less. Thread: any.
std::chrono::nanoseconds gcm_time_of_64_kib();

}  // namespace braid::crypto

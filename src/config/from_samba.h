// What an smb.conf becomes here.
#pragma once

#include <string>
#include <vector>

#include "config/smb_conf.h"

namespace braid::config {

struct FromSamba {
  std::string text;  // a whole configuration, which parse() takes
  // What has no counterpart, and what was said otherwise: where, what, why, and the nearest thing.
  std::vector<std::string> remarks;
  size_t shares = 0;
  std::vector<std::string> left_out;  // shares: they would let in whom Samba refuses, or are none
};

// Where something cannot be said here, a share is left out rather than opened to more people than
// it was for.
FromSamba from_samba(const SmbConf& conf);

}  // namespace braid::config

// braidctl web: metrics for Prometheus and one page, over HTTP.
#pragma once

#include <string>

#include "config/config.h"

namespace braid::braidctl {

struct WebArguments {
  std::string listen = "127.0.0.1:9445";
  std::string token_file;  // empty: there is no token, and nothing can be ended
  bool json = false;
};

// Serves until it is ended by a signal. 2 after a line on stderr.
int serve_web(const config::Config& config, const WebArguments& arguments);

}  // namespace braid::braidctl

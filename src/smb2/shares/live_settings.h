// LiveSettings: what a reload of the configuration replaces.
#pragma once

#include <memory>
#include <utility>

#include "base/guarded.h"
#include "config/config.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

// Owned by the Server. Thread: any.
class LiveSettings {
 public:
  LiveSettings(config::Snapshot config, std::shared_ptr<const ShareTable> shares)
      : live_(Live{std::move(config), std::move(shares)}) {}

  // As they are now.
  std::shared_ptr<const config::Server> server() const {
    auto config = live_.lock()->config;
    const config::Server* server = &config->server;
    return {std::move(config), server};
  }
  uint64_t text_id() const { return live_.lock()->config->text_id; }
  std::shared_ptr<const ShareTable> shares() const { return live_.lock()->shares; }

  void replace(config::Snapshot config, std::shared_ptr<const ShareTable> shares) {
    *live_.lock() = {std::move(config), std::move(shares)};
  }

 private:
  struct Live {
    config::Snapshot config;
    std::shared_ptr<const ShareTable> shares;
  };
  Guarded<Live> live_;
};

}  // namespace braid::smb2

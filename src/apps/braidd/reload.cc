#include "apps/braidd/reload.h"

#include "config/restart.h"

namespace braid::braidd {
namespace {

void name_what_waits(const config::Server& started, const config::Server& wanted,
                     const config::Server& taken) {
  for (const std::string_view key : config::waiting_keys(started, wanted)) {
    log::warn("the new value of {} waits for a restart", key);
  }
  if (config::is_memory_limit_too_low(taken)) {
    log::warn(
        "memory_limit = {} is too little for the {} workers that there are until a restart; "
        "each has {} MiB",
        taken.memory_limit_mib, taken.workers, config::kMemoryOfWorkerMinMib);
  }
}

}  // namespace

std::optional<NewConfig> read_new_config(const config::Config& started) {
  config::Problems problems;
  if (auto text = config::read_file(started.file); !text) {
    problems.push_back(std::move(text.error()));
  } else if (auto config = config::parse(*text, started.file, config::Checks::kTextAndPaths);
             !config) {
    problems = std::move(config.error());
  } else {
    auto taken = config::until_restart(started.server, **config);
    name_what_waits(started.server, (*config)->server, taken->server);
    for (const std::string& each : config::without_effect(*taken)) {
      log::warn("{}", log::Whole{each});
    }
    apply_log_level(*taken);
    return NewConfig{std::move(*text), std::move(taken)};
  }
  for (const auto& problem : problems) log::error("{}", log::Whole{problem.text()});
  log::error("the configuration stays as it was");
  return std::nullopt;
}

log::Level log_level_of(const config::Config& config) {
  switch (config.server.log_level) {
    case config::LogLevel::kDebug:
      return log::Level::kDebug;
    case config::LogLevel::kInfo:
      return log::Level::kInfo;
    case config::LogLevel::kWarning:
      return log::Level::kWarning;
    case config::LogLevel::kError:
      return log::Level::kError;
  }
  return log::Level::kInfo;
}

void apply_log_level(const config::Config& config) { log::set_level(log_level_of(config)); }

}  // namespace braid::braidd

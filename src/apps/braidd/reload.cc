#include "apps/braidd/reload.h"

namespace braid::braidd {
namespace {

void name_what_waits(const config::Server& now, const config::Server& wanted) {
  const auto waits = [](const char* key, bool changed) {
    if (changed) log::warn("the new value of {} waits for a restart", key);
  };
  waits("listen", now.listen != wanted.listen);
  waits("state_dir", now.state_dir != wanted.state_dir);
  waits("name", now.name != wanted.name);
  waits("workers", now.workers != wanted.workers);
  waits("threads", now.threads != wanted.threads);
  waits("keytab", now.keytab != wanted.keytab);
  waits("min_uid", now.min_uid != wanted.min_uid);
  waits("interfaces", now.interfaces != wanted.interfaces);
  waits("break_retry", now.break_retry != wanted.break_retry);
}

}  // namespace

std::optional<NewConfig> read_new_config(const config::Config& current) {
  config::Problems problems;
  if (auto text = config::read_file(current.file); !text) {
    problems.push_back(std::move(text.error()));
  } else if (auto config = config::parse(*text, current.file, config::Checks::kTextAndPaths);
             !config) {
    problems = std::move(config.error());
  } else {
    name_what_waits(current.server, (*config)->server);
    apply_log_level(**config);
    return NewConfig{std::move(*text), std::move(*config)};
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

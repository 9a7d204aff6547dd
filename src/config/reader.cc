#include "config/reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>
#include <tuple>

#include "config/edit.h"
#include "config/homes.h"
#include "config/keys.h"
#include "config/path_look.h"
#include "config/restart.h"
#include "config/salvage.h"
#include "wire/fold.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace braid::config {
namespace {

uint32_t line_of(const toml::node& node) { return node.source().begin.line; }
uint32_t line_of(const toml::key& key) { return key.source().begin.line; }

Value to_value(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* array = node.as_array()) {
    std::vector<std::string> texts;
    for (const toml::node& element : *array) {
      const auto* text = element.as_string();
      if (!text) return OtherValue{};
      texts.push_back(text->get());
    }
    return texts;
  }
  return OtherValue{};
}

std::string show(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("\"{}\"", text->get());
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* array = node.as_array()) {
    std::string out = "[";
    for (const toml::node& element : *array) out += (out.size() > 1 ? ", " : "") + show(element);
    return out + "]";
  }
  if (node.is_table()) return "a table";
  if (node.is_floating_point()) return "a fraction";
  return "a date";
}

// Why a path cannot be used; empty when it can.
std::string path_complaint(const std::string& path, PathRule rule, const PathLook& look) {
  const auto because = [](int number) { return std::generic_category().message(number); };
  // A disk that hangs is back some day; until then a share is absent, and nobody logs on by keytab.
  if (!look.answers) return {};
  if (rule == PathRule::kDirectoryOrNothing) {
    // So is one that is away.
    if (look.error == ENAMETOOLONG || look.error == ELOOP || look.error == ENOTDIR) {
      return fmt::format("{}: {}; correct the path", path, because(look.error));
    }
    if (look.error != 0 || look.is_directory) return {};
    return fmt::format("{} is not a directory; give the path of one", path);
  }
  if (look.error != 0) {
    const char* const advice = look.error == ENOENT ? "make it or correct the path"
                                                    : "correct the path or its permissions";
    return fmt::format("{}: {}; {}", path, because(look.error), advice);
  }
  if (!look.is_file) return fmt::format("{} is not a file; give one", path);
  if (look.read_error == 0) return {};
  return fmt::format("{}: {}; make it readable for the server", path, because(look.read_error));
}

template <class Section>
std::vector<std::string_view> names_of(std::span<const Key<Section>> keys) {
  std::vector<std::string_view> names;
  for (const auto& key : keys) names.push_back(key.name);
  return names;
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "braid";
  const std::string_view whole(name);
  return std::string(whole.substr(0, std::min<size_t>(whole.find('.'), 63)));
}

}  // namespace

struct Reader::Tree {
  Reader& reader;

  // `elsewhere` are the keys of the other section, for those put in the wrong one.
  // Gives the lines of the keys that are there.
  template <class Section>
  std::map<std::string_view, uint32_t> section(const toml::table& table, std::string_view title,
                                               uint32_t title_line,
                                               std::span<const Key<Section>> keys,
                                               std::string_view elsewhere_title,
                                               const std::vector<std::string_view>& elsewhere,
                                               Section& into) {
    std::map<std::string_view, uint32_t> lines;
    for (const auto& [name, node] : table) {
      const auto key = std::ranges::find(keys, name.str(), &Key<Section>::name);
      if (key == keys.end()) {
        unknown(name, fmt::format(" in {}", title), names_of(keys), elsewhere_title, elsewhere);
        continue;
      }
      lines.emplace(key->name, line_of(node));
      const Value value = to_value(node);
      // An empty text stands for "not given" where that is the default.
      const auto* text = std::get_if<std::string>(&value);
      if (text && text->empty() && key->default_text() == "\"\"") continue;
      if (!key->store(into, value)) {
        reader.add(line_of(node), fmt::format("{} = {} is not accepted; give {}", key->name,
                                              show(node), key->accepts));
      } else if (key->path_rule != PathRule::kNone && reader.checks_ == Checks::kTextAndPaths) {
        reader.paths_.push_back({line_of(node), key->name, served_folder(*text), key->path_rule});
      }
    }
    for (const auto& key : keys) {
      if (key.shown || table.contains(key.name)) continue;
      reader.add(title_line, fmt::format("{} has no {}; add {} = ...", title, key.name, key.name));
    }
    return lines;
  }

  void unknown(const toml::key& name, std::string_view where,
               const std::vector<std::string_view>& known, std::string_view elsewhere_title,
               const std::vector<std::string_view>& elsewhere) {
    std::string advice;
    if (std::ranges::find(elsewhere, name.str()) != elsewhere.end()) {
      advice = fmt::format("it belongs in {}", elsewhere_title);
    } else if (const auto guess = nearest(name.str(), known)) {
      advice = fmt::format("did you mean {}?", *guess);
    } else {
      advice = "braidd --config-help lists the keys";
    }
    reader.add(line_of(name),
               fmt::format("unknown key {}{}; {}", std::string_view(name.str()), where, advice));
  }

  void shares(const toml::array& array, Config& config) {
    std::map<std::string, uint32_t> seen;  // folded as ShareTable does, line
    for (const toml::node& node : array) {
      const auto* table = node.as_table();
      if (!table) {
        reader.add(line_of(node), "share is not a table; start each share with [[share]]");
        continue;
      }
      Share share;
      const auto lines = section(*table, "[[share]]", line_of(node), share_keys(), "[server]",
                                 names_of(server_keys()), share);
      if (share.encrypt) reader.encrypt_lines_.push_back(lines.at("encrypt"));
      if (share.guest) {
        reader.guest_lines_.push_back(lines.at("guest"));
        if (share.encrypt) {
          reader.add(lines.at("guest"),
                     "guest = true is of no use with encrypt = true, as guests have no key; leave "
                     "out one of them");
        }
      }
      if (const auto name = lines.find("name"); name != lines.end()) {
        reader.file_systems_.emplace_back(share.file_system, name->second);
      }
      if (share.scale_out) reader.scale_out_lines_.push_back(lines.at("scale_out"));
      if (share.max_connections != 0) reader.limited_lines_.push_back(lines.at("max_connections"));
      if (share.force_user == "root") {
        reader.add(lines.at("force_user"),
                   "force_user = \"root\": nobody acts as root over the network; name another");
      }
      if (share.local_access == LocalAccess::kStrict) {
        const uint32_t line = lines.at("local_access");
        reader.strict_lines_.push_back(line);
        if (share.continuous_availability) {
          reader.add(line,
                     "local_access = \"strict\" is for folders that others serve too, which "
                     "continuous_availability = true is not; leave out one of them");
        }
      }
      if (share.local_locks) {
        const uint32_t line = lines.at("local_locks");
        reader.local_locks_lines_.push_back(line);
        if (share.continuous_availability) {
          reader.add(line,
                     "local_locks = true is for folders that others serve too, which "
                     "continuous_availability = true is not; leave out one of them");
        }
      }
      if (share.continuous_availability) {
        const uint32_t line = lines.at("continuous_availability");
        reader.continuous_lines_.push_back(line);
        if (is_of_homes(share.path)) {
          reader.add(line,
                     "continuous_availability = true is for one folder, and the path of this share "
                     "is one for each user; leave it out, or give the path of one");
        }
        const auto [other, is_first] = reader.continuous_paths_.emplace(share.path, line);
        if (!is_first && !share.path.empty()) {
          reader.add(line, fmt::format("continuous_availability = true is there for {} in line {} "
                                       "already; leave it out of one of the shares",
                                       share.path, other->second));
        }
      }
      const auto* name = table->get("name");
      if (!name || share.name.empty()) continue;
      if (wire::equal_fold(share.name, "IPC$")) {
        reader.add(line_of(*name),
                   fmt::format("share name {} is the server's own; choose another", share.name));
      }
      const auto [first, added] = seen.emplace(wire::fold(share.name), line_of(*name));
      if (!added) {
        reader.add(line_of(*name), fmt::format("share {} is already there in line {}; rename one",
                                               share.name, first->second));
      }
      config.shares.push_back(std::move(share));
    }
  }
};

void Reader::add(uint32_t line, std::string message) {
  const auto after = std::ranges::upper_bound(problems_, line, {}, &Problem::line);
  problems_.insert(after, {file_, line, std::move(message)});
}

void Reader::check_paths() {
  std::vector<std::string> paths;
  for (const NamedPath& each : paths_) paths.push_back(each.path);
  const std::vector<PathLook> looks = look_at(paths);
  for (size_t i = 0; i < paths_.size(); ++i) {
    const std::string complaint = path_complaint(paths[i], paths_[i].rule, looks[i]);
    if (!complaint.empty()) add(paths_[i].line, fmt::format("{} {}", paths_[i].key, complaint));
  }
}

// FNV-1a: whoever writes the text gains nothing from two of one id.
uint64_t Reader::id_of(std::string_view text) {
  uint64_t id = 14695981039346656037U;
  for (const char each : text) id = (id ^ static_cast<uint8_t>(each)) * 1099511628211U;
  return id;
}

uint32_t Reader::line_in_server(std::string_view key) const {
  const auto found = server_lines_.find(key);
  return found == server_lines_.end() ? server_line_ : found->second;
}

void Reader::check_server(const Server& server) {
  if (server.min_dialect > server.max_dialect && server_lines_.contains("min_dialect")) {
    add(line_in_server("min_dialect"), "min_dialect is above max_dialect; swap or correct them");
  } else if (server.min_dialect > server.max_dialect) {
    const auto min = std::ranges::find(server_keys(), "min_dialect", &Key<Server>::name);
    add(line_in_server("max_dialect"),
        fmt::format("max_dialect is below min_dialect, which is {} when it is left out; give "
                    "min_dialect too",
                    min->default_text()));
  }
  if (server.max_dialect < Dialect::k3_0) {
    if (server.encryption == Encryption::kRequired) {
      add(line_in_server("encryption"),
          "encryption = \"required\" needs max_dialect \"3.0\" or newer; change one of them");
    }
    for (const uint32_t line : encrypt_lines_) {
      add(line,
          "encrypt = true needs max_dialect \"3.0\" or newer in [server]; change one of them");
    }
  }
  for (const uint32_t line : guest_lines_) {
    if (server.signing == Signing::kRequired) {
      add(line,
          "guest = true needs signing = \"enabled\" in [server], as guests have no key to sign "
          "with; change one of them");
    }
    if (server.encryption == Encryption::kRequired) {
      add(line,
          "guest = true is of no use with encryption = \"required\" in [server], as guests have no "
          "key; change one of them");
    }
  }
  if (server.workers != 1) {
    for (const uint32_t line : strict_lines_) {
      add(line, "local_access = \"strict\" needs workers = 1 in [server]; change one of them");
    }
    for (const uint32_t line : local_locks_lines_) {
      add(line, "local_locks = true needs workers = 1 in [server]; change one of them");
    }
    for (const uint32_t line : limited_lines_) {
      add(line, "max_connections needs workers = 1 in [server]; change one of them");
    }
  }
  if (!server.cluster.empty()) check_cluster(server);
  if (server.max_dialect < Dialect::k3_0) {
    for (const uint32_t line : continuous_lines_) {
      add(line,
          "continuous_availability = true needs max_dialect \"3.0\" or newer in [server]; change "
          "one of them");
    }
    for (const uint32_t line : scale_out_lines_) {
      add(line,
          "scale_out = true needs max_dialect \"3.0\" or newer in [server]; change one of them");
    }
  }
  if (is_memory_limit_too_low(server)) {
    add(line_in_server("memory_limit"),
        fmt::format("memory_limit = {} is too little for {} workers; give {} MiB for each, or "
                    "lower workers",
                    server.memory_limit_mib, server.workers, kMemoryOfWorkerMinMib));
  }
  if (const uint32_t over = server.rdma_memory_mib % 8; over != 0) {
    add(line_in_server("rdma_memory"),
        fmt::format("rdma_memory = {} is no multiple of 8; give {} or {}", server.rdma_memory_mib,
                    server.rdma_memory_mib - over, server.rdma_memory_mib - over + 8));
  }
  check_listen(server);
  if (server.witness) check_witness(server);
}

void Reader::check_cluster(const Server& server) {
  if (server.workers != 1) {
    add(line_in_server("workers"), "cluster needs workers = 1; change one of them");
  }
  for (const auto& [file_system, line] : file_systems_) {
    if (file_system == 0) {
      add(line,
          "with cluster in [server] each share needs file_system, the same number on all nodes; "
          "give one");
    }
  }
  for (const uint32_t line : strict_lines_) {
    add(line,
        "local_access = \"strict\" is not for a cluster; leave out cluster in [server], or it");
  }
  for (const uint32_t line : local_locks_lines_) {
    add(line, "local_locks = true is not for a cluster; leave out cluster in [server], or it");
  }
  for (const uint32_t line : limited_lines_) {
    add(line, "max_connections is not for a cluster; leave out cluster in [server], or it");
  }
  for (const uint32_t line : continuous_lines_) {
    add(line,
        "continuous_availability = true is not for a cluster yet; leave out cluster in [server], "
        "or it");
  }
}

void Reader::check_witness(const Server& server) {
  if (server.witness_port != 0 && server.witness_port == server.epm_port) {
    add(line_in_server("witness_port"),
        fmt::format("witness_port and epm_port are both {}; change one of them", server.epm_port));
  }
  for (const Endpoint& endpoint : server.listen) {
    for (const auto& [key, port] :
         {std::pair{"witness_port", server.witness_port}, std::pair{"epm_port", server.epm_port}}) {
      if (port == 0 || port != endpoint.port) continue;
      add(line_in_server(key),
          fmt::format("{} = {} is a port of listen; change one of them", key, port));
      return;
    }
  }
}

// What would fail with "address in use" and no other server to blame.
void Reader::check_listen(const Server& server) {
  const uint32_t line = line_in_server("listen");
  const auto is_all = [](const Endpoint& endpoint) {
    return endpoint.address == "0.0.0.0" || endpoint.address == "::";
  };
  for (size_t i = 0; i < server.listen.size(); ++i) {
    for (size_t j = i + 1; j < server.listen.size(); ++j) {
      const Endpoint& a = server.listen[i];
      const Endpoint& b = server.listen[j];
      if (a.port == 0 || a.port != b.port || a.address.contains(':') != b.address.contains(':')) {
        continue;
      }
      if (a.address == b.address) {
        add(line, fmt::format("listen names {} port {} twice; leave one out", a.address, a.port));
      } else if (is_all(a) || is_all(b)) {
        const auto& [all, one] = is_all(a) ? std::tie(a, b) : std::tie(b, a);
        add(line,
            fmt::format("listen names {} port {} twice, as {} is every address; leave one out",
                        one.address, one.port, all.address));
      }
    }
  }
}

Snapshot Reader::read(std::string_view text) {
  const toml::parse_result result = toml::parse(text, std::string_view(file_));
  if (!result) {
    const toml::parse_error& error = result.error();
    add(error.source().begin.line,
        fmt::format("not TOML: {}; correct the line", std::string_view(error.description())));
    return nullptr;
  }
  auto config = std::make_shared<Config>();
  config->file = file_;
  config->text_id = id_of(text);
  Tree tree{*this};
  for (const auto& [name, node] : result.table()) {
    if (name == "server") {
      server_line_ = line_of(node);
      if (const auto* table = node.as_table()) {
        server_lines_ = tree.section(*table, "[server]", server_line_, server_keys(), "[[share]]",
                                     names_of(share_keys()), config->server);
      } else {
        add(line_of(name), "server is not a table; start it with [server]");
      }
    } else if (name == "share") {
      if (const auto* array = node.as_array()) {
        tree.shares(*array, *config);
      } else {
        add(line_of(name), "share is not a list of tables; start each share with [[share]]");
      }
    } else {
      tree.unknown(name, " at the top level", {"server", "share"}, "[server]",
                   names_of(server_keys()));
    }
  }
  check_server(config->server);
  check_paths();
  if (config->server.name.empty()) config->server.name = host_name();
  return config;
}

Snapshot Reader::salvage(std::string_view text) {
  if (auto config = read(text)) return config;
  auto config = std::make_shared<Config>();
  config->file = file_;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == line.npos || !line.substr(begin).starts_with("state_dir")) continue;
    Reader alone(file_, Checks::kTextOnly);
    const Snapshot one = alone.read("[server]\n" + std::string(line));
    if (one && alone.problems().empty()) config->server.state_dir = one->server.state_dir;
  }
  config->server.name = host_name();
  return config;
}

Snapshot salvage(std::string_view text, const std::string& file) {
  return Reader(file, Checks::kTextOnly).salvage(text);
}

std::optional<ShareLines> lines_of_share(std::string_view text, std::string_view name) {
  const toml::parse_result result = toml::parse(text);
  if (!result) return std::nullopt;
  std::optional<ShareLines> found;
  std::vector<uint32_t> begins;
  for (const auto& [key, node] : result.table()) {
    if (node.is_table()) begins.push_back(line_of(node));
    const auto* array = node.as_array();
    if (!array) continue;
    for (const toml::node& each : *array) {
      begins.push_back(line_of(each));
      const auto* table = each.as_table();
      const auto called = table ? (*table)["name"].value<std::string>() : std::nullopt;
      if (key == "share" && called && wire::equal_fold(*called, name)) {
        found = ShareLines{line_of(each), ~uint32_t{0}};
      }
    }
  }
  if (!found) return std::nullopt;
  for (const uint32_t begin : begins) {
    if (begin > found->begin) found->end = std::min(found->end, begin);
  }
  return found;
}

}  // namespace braid::config

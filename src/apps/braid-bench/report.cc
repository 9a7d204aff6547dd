#include "apps/braid-bench/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "apps/braid-bench/spread.h"

namespace braid::bench {
namespace {

using nlohmann::json;
using Values = std::vector<std::optional<double>>;

// Of one processor's time, all of this program's threads together: beyond it the server waits.
constexpr double kBusyClient = 0.9;
constexpr double kBytesOfMebibyte = 1'048'576;

double each(const Round& round, std::chrono::duration<double> time) {
  return time.count() * 1e6 / static_cast<double>(round.operations);
}
double micros(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

template <int kPermille>
std::optional<double> percentile(const Round& round, const RunOptions& /*options*/) {
  return micros(round.latencies.percentile(kPermille / 10.0));
}

// What is said of a round. A ratio of memory is of the server's processes as they are, not of
// clients.
struct Number {
  const char* key;    // in JSON
  const char* label;  // in a table
  std::optional<double> (*value)(const Round&, const RunOptions&);
  int digits;
};
constexpr Number kNumbers[] = {
    {"operations_per_second", "operations/s",
     [](const Round& round, const RunOptions&) -> std::optional<double> {
       return static_cast<double>(round.operations) / round.wall.count();
     },
     0},
    {"bytes_per_second", "MiB/s",
     [](const Round& round, const RunOptions&) -> std::optional<double> {
       if (round.bytes == 0) return std::nullopt;
       return static_cast<double>(round.bytes) / round.wall.count();
     },
     1},
    {"server_cpu_us", "server CPU us/op",
     [](const Round& round, const RunOptions&) -> std::optional<double> {
       if (!round.server_cpu) return std::nullopt;
       return each(round, *round.server_cpu);
     },
     2},
    {"client_cpu_us", "client CPU us/op",
     [](const Round& round, const RunOptions&) -> std::optional<double> {
       return each(round, round.client_cpu);
     },
     2},
    {"client_busy", "client busy",
     [](const Round& round, const RunOptions& options) -> std::optional<double> {
       return round.client_cpu / round.wall / static_cast<double>(options.threads);
     },
     2},
    {"server_memory_bytes", "server memory MiB",
     [](const Round& round, const RunOptions&) -> std::optional<double> {
       if (!round.server_memory) return std::nullopt;
       return static_cast<double>(*round.server_memory);
     },
     1},
    {"latency_mean_us", "latency us, mean",
     [](const Round& round, const RunOptions&) -> std::optional<double> {
       return round.latencies.mean() / 1e3;
     },
     1},
    {"latency_p50_us", "p50", percentile<500>, 1},
    {"latency_p90_us", "p90", percentile<900>, 1},
    {"latency_p99_us", "p99", percentile<990>, 1},
    {"latency_p999_us", "p99.9", percentile<999>, 1},
    {"latency_max_us", "max", percentile<1000>, 1},
};

Values values_of(const ServerRounds& server, const Number& number, const RunOptions& options) {
  Values values;
  for (const Round& round : server.rounds) values.push_back(number.value(round, options));
  return values;
}

std::optional<Spread> spread_of_values(const Values& values) {
  std::vector<double> known;
  for (const auto& value : values) {
    if (value) known.push_back(*value);
  }
  return spread_of(std::move(known));
}

double in_label_units(const Number& number, double value) {
  const std::string_view label = number.label;
  return label.find("MiB") == std::string_view::npos ? value : value / kBytesOfMebibyte;
}

std::string with_spread(const std::optional<Spread>& spread, int digits, size_t rounds) {
  if (!spread) return "-";
  if (rounds == 1) return fmt::format("{:.{}f}", spread->median, digits);
  return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", spread->median, digits, spread->low, digits,
                     spread->high, digits);
}

std::optional<Spread> in_label_units(const Number& number, std::optional<Spread> spread) {
  if (!spread) return spread;
  return Spread{.median = in_label_units(number, spread->median),
                .low = in_label_units(number, spread->low),
                .high = in_label_units(number, spread->high)};
}

json to_json(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {{"median", spread->median}, {"low", spread->low}, {"high", spread->high}};
}

std::string_view word_of(Paths paths) {
  switch (paths) {
    case Paths::kOne:
      return "one";
    case Paths::kOwn:
      return "own";
    case Paths::kMany:
      return "many";
  }
  return {};
}

}  // namespace

std::string load_table(const std::vector<ServerRounds>& servers, const LoadOptions& load,
                       const RunOptions& options) {
  std::string text = fmt::format("{}; {}, {} clients with {} in flight each; {} rounds of {} s\n",
                                 describe(load), servers.front().protection, options.clients,
                                 load.in_flight, options.rounds, options.measured.count());
  text += fmt::format("{:<20}", "");
  for (const ServerRounds& server : servers) text += fmt::format("{:>32}", server.server);
  text += servers.size() == 2 ? fmt::format("{:>24}\n", "ratio") : "\n";
  bool is_busy = false;
  for (const Number& number : kNumbers) {
    std::string line = fmt::format("{:<20}", number.label);
    bool has_any = false;
    for (const ServerRounds& server : servers) {
      const auto spread = spread_of_values(values_of(server, number, options));
      has_any |= spread.has_value();
      is_busy |= std::string_view(number.key) == "client_busy" && spread->median > kBusyClient;
      line += fmt::format(
          "{:>32}", with_spread(in_label_units(number, spread), number.digits, options.rounds));
    }
    if (servers.size() == 2) {
      line += fmt::format("{:>24}",
                          with_spread(spread_of_ratios(values_of(servers[0], number, options),
                                                       values_of(servers[1], number, options)),
                                      2, options.rounds));
    }
    if (has_any) text += line + "\n";
  }
  if (is_busy) text += "the client had no time left: a server may be able to do more\n";
  return text;
}

json load_json(const std::vector<ServerRounds>& servers, const LoadOptions& load,
               const RunOptions& options) {
  json whole = {{"load", std::string(name_of(load.kind))},
                {"description", describe(load)},
                {"size", load.size},
                {"random", load.is_random},
                {"file_bytes", load.file_bytes},
                {"paths", std::string(word_of(load.paths))},
                {"files", load.files},
                {"clients", options.clients},
                {"in_flight", load.in_flight},
                {"threads", options.threads},
                {"rounds", options.rounds},
                {"seconds", options.measured.count()},
                {"servers", json::array()}};
  for (const ServerRounds& server : servers) {
    json one = {{"server", server.server}, {"protection", server.protection}};
    uint64_t operations = 0;
    for (const Round& round : server.rounds) operations += round.operations;
    one["operations"] = operations;
    for (const Number& number : kNumbers) {
      one[number.key] = to_json(spread_of_values(values_of(server, number, options)));
    }
    whole["servers"].push_back(std::move(one));
  }
  if (servers.size() == 2) {
    for (const Number& number : kNumbers) {
      whole["ratios"][number.key] = to_json(spread_of_ratios(
          values_of(servers[0], number, options), values_of(servers[1], number, options)));
    }
  }
  return whole;
}

}  // namespace braid::bench

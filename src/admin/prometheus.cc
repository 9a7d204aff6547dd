#include "admin/prometheus.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

namespace braid::admin {
namespace {

using nlohmann::json;

std::string text_of(const json& row, const char* key) {
  const json value = row.value(key, json());
  return value.is_string() ? value.get<std::string>() : "";
}

// A backslash, a quote and the end of a line are escaped, and nothing else is.
std::string label_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

std::string labels_of(const json& row, size_t worker) {
  std::string out = fmt::format("worker=\"{}\"", worker);
  const json labels = row.value("labels", json::object());
  for (const auto& [key, value] : labels.items()) {
    if (value.is_string())
      out += fmt::format(",{}=\"{}\"", key, label_text(value.get<std::string>()));
  }
  return out;
}

uint64_t number_of(const json& value) {
  return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}

void append_row(std::string& out, const json& row, const std::string& name, size_t worker) {
  const auto into = std::back_inserter(out);
  const std::string labels = labels_of(row, worker);
  const uint64_t value = number_of(row.value("value", json()));
  const json buckets = row.value("buckets", json());
  if (!buckets.is_array()) {
    fmt::format_to(into, "{}{{{}}} {}\n", name, labels, value);
    return;
  }
  for (const json& bucket : buckets) {
    if (!bucket.is_array() || bucket.size() != 2 || !bucket[0].is_number()) continue;
    fmt::format_to(into, "{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bucket[0].get<double>(),
                   number_of(bucket[1]));
  }
  const json sum = row.value("sum", json());
  fmt::format_to(into, "{}_bucket{{{},le=\"+Inf\"}} {}\n", name, labels, value);
  fmt::format_to(into, "{}_sum{{{}}} {}\n", name, labels,
                 sum.is_number() ? sum.get<double>() : 0.0);
  fmt::format_to(into, "{}_count{{{}}} {}\n", name, labels, value);
}

}  // namespace

std::string prometheus_text(const std::vector<WorkerResult>& results) {
  std::string out;
  std::set<std::string> told;
  for (const auto& first : results) {
    for (const json& metric : first.result) {
      const std::string name = text_of(metric, "name");
      if (!told.insert(name).second) continue;
      fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name,
                     text_of(metric, "help"), name, text_of(metric, "type"));
      for (const auto& [worker, rows] : results) {
        for (const json& row : rows) {
          if (text_of(row, "name") == name) append_row(out, row, name, worker);
        }
      }
    }
  }
  return out;
}

}  // namespace braid::admin

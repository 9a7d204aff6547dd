#include "auth/imported_sids.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "auth/state_file.h"
#include "base/bytes.h"

namespace braid::auth {
namespace {

constexpr std::string_view kSidsHeader = "braid-sids 1";
constexpr uint32_t kNoSuchId = ~uint32_t{0};  // (uid_t)-1

std::optional<uint32_t> number_in(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == kNoSuchId) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

Result<ImportedSids> ImportedSids::of(const std::vector<Row>& rows) {
  ImportedSids all;
  for (const Row& row : rows) {
    const bool is_new = all.by_rid_.emplace(row.rid, row).second &&
                        all.by_id_.emplace(std::pair(row.is_group, row.id), row.rid).second;
    if (!is_new || row.id == kNoSuchId || row.rid == kNoSuchId) return fail(Error::malformed());
  }
  return all;
}

Result<ImportedSids> ImportedSids::parse(std::string_view text) {
  std::vector<Row> rows;
  bool is_first = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (std::exchange(is_first, false)) {
      if (line != kSidsHeader) return fail(Error::unsupported());
      continue;
    }
    if (line.empty()) continue;
    const size_t first = line.find(' ');
    const size_t second = line.rfind(' ');
    if (first == line.npos || first == second) return fail(Error::malformed());
    const std::string_view kind = line.substr(0, first);
    const auto id = number_in(line.substr(first + 1, second - first - 1));
    const auto rid = number_in(line.substr(second + 1));
    if ((kind != "user" && kind != "group") || !id || !rid) return fail(Error::malformed());
    rows.push_back({.is_group = kind == "group", .id = *id, .rid = *rid});
  }
  return of(rows);
}

std::string ImportedSids::text() const {
  std::string text = std::string(kSidsHeader) + "\n";
  for (const auto& [rid, row] : by_rid_) {
    text += fmt::format("{} {} {}\n", row.is_group ? "group" : "user", row.id, rid);
  }
  return text;
}

std::optional<uint32_t> ImportedSids::rid_of(bool is_group, uint32_t id) const {
  const auto found = by_id_.find({is_group, id});
  return found == by_id_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<ImportedSids::Row> ImportedSids::of_rid(uint32_t rid) const {
  const auto found = by_rid_.find(rid);
  return found == by_rid_.end() ? std::nullopt : std::optional(found->second);
}

Result<ImportedSids> read_imported_sids(const std::string& state_dir) {
  const auto content = read_file(state_dir + '/' + std::string(kImportedSidsFile));
  if (!content && content.error().is_os(ENOENT)) return ImportedSids();
  if (!content) return fail(content.error());
  return ImportedSids::parse(as_text(content->bytes));
}

Result<std::optional<wire::Sid>> stored_domain_sid(const std::string& state_dir) {
  const auto content = read_file(state_dir + "/domain_sid");
  if (!content && content.error().is_os(ENOENT)) return std::nullopt;
  if (!content) return fail(content.error());
  std::string_view line = as_text(content->bytes);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  BRAID_TRY(const wire::Sid sid, wire::Sid::parse(line));
  return sid;
}

Result<void> keep_sids(const std::string& state_dir, const wire::Sid& domain,
                       const ImportedSids& sids) {
  BRAID_CHECK(ensure_folder(state_dir));
  const std::string text = domain.to_string() + "\n";
  BRAID_CHECK(read_or_create(state_dir, "domain_sid", as_bytes(text)));
  BRAID_TRY(const auto stored, stored_domain_sid(state_dir));
  if (!stored || *stored != domain) return fail_os(EEXIST);
  const std::string rows = sids.text();
  return replace_file(state_dir + '/' + std::string(kImportedSidsFile), as_bytes(rows));
}

}  // namespace braid::auth

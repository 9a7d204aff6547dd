#include "smb2/shares/extended_attributes.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <string_view>

#include "base/log.h"
#include "wire/fold.h"

namespace braid::smb2 {
namespace {

constexpr std::string_view kPrefix = "user.";
// What an attribute's name may have at most in Linux, with its prefix.
constexpr size_t kLinuxNameMax = 255;
// [MS-FSA] 2.1.5.15.6 "FileFullEaInformation": 64 KB less 5 bytes for all of a file.
constexpr uint32_t kEaSizeMax = 64u * 1024 - 5;

// Book-keeping of this server and of Samba, which may serve the same files.
bool is_reserved(std::string_view name) {
  const std::string folded = wire::fold(name);
  return folded == "DOSATTRIB" || folded == "NTACL" || folded == "SAMBA_PAI" || folded == "BRAID" ||
         folded.starts_with("BRAID.") || folded.starts_with("DOSSTREAM.");
}

bool has_none(const Error& error) { return error.is_os(EOPNOTSUPP) || error.is_os(ENOSYS); }

Error of_storing(const Error& error) {
  if (has_none(error)) return Error(NtStatus::kEasNotSupported);
  if (error.is_os(ENOSPC) || error.is_os(E2BIG) || error.is_os(ERANGE)) {
    return Error(NtStatus::kEaTooLarge);
  }
  return error;
}

// The names as clients see them, without the reserved ones.
Result<std::vector<std::string>> names_of(vfs::File& file) {
  std::vector<std::string> names;
  const auto all = file.list_xattrs();
  if (!all) {
    if (has_none(all.error())) return names;
    return std::unexpected(all.error());
  }
  for (const std::string& full : *all) {
    if (!full.starts_with(kPrefix)) continue;
    std::string name = full.substr(kPrefix.size());
    if (!is_reserved(name) && wire::validate_ea_name(name)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

using ByFoldedName = std::map<std::string, wire::FullEa>;

Result<void> turn_into(vfs::File& file, const ByFoldedName& before, const ByFoldedName& after) {
  for (const auto& [key, ea] : before) {
    if (after.contains(key)) continue;
    const auto done = file.remove_xattr(std::string(kPrefix) + ea.name);
    if (!done && !done.error().is_os(ENODATA)) return std::unexpected(of_storing(done.error()));
  }
  for (const auto& [key, ea] : after) {
    const auto old = before.find(key);
    if (old != before.end() && old->second.value == ea.value) continue;
    const auto done = file.set_xattr(std::string(kPrefix) + ea.name, ea.value);
    if (!done) return std::unexpected(of_storing(done.error()));
  }
  return {};
}

// REQUIRES that nobody else changes them meanwhile.
Result<void> put_over_stored(vfs::File& file, const std::vector<wire::FullEa>& eas) {
  ByFoldedName before;
  uint64_t size = 0;
  BRAID_TRY(auto stored, load_eas(file));
  for (wire::FullEa& ea : stored) before.emplace(wire::fold(ea.name), std::move(ea));
  ByFoldedName after = before;
  for (const wire::FullEa& ea : eas) {
    std::string key = wire::fold(ea.name);
    if (ea.value.empty()) {
      after.erase(key);
    } else {
      after.try_emplace(std::move(key), wire::FullEa{.name = ea.name}).first->second.value =
          ea.value;
    }
  }
  for (const auto& [key, ea] : after) size += wire::ea_size({ea});
  if (size > kEaSizeMax) return fail(NtStatus::kEaTooLarge);

  auto done = turn_into(file, before, after);
  // As little as possible is left of a list that could not be stored as a whole.
  if (!done && !turn_into(file, after, before)) {
    log::warn("extended attributes could not be put back after a failed change");
  }
  return done;
}

}  // namespace

Result<std::vector<wire::FullEa>> load_eas(vfs::File& file) {
  std::vector<wire::FullEa> eas;
  BRAID_TRY(auto names, names_of(file));
  for (std::string& name : names) {
    auto value = file.get_xattr(std::string(kPrefix) + name);
    if (!value && value.error().is_os(ENODATA)) continue;  // gone meanwhile
    if (!value) return std::unexpected(value.error());
    eas.push_back({.flags = 0, .name = std::move(name), .value = std::move(*value)});
  }
  return eas;
}

Result<uint32_t> ea_size_of(vfs::File& file) {
  const auto eas = load_eas(file);
  if (!eas && eas.error().is_os(EAGAIN)) return fail(eas.error());
  return eas ? wire::ea_size(*eas) : 0;
}

Result<void> store_eas(vfs::File& file, const std::vector<wire::FullEa>& eas) {
  if (eas.empty()) return {};
  for (const wire::FullEa& ea : eas) {
    BRAID_CHECK(wire::validate_ea_name(ea.name));
    if (ea.name.size() > kLinuxNameMax - kPrefix.size() ||
        (ea.flags & ~wire::FullEa::kNeedEa) != 0) {
      return fail(NtStatus::kInvalidEaName);
    }
    if (is_reserved(ea.name)) return fail(NtStatus::kAccessDenied);
  }
  return file.exclusively([&] { return put_over_stored(file, eas); });
}

}  // namespace braid::smb2

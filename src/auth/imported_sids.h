// ImportedSids: the relative ids that users and groups had on another server and keep.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "wire/dtyp/sid.h"

namespace braid::auth {

// Its folder holds the file "imported_sids": "braid-sids 1", then "user UID RID" or "group GID RID"
// on a line each. Value type. Thread: any, once made.
class ImportedSids {
 public:
  struct Row {
    bool is_group = false;
    uint32_t id = 0;   // uid or gid
    uint32_t rid = 0;  // in the domain of the server
    bool operator==(const Row&) const = default;
  };

  ImportedSids() = default;
  // Malformed where a RID is there twice, or a user or group.
  static Result<ImportedSids> of(const std::vector<Row>& rows);
  static Result<ImportedSids> parse(std::string_view text);
  std::string text() const;

  std::optional<uint32_t> rid_of(bool is_group, uint32_t id) const;
  std::optional<Row> of_rid(uint32_t rid) const;
  bool empty() const { return by_rid_.empty(); }

 private:
  std::map<uint32_t, Row> by_rid_;
  std::map<std::pair<bool, uint32_t>, uint32_t> by_id_;
};

// Those of a state folder; none where the file is not there.
Result<ImportedSids> read_imported_sids(const std::string& state_dir);
// The SID of the server whose folder it is; nothing where it has none yet.
Result<std::optional<wire::Sid>> stored_domain_sid(const std::string& state_dir);
// Makes it the folder of a server with that SID, and keeps these. EEXIST where it is another's.
Result<void> keep_sids(const std::string& state_dir, const wire::Sid& domain,
                       const ImportedSids& sids);

inline constexpr std::string_view kImportedSidsFile = "imported_sids";

}  // namespace braid::auth

// The rows of the information classes: what QUERY_INFO and SET_INFO go by.
#pragma once

#include <concepts>
#include <cstdint>

#include "base/bytes.h"
#include "runtime/task.h"
#include "smb2/connections/request.h"
#include "wire/smb2/query_info.h"
#include "wire/smb2/set_info.h"

namespace braid::smb2 {

struct QueryAnswer {
  Bytes data;  // all of it; what the client has no room for is cut off with STATUS_BUFFER_OVERFLOW
  NtStatus status = NtStatus::kSuccess;
  bool all_or_nothing = false;  // instead STATUS_BUFFER_TOO_SMALL with the size needed
};

// What the handle must have been opened with; else STATUS_ACCESS_DENIED.
class Rights {
 public:
  // Any of these will do.
  static constexpr Rights any_of(uint32_t mask) { return {mask, nullptr}; }
  // All that the parts take which the client names in AdditionalInformation.
  static constexpr Rights all_for(uint32_t (*needed)(uint32_t parts)) { return {0, needed}; }
  static constexpr Rights none() { return {0, nullptr}; }

  bool are_granted(const Open& open, uint32_t parts) const {
    if (needed_for_) return (needed_for_(parts) & ~open.attributes.granted_access) == 0;
    return mask_ == 0 || open.has_access(mask_);
  }

 private:
  constexpr Rights(uint32_t mask, uint32_t (*needed_for)(uint32_t))
      : mask_(mask), needed_for_(needed_for) {}

  uint32_t mask_;
  uint32_t (*needed_for_)(uint32_t parts);
};

using QueryHandler = Result<QueryAnswer> (*)(Request&, const wire::QueryInfoRequest&);
using SetHandler = Task<Result<void>> (*)(Request&, const wire::SetInfoRequest&);

// How a class is queried. What does not fit beyond `length` is cut off.
struct InfoQuery {
  constexpr InfoQuery(uint32_t its_length, Rights its_rights, QueryHandler its_file,
                      QueryHandler its_pipe)
      : is_known(true),
        length(its_length),
        rights(its_rights),
        of_file(its_file),
        of_pipe(its_pipe) {}
  static constexpr InfoQuery never() { return {}; }

  bool is_known;
  uint32_t length;  // the least room; less is STATUS_INFO_LENGTH_MISMATCH
  Rights rights;
  QueryHandler of_file;  // null: STATUS_INVALID_INFO_CLASS
  QueryHandler of_pipe;  // null: STATUS_INVALID_DEVICE_REQUEST

 private:
  constexpr InfoQuery()
      : is_known(false), length(0), rights(Rights::none()), of_file(nullptr), of_pipe(nullptr) {}
};

// How a class is set. Not on pipes.
struct InfoSet {
  constexpr InfoSet(uint32_t its_length, Rights its_rights, Changes its_changes,
                    SetHandler its_apply)
      : is_known(true),
        length(its_length),
        rights(its_rights),
        changes(its_changes),
        apply(its_apply) {}
  static constexpr InfoSet never() { return {}; }

  bool is_known;
  uint32_t length;  // the least there has to be; less is STATUS_INFO_LENGTH_MISMATCH
  Rights rights;
  Changes changes;  // kFile: not on a read-only share, and written through where that was asked for
  SetHandler apply;  // on a thread of the worker pool

 private:
  constexpr InfoSet()
      : is_known(false),
        length(0),
        rights(Rights::none()),
        changes(Changes::kNothing),
        apply(nullptr) {}
};

// Rows have no default for any column: one that misses some does not compile.
struct InfoRow {
  template <class InfoClass>
  constexpr InfoRow(InfoClass its_class, InfoQuery its_query, InfoSet its_set)
      : info_class(static_cast<uint8_t>(its_class)), query(its_query), set(its_set) {}

  uint8_t info_class;
  InfoQuery query;
  InfoSet set;
};

// Null: a class without a row, which is STATUS_INVALID_INFO_CLASS.
const InfoRow* find_file_info(uint8_t info_class);        // [MS-FSCC] 2.4
const InfoRow* find_filesystem_info(uint8_t info_class);  // [MS-FSCC] 2.5
// These have no classes: whatever the number.
const InfoRow* security_info();
const InfoRow* quota_info();

// For rows: what is encoded as it is.
template <class Info>
QueryAnswer encoded(const Info& info) {
  QueryAnswer answer;
  wire::Writer writer(answer.data);
  info.encode(writer);
  return answer;
}

// For rows: `apply` gets what was decoded, and returns Result<void>, or a Task of it.
template <class Info, auto apply>
Task<Result<void>> decoded(Request& request, const wire::SetInfoRequest& set) {
  wire::Reader reader(set.buffer);
  BRAID_CO_TRY(const auto info, Info::decode(reader));
  if constexpr (std::same_as<decltype(apply(request, info)), Result<void>>) {
    co_return apply(request, info);
  } else {
    co_return co_await apply(request, info);
  }
}

// For rows: nobody may, with whatever rights.
template <NtStatus status>
Result<QueryAnswer> refused_query(Request&, const wire::QueryInfoRequest&) {
  return fail(status);
}
template <NtStatus status>
Task<Result<void>> refused_set(Request&, const wire::SetInfoRequest&) {
  co_return fail(status);
}

}  // namespace braid::smb2

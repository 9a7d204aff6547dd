// FileFullEaInformation: [MS-FSA] 2.1.5.12.12 (query) and 2.1.5.15.6 (set).
#include <string>
#include <unordered_map>
#include <vector>

#include "smb2/commands/info_handlers.h"
#include "smb2/files/file_services.h"
#include "smb2/files/report.h"
#include "smb2/shares/extended_attributes.h"
#include "wire/fold.h"
#include "wire/fscc/full_ea.h"
#include "wire/smb2/change_notify.h"

namespace braid::smb2 {
namespace {

struct Selection {
  std::vector<wire::FullEa> eas;
  bool complete = true;
};

// Those of `asked`, in its order; one that is not there comes without a value, as Windows has it.
// A name costs a client 8 bytes and its answer may be 64 KiB, so what cannot fit is not collected.
Result<Selection> select(const std::vector<wire::FullEa>& eas, ByteView asked, size_t limit) {
  BRAID_TRY(const auto names, wire::decode_ea_names(asked));
  std::unordered_map<std::string, const wire::FullEa*> by_name;
  for (const wire::FullEa& ea : eas) by_name.emplace(wire::fold(ea.name), &ea);
  Selection selection;
  size_t size = 0;
  for (const std::string& name : names) {
    BRAID_CHECK(wire::validate_ea_name(name));
    const auto found = by_name.find(wire::fold(name));
    size += name.size() + (found != by_name.end() ? found->second->value.size() : 0);
    if (size > limit) {
      selection.complete = false;
      break;
    }
    selection.eas.push_back(found != by_name.end() ? *found->second : wire::FullEa{.name = name});
  }
  return selection;
}

}  // namespace

Result<QueryAnswer> query_full_eas(Request& request, const wire::QueryInfoRequest& query) {
  Open& open = *request.open;
  using Flags = wire::QueryInfoFlags;
  BRAID_TRY(std::vector<wire::FullEa> eas, load_eas(open.whole_file()));
  const bool by_name = !query.input_buffer.empty();
  bool complete = true;
  uint32_t start = 0;
  if (by_name) {
    BRAID_TRY(auto selection, select(eas, query.input_buffer, query.output_buffer_length));
    if (selection.eas.empty() && !selection.complete) return fail(NtStatus::kBufferTooSmall);
    eas = std::move(selection.eas);
    complete = selection.complete;
  } else if (query.flags & Flags::kIndexSpecified) {
    // Counted from 1.
    start = query.additional_information;
    if (start == 0 || start > eas.size()) return fail(NtStatus::kNonexistentEaEntry);
    --start;
  } else if (!(query.flags & Flags::kRestartScan)) {
    start = open.next_ea;
  }
  if (eas.empty()) return fail(NtStatus::kNoEasOnFile);
  if (start >= eas.size()) return fail(NtStatus::kNoMoreEas);
  eas.erase(eas.begin(), eas.begin() + start);
  const bool one = (query.flags & Flags::kReturnSingleEntry) != 0;
  const size_t wanted = one ? 1 : eas.size();
  if (one) eas.resize(1);
  size_t count = 0;
  QueryAnswer answer;
  answer.data = wire::encode_full_eas(eas, query.output_buffer_length, &count);
  if (count == 0) return fail(NtStatus::kBufferTooSmall);
  if (count < wanted || (!complete && !one)) answer.status = NtStatus::kBufferOverflow;
  if (!by_name) open.next_ea = start + static_cast<uint32_t>(count);
  return answer;
}

Task<Result<void>> set_full_eas(Request& request, const wire::SetInfoRequest& set) {
  Open& open = *request.open;
  BRAID_CO_TRY(const auto eas, wire::decode_full_eas(set.buffer));
  BRAID_CO_CHECK(store_eas(open.whole_file(), eas));
  open.next_ea = 0;
  report_modified(request.files, open, wire::CompletionFilter::kEa);
  co_return Result<void>{};
}

}  // namespace braid::smb2

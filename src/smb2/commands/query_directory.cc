// [MS-SMB2] 3.3.5.18 "Receiving an SMB2 QUERY_DIRECTORY Request".
#include "wire/smb2/query_directory.h"

#include <algorithm>

#include "smb2/commands/commands.h"
#include "smb2/common/limits.h"
#include "smb2/connections/connection.h"
#include "smb2/files/access_check.h"
#include "smb2/files/compress_reply.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/shares/index_number.h"
#include "smb2/shares/posix_view.h"
#include "vfs/names.h"
#include "wire/fscc/directory_entry.h"
#include "wire/fscc/entry_list.h"
#include "wire/fscc/name_expression.h"
#include "wire/fscc/path_name.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::QueryDirectoryFlags;

// Names looked at for a single entry with a pattern: few of them are what is wanted, and what is
// read without being sent is looked at again.
constexpr size_t kNamesForSingle = 16;
// A short name in UTF-16, to guess how many entries a buffer holds.
constexpr size_t kUsualNameSize = 16;

wire::DirectoryEntry to_wire(const vfs::Volume& volume, const vfs::DirectoryEntry& entry) {
  const vfs::Attributes& attributes = entry.attributes;
  wire::DirectoryEntry out;
  out.creation_time = attributes.creation_time;
  out.last_access_time = attributes.access_time;
  out.last_write_time = attributes.write_time;
  out.change_time = attributes.change_time;
  out.end_of_file = attributes.is_directory() ? 0 : attributes.size;
  out.allocation_size = attributes.is_directory() ? 0 : attributes.allocation_size;
  out.file_attributes = attributes.dos_attributes;
  out.reparse_tag = attributes.reparse_tag;
  out.file_id = index_number(volume, attributes.key);
  std::memcpy(out.file_id_128.bytes.data(), &out.file_id, sizeof out.file_id);
  out.file_name = entry.name;
  return out;
}

wire::DirectoryEntry to_posix_wire(const vfs::Volume& volume, const vfs::DirectoryEntry& entry) {
  wire::DirectoryEntry out = to_wire(volume, entry);
  const wire::FilePosixInformation info = posix_information(volume, entry.attributes);
  out.end_of_file = info.end_of_file;
  out.allocation_size = info.allocation_size;
  out.device_id = info.device_id;
  out.number_of_links = info.number_of_links;
  out.mode = info.mode;
  out.owner = info.owner;
  out.group = info.group;
  out.file_name = posix_name(entry);
  return out;
}

// A pattern without wildcards is one look-up, however large the directory is. EINPROGRESS: not yet.
// As all of a listing it asks the directory that is open, wherever that is by now, and tells what
// is in it to who may list it.
Result<void> find_literal(EnumerationState& state) {
  vfs::Path alone;
  if (!alone.append(state.is_exact ? vfs::to_client(vfs::to_disk(state.pattern)) : state.pattern))
    return {};
  auto found = state.enumeration->find(state.pattern);
  if (!found && found.error().is_os(EINPROGRESS)) return fail(found.error());
  if (found && *found) state.pending.push_back(**std::move(found));
  return {};
}

// Of a POSIX open names are what they are on disk, and a pattern is of these.
wire::NameExpression expression_of(const EnumerationState& state) {
  return wire::NameExpression(state.pattern, state.is_exact ? wire::NameExpression::Case::kMatters
                                                            : wire::NameExpression::Case::kIgnored);
}

// A dot or blank at the end of a name is shown as another character, as most clients could not send
// such a name back. Patterns may be of either spelling.
bool fits(const wire::NameExpression& expression, std::string_view name, bool is_exact) {
  if (expression.matches(name)) return true;
  if (is_exact) return expression.matches(vfs::to_posix_client(vfs::to_disk(name)));
  const auto plain = vfs::with_plain_end(name);
  return plain && expression.matches(*plain);
}

// Access-based enumeration: takes out of the pending entries what the user may not read.
void hide_unreadable(Request& request, EnumerationState& state) {
  if (!request.tree_connect->share->hide_unreadable) return;
  const vfs::Path directory = current_path(request.files, *request.open);
  std::erase_if(state.pending, [&](const vfs::DirectoryEntry& entry) {
    return !is_visible(request, directory, entry);
  });
}

// What did not fit into the answer before may have changed or gone since.
void refresh_pending(EnumerationState& state) {
  std::vector<vfs::DirectoryEntry> still_there;
  for (size_t i = state.next_pending; i < state.pending.size(); ++i) {
    vfs::DirectoryEntry& entry = state.pending[i];
    if (state.enumeration->refresh(entry)) still_there.push_back(std::move(entry));
  }
  state.pending = std::move(still_there);
  state.next_pending = 0;
}

// Where a listing is, for a request that fails: nobody has got what it took out of it, and the
// client asks again, on another channel perhaps.
class Rollback {
 public:
  explicit Rollback(EnumerationState& state)
      : state_(state),
        position_(state.enumeration->position()),
        exhausted_(state.exhausted),
        answered_(state.answered) {}
  ~Rollback() {
    if (is_answered_) return;
    if (has_refilled_) {
      state_.pending = std::move(pending_);
      state_.enumeration->go_back(position_);
    }
    state_.next_pending = 0;
    state_.exhausted = exhausted_;
    state_.answered = answered_;
  }
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;

  // Before more is read: what was there at the beginning is kept.
  void refilling() {
    if (!std::exchange(has_refilled_, true)) pending_ = std::move(state_.pending);
    state_.pending.clear();
    state_.next_pending = 0;
  }
  void answered() { is_answered_ = true; }

 private:
  EnumerationState& state_;
  const vfs::Enumeration::Position position_;
  const bool exhausted_;
  const bool answered_;
  std::vector<vfs::DirectoryEntry> pending_;
  bool has_refilled_ = false;
  bool is_answered_ = false;
};

// How many names a turn compares with this pattern, be they as long as names can be.
size_t names_per_turn(const wire::NameExpression& expression) {
  const size_t words_per_name = wire::kComponentLengthMax * expression.words_per_character();
  return std::clamp<size_t>(kPatternWordsPerTurn / std::max<size_t>(words_per_name, 1), 1,
                            kNamesPerTurn);
}

// `batch`: how many entries are worth reading, which is about what the answer has room for. Between
// pieces of a directory in which little is wanted others have their turn.
Task<Result<void>> refill(Request& request, EnumerationState& state, size_t batch) {
  if (state.exhausted) co_return Result<void>{};
  const wire::NameExpression expression = expression_of(state);
  if (expression.is_literal()) {
    Result<void> looked = find_literal(state);
    while (!looked && looked.error().is_os(EINPROGRESS)) {
      BRAID_CO_CHECK(co_await request.seat.next_turn());
      looked = find_literal(state);
    }
    BRAID_CO_CHECK(looked);
    state.exhausted = true;
    hide_unreadable(request, state);
    co_return Result<void>{};
  }
  vfs::Enumeration::NameFilter filter;
  if (!expression.matches_all()) {
    filter = [&expression, is_exact = state.is_exact](std::string_view name) {
      return fits(expression, name, is_exact);
    };
    batch = std::min(batch == 1 ? kNamesForSingle : kNamesPerTurn, names_per_turn(expression));
  }
  // A batch may be hidden as a whole. After the end what is made later shows only when the client
  // starts over.
  for (;;) {
    BRAID_CO_TRY(const bool more, state.enumeration->next(batch, filter, state.pending));
    state.exhausted = !more;
    hide_unreadable(request, state);
    if (!state.pending.empty() || state.exhausted) co_return Result<void>{};
    BRAID_CO_CHECK(co_await request.seat.next_turn());
  }
}

Result<void> start_over(EnumerationState& state, const Open& open, std::string_view pattern) {
  state.is_exact = open.attributes.is_posix;
  if (state.enumeration) {
    BRAID_CHECK(state.enumeration->restart());
  } else {
    BRAID_TRY(state.enumeration, open.file->enumerate(state.is_exact ? vfs::NameRules::kExact
                                                                     : vfs::NameRules::kWindows));
  }
  state.pattern = pattern;
  state.pending.clear();
  state.next_pending = 0;
  state.answered = false;
  state.exhausted = false;
  return {};
}

}  // namespace

Task<Result<Reply>> handle_query_directory(Request& request) {
  wire::Reader reader = request.body();
  BRAID_CO_TRY(const auto query, wire::QueryDirectoryRequest::decode(reader));
  Open& open = *request.open;
  if (query.output_buffer_length > request.connection->negotiated.max_transact_size) {
    co_return fail(NtStatus::kInvalidParameter);
  }
  BRAID_CO_CHECK(request.check_credit_charge(query.file_name.size(), query.output_buffer_length));
  if (!open.attributes.is_directory) co_return fail(NtStatus::kInvalidParameter);
  const auto info_class = static_cast<wire::FileInfoClass>(query.file_information_class);
  const auto name_offset = wire::directory_name_offset(info_class);
  if (!name_offset || (info_class == wire::FileInfoClass::kPosix && !open.attributes.is_posix)) {
    co_return fail(NtStatus::kInvalidInfoClass);
  }
  if (!open.has_access(wire::Access::kFileListDirectory)) co_return fail(NtStatus::kAccessDenied);
  if (query.output_buffer_length < *name_offset) co_return fail(NtStatus::kInfoLengthMismatch);

  auto state = co_await open.enumeration.take(request.seat);
  BRAID_CO_CHECK(request.seat.check_wanted());
  if (!state->is_counted) {
    BRAID_CO_CHECK(open.memory.add(kEnumerationSize));
    state->is_counted = true;
  }
  const bool again =
      (query.flags & (QueryDirectoryFlags::kRestartScans | QueryDirectoryFlags::kReopen)) != 0;
  if (!state->enumeration || (query.flags & QueryDirectoryFlags::kReopen)) {
    if (query.file_name.empty()) co_return fail(NtStatus::kObjectNameInvalid);
    BRAID_CO_CHECK(start_over(*state, open, query.file_name));
  } else if (again) {
    const std::string pattern = query.file_name.empty() ? state->pattern : query.file_name;
    BRAID_CO_CHECK(start_over(*state, open, pattern));
  } else {
    refresh_pending(*state);
  }

  Rollback rollback(*state);
  Bytes buffer;
  wire::EntryListWriter list(buffer, query.output_buffer_length, 8);
  const vfs::Volume& volume = *open.tree_connect->share->volume;
  const bool single = (query.flags & QueryDirectoryFlags::kReturnSingleEntry) != 0;
  for (bool full = false; !full;) {
    if (state->next_pending == state->pending.size()) {
      const size_t room = query.output_buffer_length - list.size();
      const size_t batch =
          single ? 1 : std::clamp<size_t>(room / (*name_offset + kUsualNameSize), 1, kNamesPerTurn);
      if (list.count() > 0) BRAID_CO_CHECK(co_await request.seat.next_turn());
      rollback.refilling();
      BRAID_CO_CHECK(co_await refill(request, *state, batch));
      if (state->pending.empty()) break;
    }
    list.begin();
    vfs::DirectoryEntry& entry = state->pending[state->next_pending];
    wire::encode_directory_entry(
        info_class, state->is_exact ? to_posix_wire(volume, entry) : to_wire(volume, entry),
        list.writer());
    if (!list.end()) {
      full = true;
    } else {
      ++state->next_pending;
      full = single;
    }
  }
  BRAID_CO_CHECK(request.seat.check_wanted());
  if (list.count() == 0) {
    // An entry is there and the buffer cannot hold it.
    if (state->next_pending < state->pending.size()) {
      rollback.answered();  // names that were not asked for need not be looked at again
      co_return fail(NtStatus::kInfoLengthMismatch);
    }
    const bool first = !std::exchange(state->answered, true);
    rollback.answered();
    co_return fail(first ? NtStatus::kNoSuchFile : NtStatus::kNoMoreFiles);
  }
  state->answered = true;
  rollback.answered();
  wire::QueryDirectoryResponse response;
  response.output_buffer = buffer;
  Reply reply = reply_with(response);
  reply.compress = compress_reply(request, CompressionAsked::kNo, buffer.size());
  co_return reply;
}

}  // namespace braid::smb2

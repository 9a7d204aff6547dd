// The file information classes. [MS-SMB2] 3.3.5.20.1 and 3.3.5.21.1 "Handling SMB2_0_INFO_FILE";
// [MS-FSA] 2.1.5.12 "Server Requests a Query of File Information" and 2.1.5.15 "Server Requests
// Setting of File Information".
#include <algorithm>

#include "smb2/commands/info_handlers.h"
#include "smb2/commands/info_rows.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/shares/extended_attributes.h"
#include "smb2/shares/index_number.h"
#include "smb2/shares/posix_view.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/pipe_information.h"
#include "wire/fscc/stream_information.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::Access;
using wire::FileInfoClass;

// What most queries are answered from.
struct Seen {
  Request& request;
  Open& open;
  vfs::Attributes attributes;

  bool is_directory() const { return attributes.is_directory(); }
};

// `tell` says it of what is there.
template <auto tell>
Result<QueryAnswer> seen(Request& request, const wire::QueryInfoRequest&) {
  Open& open = *request.open;
  BRAID_TRY(const vfs::Attributes attributes, open.seen());
  return encoded(tell(Seen{request, open, attributes}));
}

// `tell` says it of the handle.
template <auto tell>
Result<QueryAnswer> of_open(Request& request, const wire::QueryInfoRequest&) {
  return encoded(tell(*request.open));
}

wire::FileBasicInformation basic(const Seen& seen) {
  return {.creation_time = seen.attributes.creation_time,
          .last_access_time = seen.attributes.access_time,
          .last_write_time = seen.attributes.write_time,
          .change_time = seen.attributes.change_time,
          .file_attributes = seen.attributes.dos_attributes};
}

wire::FileStandardInformation standard(const Seen& seen) {
  // [MS-FSA] 2.1.5.12.27: names that go are not counted any more.
  const auto& table = seen.request.files.file_table;
  uint32_t links =
      seen.is_directory() ? std::min(seen.attributes.nlink, 1u) : seen.attributes.nlink;
  links -= std::min(links, table.pending_links(seen.open.attributes.file_key));
  const bool delete_pending = links == 0 || table.is_delete_pending(seen.open.ref());
  return {.allocation_size = seen.is_directory() ? 0 : seen.attributes.allocation_size,
          .end_of_file = seen.is_directory() ? 0 : seen.attributes.size,
          .number_of_links = links,
          .delete_pending = delete_pending,
          .directory = seen.is_directory()};
}

wire::FileInternalInformation internal(const Seen& seen) {
  return {index_number(*seen.open.tree_connect->share->volume, seen.attributes.key)};
}

Result<QueryAnswer> ea(Request& request, const wire::QueryInfoRequest&) {
  BRAID_TRY(const uint32_t size, ea_size_of(request.open->whole_file()));
  return encoded(wire::FileEaInformation{size});
}

wire::FileAccessInformation access(const Open& open) { return {open.attributes.granted_access}; }

wire::FilePositionInformation position(const Open& open) { return {open.position}; }

wire::FileModeInformation mode(const Open& open) {
  using Mode = wire::FileModeInformation;
  return {open.mode.load() | (open.attributes.create_options &
                              (Mode::kNoIntermediateBuffering | Mode::kDeleteOnClose))};
}

wire::FileAlignmentInformation alignment(const Open&) { return {}; }

std::string name_with_stream(const FileServices& files, const Open& open) {
  std::string name = current_path(files, open).text();
  if (open.attributes.is_stream) name += ":" + open.stream_name();
  return name;
}

Result<QueryAnswer> all(Request& request, const wire::QueryInfoRequest&) {
  Open& open = *request.open;
  BRAID_TRY(const vfs::Attributes attributes, open.seen());
  const Seen seen{request, open, attributes};
  wire::FileAllInformation info;
  info.basic = basic(seen);
  info.standard = standard(seen);
  info.internal = internal(seen);
  BRAID_TRY(info.ea.ea_size, ea_size_of(open.whole_file()));
  info.access = access(open);
  info.position = position(open);
  info.mode = mode(open);
  info.name.file_name = "\\" + name_with_stream(request.files, open);
  return encoded(info);
}

// There are no 8.3 names: the name is its own alternate, as a file system without them has it.
Result<QueryAnswer> alternate_name(Request& request, const wire::QueryInfoRequest&) {
  const vfs::Path path = current_path(request.files, *request.open);
  return encoded(wire::FileNameInformation{std::string(path.name())});
}

Result<QueryAnswer> normalized_name(Request& request, const wire::QueryInfoRequest&) {
  if (request.connection->negotiated.dialect != wire::Dialect::kSmb311) {
    return fail(NtStatus::kNotSupported);
  }
  return encoded(wire::FileNameInformation{name_with_stream(request.files, *request.open)});
}

// Of the file, whichever of its streams is open.
Result<QueryAnswer> streams(Request& request, const wire::QueryInfoRequest& query) {
  std::vector<wire::FileStreamInformation> list;
  vfs::File& file = request.open->whole_file();
  BRAID_TRY(const auto attributes, file.stat());
  if (!attributes.is_directory()) {
    list.push_back({attributes.size, attributes.allocation_size, "::$DATA"});
  }
  auto named = file.streams();
  if (!named && !named.error().is_os(ENOTSUP)) return std::unexpected(named.error());
  if (named) {
    for (const vfs::StreamInfo& stream : *named) {
      list.push_back({stream.size, stream.allocation_size, ":" + stream.name + ":$DATA"});
    }
  }
  auto encoded_list = wire::encode_streams(list, query.output_buffer_length);
  QueryAnswer answer{.data = std::move(encoded_list.bytes)};
  if (encoded_list.count < list.size()) answer.status = NtStatus::kBufferOverflow;
  return answer;
}

wire::FileCompressionInformation compression(const Seen& seen) {
  using Info = wire::FileCompressionInformation;
  const bool compressed = seen.attributes.dos_attributes & vfs::dos::kCompressed;
  return {.compressed_file_size = seen.attributes.size,
          .compression_format = compressed ? Info::kFormatLznt1 : Info::kFormatNone};
}

wire::FileNetworkOpenInformation network_open(const Seen& seen) {
  return {.creation_time = seen.attributes.creation_time,
          .last_access_time = seen.attributes.access_time,
          .last_write_time = seen.attributes.write_time,
          .change_time = seen.attributes.change_time,
          .allocation_size = seen.is_directory() ? 0 : seen.attributes.allocation_size,
          .end_of_file = seen.is_directory() ? 0 : seen.attributes.size,
          .file_attributes = seen.attributes.dos_attributes};
}

wire::FileAttributeTagInformation attribute_tag(const Seen& seen) {
  return {seen.attributes.dos_attributes, seen.attributes.reparse_tag};
}

wire::FileIdInformation id(const Seen& seen) {
  wire::FileIdInformation info{.volume_serial_number = seen.attributes.key.device};
  const uint64_t number = internal(seen).index_number;
  std::memcpy(info.file_id.bytes.data(), &number, sizeof number);
  return info;
}

wire::FileStandardLinkInformation standard_link(const Seen& seen) {
  const auto info = standard(seen);
  return {.number_of_accessible_links = info.number_of_links,
          .total_number_of_links = seen.attributes.nlink,
          .delete_pending = info.delete_pending,
          .directory = info.directory};
}

Result<QueryAnswer> posix(Request& request, const wire::QueryInfoRequest&) {
  const Open& open = *request.open;
  BRAID_TRY(const vfs::Attributes attributes, open.seen());
  return encoded(posix_information(*open.tree_connect->share->volume, attributes));
}

// Windows reports a link and a pending delete for pipes.
wire::FileStandardInformation pipe_standard(const Open&) {
  return {.allocation_size = 4096, .end_of_file = 0, .number_of_links = 1, .delete_pending = true};
}

wire::FilePipeInformation pipe_modes(const Open&) { return {.read_mode = 1}; }

wire::FilePipeLocalInformation pipe_local(const Open& open) {
  return {.read_data_available = static_cast<uint32_t>(open.pipe->readable_size())};
}

wire::FilePipeRemoteInformation pipe_remote(const Open&) { return {}; }

constexpr Rights kAnyHandle = Rights::none();
constexpr Rights kReadAttributes = Rights::any_of(Access::kFileReadAttributes);
constexpr Rights kReadEa = Rights::any_of(Access::kFileReadEa);
constexpr Rights kWriteAttributes = Rights::any_of(Access::kFileWriteAttributes);
constexpr Rights kWriteData = Rights::any_of(Access::kFileWriteData);
constexpr Rights kWriteEa = Rights::any_of(Access::kFileWriteEa);
constexpr Rights kDelete = Rights::any_of(Access::kDelete);
constexpr QueryHandler kNotOfFiles = nullptr;
constexpr QueryHandler kNotOfPipes = nullptr;
constexpr InfoQuery kNoQuery = InfoQuery::never();
constexpr InfoSet kNoSet = InfoSet::never();
// What nobody is told this way, and what nobody sets, with whatever room and rights.
template <NtStatus status>
constexpr InfoQuery kRefused{0, kAnyHandle, refused_query<status>, kNotOfPipes};
template <NtStatus status>
constexpr InfoSet kRefusedSet{0, kAnyHandle, Changes::kOpen, refused_set<status>};

// Names in answers have room for one character at least, in whole 4 or 8 bytes. Below one entry of
// FileFullEaInformation is STATUS_BUFFER_TOO_SMALL, which needs the entry. For a link
// [MS-FSA] 2.1.5.15.7 asks for the rights on the directory only.
// clang-format off
constexpr InfoRow kFileRows[] = {
  {FileInfoClass::kBasic,           {40, kReadAttributes, seen<basic>, kNotOfPipes},          {40, kWriteAttributes, Changes::kFile, decoded<wire::FileBasicInformation, set_basic_info>}},
  {FileInfoClass::kStandard,        {24, kAnyHandle, seen<standard>, of_open<pipe_standard>}, kNoSet},
  {FileInfoClass::kInternal,        {8, kAnyHandle, seen<internal>, kNotOfPipes},             kNoSet},
  {FileInfoClass::kEa,              {4, kAnyHandle, ea, kNotOfPipes},                         kNoSet},
  {FileInfoClass::kAccess,          {4, kAnyHandle, of_open<access>, kNotOfPipes},            kNoSet},
  {FileInfoClass::kName,            kRefused<NtStatus::kNotSupported>,                        kNoSet},
  {FileInfoClass::kRename,          kNoQuery,                                                 {24, kDelete, Changes::kFile, decoded<wire::FileRenameInformation, rename_file>}},
  {FileInfoClass::kLink,            kNoQuery,                                                 {24, kAnyHandle, Changes::kFile, decoded<wire::FileLinkInformation, link_file>}},
  {FileInfoClass::kDisposition,     kNoQuery,                                                 {1, kDelete, Changes::kFile, decoded<wire::FileDispositionInformation, set_disposition>}},
  {FileInfoClass::kPosition,        {8, kAnyHandle, of_open<position>, kNotOfPipes},          {8, kAnyHandle, Changes::kOpen, decoded<wire::FilePositionInformation, set_position>}},
  {FileInfoClass::kFullEa,          {4, kReadEa, query_full_eas, kNotOfPipes},                {0, kWriteEa, Changes::kFile, set_full_eas}},
  {FileInfoClass::kMode,            {4, kAnyHandle, of_open<mode>, kNotOfPipes},              {4, kAnyHandle, Changes::kOpen, decoded<wire::FileModeInformation, set_mode>}},
  {FileInfoClass::kAlignment,       {4, kAnyHandle, of_open<alignment>, kNotOfPipes},         kNoSet},
  {FileInfoClass::kAll,             {104, kReadAttributes, all, kNotOfPipes},                 kNoSet},
  {FileInfoClass::kAllocation,      kNoQuery,                                                 {8, kWriteData, Changes::kFile, decoded<wire::FileAllocationInformation, set_allocation>}},
  {FileInfoClass::kEndOfFile,       kNoQuery,                                                 {8, kWriteData, Changes::kFile, decoded<wire::FileEndOfFileInformation, set_end_of_file>}},
  {FileInfoClass::kAlternateName,   {8, kAnyHandle, alternate_name, kNotOfPipes},             kNoSet},
  {FileInfoClass::kStream,          {32, kAnyHandle, streams, kNotOfPipes},                   kNoSet},
  {FileInfoClass::kPipe,            {8, kReadAttributes, kNotOfFiles, of_open<pipe_modes>},   {8, kWriteAttributes, Changes::kFile, refused_set<NtStatus::kInvalidInfoClass>}},
  {FileInfoClass::kPipeLocal,       {40, kReadAttributes, kNotOfFiles, of_open<pipe_local>},  kNoSet},
  {FileInfoClass::kPipeRemote,      {12, kReadAttributes, kNotOfFiles, of_open<pipe_remote>}, kNoSet},
  {FileInfoClass::kCompression,     {16, kAnyHandle, seen<compression>, kNotOfPipes},         kNoSet},
  {FileInfoClass::kObjectId,        kRefused<NtStatus::kNotSupported>,                        kRefusedSet<NtStatus::kNotSupported>},
  {FileInfoClass::kQuota,           kRefused<NtStatus::kInvalidParameter>,                    kRefusedSet<NtStatus::kNotSupported>},
  {FileInfoClass::kReparsePoint,    kRefused<NtStatus::kNotSupported>,                        kNoSet},
  {FileInfoClass::kNetworkOpen,     {56, kReadAttributes, seen<network_open>, kNotOfPipes},   kNoSet},
  {FileInfoClass::kAttributeTag,    {8, kReadAttributes, seen<attribute_tag>, kNotOfPipes},   kNoSet},
  {FileInfoClass::kValidDataLength, kNoQuery,                                                 {8, kWriteData, Changes::kFile, decoded<wire::FileValidDataLengthInformation, set_valid_data_length>}},
  {FileInfoClass::kShortName,       kNoQuery,                                                 {8, kDelete, Changes::kFile, refused_set<NtStatus::kNotSupported>}},
  {FileInfoClass::kSfioReserve,     kRefused<NtStatus::kNotSupported>,                        kRefusedSet<NtStatus::kNotSupported>},
  {FileInfoClass::kHardLink,        kRefused<NtStatus::kNotSupported>,                        kNoSet},
  {FileInfoClass::kNormalizedName,  {8, kAnyHandle, normalized_name, kNotOfPipes},            kNoSet},
  {FileInfoClass::kStandardLink,    {12, kAnyHandle, seen<standard_link>, kNotOfPipes},       kNoSet},
  {FileInfoClass::kId,              {24, kAnyHandle, seen<id>, kNotOfPipes},                  kNoSet},
  {FileInfoClass::kDispositionEx,   kNoQuery,                                                 {4, kDelete, Changes::kFile, decoded<wire::FileDispositionInformationEx, set_disposition_ex>}},
  {FileInfoClass::kRenameEx,        kNoQuery,                                                 {24, kDelete, Changes::kFile, decoded<wire::FileRenameInformationEx, rename_file_ex>}},
  {FileInfoClass::kPosix,           {112, kReadAttributes, posix, kNotOfPipes},               kNoSet},
};
// clang-format on

}  // namespace

const InfoRow* find_file_info(uint8_t info_class) {
  const auto found = std::ranges::find(kFileRows, info_class, &InfoRow::info_class);
  return found == std::end(kFileRows) ? nullptr : &*found;
}

}  // namespace braid::smb2

// [MS-SMB2] 3.3.5.20.1 "Handling SMB2_0_INFO_FILE"; [MS-FSA] 2.1.5.12 "Server Requests a Query of
// File Information".
#include <algorithm>

#include "smb2/commands/query_info_parts.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"
#include "smb2/files/open_name.h"
#include "smb2/shares/extended_attributes.h"
#include "smb2/shares/index_number.h"
#include "wire/fscc/file_information.h"
#include "wire/fscc/info_class.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/pipe_information.h"
#include "wire/fscc/stream_information.h"
#include "wire/smb2/access_mask.h"

namespace braid::smb2 {
namespace {

using wire::FileInfoClass;

wire::FileBasicInformation basic(const vfs::Attributes& attributes) {
  return {.creation_time = attributes.creation_time,
          .last_access_time = attributes.access_time,
          .last_write_time = attributes.write_time,
          .change_time = attributes.change_time,
          .file_attributes = attributes.dos_attributes};
}

wire::FileStandardInformation standard(const FileServices& files, const Open& open,
                                       const vfs::Attributes& attributes) {
  // [MS-FSA] 2.1.5.12.27: names that go are not counted any more.
  uint32_t links = attributes.is_directory() ? std::min(attributes.nlink, 1u) : attributes.nlink;
  links -= std::min(links, files.file_table.pending_links(open.attributes.file_key));
  const bool delete_pending = links == 0 || files.file_table.is_delete_pending(open.ref());
  return {.allocation_size = attributes.is_directory() ? 0 : attributes.allocation_size,
          .end_of_file = attributes.is_directory() ? 0 : attributes.size,
          .number_of_links = links,
          .delete_pending = delete_pending,
          .directory = attributes.is_directory()};
}

uint32_t mode_of(const Open& open) {
  using Mode = wire::FileModeInformation;
  return open.mode.load() |
         (open.attributes.create_options & (Mode::kNoIntermediateBuffering | Mode::kDeleteOnClose));
}

uint64_t index_number_of(const Open& open, const vfs::Attributes& attributes) {
  return index_number(*open.tree_connect->share->volume, attributes.key);
}

std::string name_with_stream(const FileServices& files, const Open& open) {
  std::string name = current_path(files, open).text();
  if (open.attributes.is_stream) name += ":" + open.stream_name();
  return name;
}

wire::FileAllInformation all(const FileServices& files, Open& open,
                             const vfs::Attributes& attributes) {
  wire::FileAllInformation info;
  info.basic = basic(attributes);
  info.standard = standard(files, open, attributes);
  info.internal.index_number = index_number_of(open, attributes);
  info.ea.ea_size = ea_size_of(open.whole_file());
  info.access.access_flags = open.attributes.granted_access;
  info.position.current_byte_offset = open.position;
  info.mode.mode = mode_of(open);
  info.name.file_name = "\\" + name_with_stream(files, open);
  return info;
}

// Of the file, whichever of its streams is open.
Result<QueryAnswer> streams(Open& open, const wire::QueryInfoRequest& query) {
  std::vector<wire::FileStreamInformation> list;
  vfs::File& file = open.whole_file();
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

Result<QueryAnswer> query_pipe_info(const Open& open, FileInfoClass info_class) {
  switch (info_class) {
    case FileInfoClass::kStandard: {
      // Windows reports a link and a pending delete for pipes.
      return encoded(wire::FileStandardInformation{
          .allocation_size = 4096, .end_of_file = 0, .number_of_links = 1, .delete_pending = true});
    }
    case FileInfoClass::kPipe:
      return encoded(wire::FilePipeInformation{.read_mode = 1});
    case FileInfoClass::kPipeLocal:
      return encoded(wire::FilePipeLocalInformation{
          .read_data_available = static_cast<uint32_t>(open.pipe->readable_size())});
    case FileInfoClass::kPipeRemote:
      return encoded(wire::FilePipeRemoteInformation{});
    default:
      return fail(NtStatus::kInvalidDeviceRequest);
  }
}

// What the handle must have been opened with. [MS-FSA] 2.1.5.12, class by class.
uint32_t needed_access(FileInfoClass info_class) {
  switch (info_class) {
    case FileInfoClass::kBasic:
    case FileInfoClass::kAll:
    case FileInfoClass::kNetworkOpen:
    case FileInfoClass::kAttributeTag:
      return wire::Access::kFileReadAttributes;
    case FileInfoClass::kFullEa:
      return wire::Access::kFileReadEa;
    default:
      return 0;
  }
}

}  // namespace

Result<QueryAnswer> query_file_info(Request& request, const wire::QueryInfoRequest& query) {
  Open& open = *request.open;
  const auto info_class = static_cast<FileInfoClass>(query.file_info_class);
  const auto minimum = wire::minimum_query_length(info_class);
  if (!minimum) return fail(NtStatus::kInvalidInfoClass);
  if (query.output_buffer_length < *minimum) return fail(NtStatus::kInfoLengthMismatch);
  if (open.is_pipe()) return query_pipe_info(open, info_class);
  if (const uint32_t needed = needed_access(info_class); needed && !open.has_access(needed)) {
    return fail(NtStatus::kAccessDenied);
  }
  BRAID_TRY(vfs::Attributes attributes, open.file->stat());

  switch (info_class) {
    case FileInfoClass::kBasic:
      return encoded(basic(attributes));
    case FileInfoClass::kStandard:
      return encoded(standard(request.files, open, attributes));
    case FileInfoClass::kInternal:
      return encoded(wire::FileInternalInformation{index_number_of(open, attributes)});
    case FileInfoClass::kEa:
      return encoded(wire::FileEaInformation{ea_size_of(open.whole_file())});
    case FileInfoClass::kFullEa:
      return query_full_eas(open, query);
    case FileInfoClass::kAccess:
      return encoded(wire::FileAccessInformation{open.attributes.granted_access});
    case FileInfoClass::kPosition:
      return encoded(wire::FilePositionInformation{open.position});
    case FileInfoClass::kMode:
      return encoded(wire::FileModeInformation{mode_of(open)});
    case FileInfoClass::kAlignment:
      return encoded(wire::FileAlignmentInformation{});
    case FileInfoClass::kAll:
      return encoded(all(request.files, open, attributes));
    // There are no 8.3 names: the name is its own alternate, as a file system without them has it.
    case FileInfoClass::kAlternateName:
      return encoded(
          wire::FileNameInformation{std::string(current_path(request.files, open).name())});
    case FileInfoClass::kStream:
      return streams(open, query);
    case FileInfoClass::kCompression:
      return encoded(wire::FileCompressionInformation{
          .compressed_file_size = attributes.size,
          .compression_format = attributes.dos_attributes & vfs::dos::kCompressed
                                    ? wire::FileCompressionInformation::kFormatLznt1
                                    : wire::FileCompressionInformation::kFormatNone});
    case FileInfoClass::kNetworkOpen:
      return encoded(wire::FileNetworkOpenInformation{
          .creation_time = attributes.creation_time,
          .last_access_time = attributes.access_time,
          .last_write_time = attributes.write_time,
          .change_time = attributes.change_time,
          .allocation_size = attributes.is_directory() ? 0 : attributes.allocation_size,
          .end_of_file = attributes.is_directory() ? 0 : attributes.size,
          .file_attributes = attributes.dos_attributes});
    case FileInfoClass::kAttributeTag:
      return encoded(
          wire::FileAttributeTagInformation{attributes.dos_attributes, attributes.reparse_tag});
    case FileInfoClass::kNormalizedName:
      if (request.connection->negotiated.dialect != wire::Dialect::kSmb311) {
        return fail(NtStatus::kNotSupported);
      }
      return encoded(wire::FileNameInformation{name_with_stream(request.files, open)});
    case FileInfoClass::kId: {
      wire::FileIdInformation id{.volume_serial_number = attributes.key.device};
      const uint64_t number = index_number_of(open, attributes);
      std::memcpy(id.file_id.bytes.data(), &number, sizeof number);
      return encoded(id);
    }
    case FileInfoClass::kStandardLink: {
      const auto info = standard(request.files, open, attributes);
      return encoded(
          wire::FileStandardLinkInformation{.number_of_accessible_links = info.number_of_links,
                                            .total_number_of_links = attributes.nlink,
                                            .delete_pending = info.delete_pending,
                                            .directory = info.directory});
    }
    // [MS-FSA] 2.1.5.12.13, .19, .22, .24, .25 and .26: what nobody is told this way.
    case FileInfoClass::kHardLink:
    case FileInfoClass::kName:
    case FileInfoClass::kObjectId:
    case FileInfoClass::kReparsePoint:
    case FileInfoClass::kSfioReserve:
      return fail(NtStatus::kNotSupported);
    case FileInfoClass::kQuota:
      return fail(NtStatus::kInvalidParameter);
    default:
      return fail(NtStatus::kInvalidInfoClass);
  }
}

}  // namespace braid::smb2

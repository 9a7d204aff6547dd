#include "client/file.h"

#include <algorithm>

#include "wire/fscc/set_information.h"
#include "wire/smb2/change_notify.h"
#include "wire/smb2/flush.h"
#include "wire/smb2/set_info.h"

namespace braid::client {

using wire::Command;

namespace {

// The bytes of a reply that has to be whole.
Result<Bytes> whole(NtStatus status, ByteView bytes) {
  if (status != NtStatus::kSuccess) return fail(status);
  return Bytes(bytes.begin(), bytes.end());
}

}  // namespace

Task<Result<Reply<wire::ReadResponse>>> File::read(uint64_t offset, uint32_t length,
                                                   uint32_t minimum_count) {
  wire::ReadRequest body;
  body.length = length;
  body.offset = offset;
  body.file_id = id();
  body.minimum_count = minimum_count;
  const Session& session = tree_->session();
  if (session.channel_count() > 0 && !session.connection().compression().algorithms.empty()) {
    body.flags |= wire::ReadFlags::kRequestCompressed;
  }
  BRAID_CO_TRY(auto reply, co_await tree_->call_for<wire::ReadResponse>(
                               make_request(Command::kRead, body, length)));
  if (reply.response.placed_owner) reply.body.data = reply.response.placed;
  co_return std::move(reply);
}

Task<Result<uint32_t>> File::write(uint64_t offset, Buffer data, uint32_t flags) {
  wire::WriteRequest body;
  body.offset = offset;
  body.file_id = id();
  body.flags = flags;
  Request request;
  request.header.command = Command::kWrite;
  request.payload_size = data.size();
  wire::Writer writer(request.message, 0);
  body.encode_head(writer, static_cast<uint32_t>(data.size()));
  request.payload = std::move(data);
  BRAID_CO_TRY(const auto reply, co_await tree_->call_for<wire::WriteResponse>(std::move(request)));
  co_return reply->count;
}

Task<Result<uint32_t>> File::write(uint64_t offset, ByteView data, uint32_t flags) {
  return write(offset, Buffer::copy_of(data), flags);
}

Task<Result<void>> File::flush() {
  co_return success_of(
      co_await tree_->call(make_request(Command::kFlush, wire::FlushRequest{.file_id = id()})));
}

Task<Result<wire::CloseResponse>> File::close(uint16_t flags) {
  BRAID_CO_TRY(const Response response,
               co_await tree_->call(make_request(
                   Command::kClose, wire::CloseRequest{.flags = flags, .file_id = id()})));
  // Closed by the try whose answer was lost.
  if (response.was_replayed && response.status() == NtStatus::kFileClosed) {
    co_return wire::CloseResponse{};
  }
  BRAID_CO_TRY(const auto reply, reply_of<wire::CloseResponse>(response));
  co_return reply.body;
}

Task<Result<Reply<wire::QueryInfoResponse>>> File::query_info(wire::QueryInfoRequest request) {
  request.file_id = id();
  const uint64_t size =
      std::max<uint64_t>(request.output_buffer_length, request.input_buffer.size());
  return tree_->call_for<wire::QueryInfoResponse>(make_request(Command::kQueryInfo, request, size));
}

Task<Result<Bytes>> File::query_info(wire::FileInfoClass info_class, uint32_t output_max) {
  wire::QueryInfoRequest request;
  request.info_type = wire::InfoType::kFile;
  request.file_info_class = static_cast<uint8_t>(info_class);
  request.output_buffer_length = output_max;
  BRAID_CO_TRY(const auto reply, co_await query_info(request));
  co_return whole(reply.status(), reply->output_buffer);
}

Task<Result<Bytes>> File::query_fs_info(wire::FsInfoClass info_class, uint32_t output_max) {
  wire::QueryInfoRequest request;
  request.info_type = wire::InfoType::kFilesystem;
  request.file_info_class = static_cast<uint8_t>(info_class);
  request.output_buffer_length = output_max;
  BRAID_CO_TRY(const auto reply, co_await query_info(request));
  co_return whole(reply.status(), reply->output_buffer);
}

Task<Result<Bytes>> File::query_security(uint32_t security_information, uint32_t output_max) {
  wire::QueryInfoRequest request;
  request.info_type = wire::InfoType::kSecurity;
  request.output_buffer_length = output_max;
  request.additional_information = security_information;
  BRAID_CO_TRY(const auto reply, co_await query_info(request));
  co_return whole(reply.status(), reply->output_buffer);
}

Task<Result<void>> File::set_info(wire::FileInfoClass info_class, Bytes buffer) {
  wire::SetInfoRequest body;
  body.info_type = wire::InfoType::kFile;
  body.file_info_class = static_cast<uint8_t>(info_class);
  body.file_id = id();
  body.buffer = buffer;
  co_return success_of(co_await tree_->call(make_request(Command::kSetInfo, body, buffer.size())));
}

Task<Result<void>> File::set_security(uint32_t security_information, Bytes descriptor) {
  wire::SetInfoRequest body;
  body.info_type = wire::InfoType::kSecurity;
  body.additional_information = security_information;
  body.file_id = id();
  body.buffer = descriptor;
  co_return success_of(
      co_await tree_->call(make_request(Command::kSetInfo, body, descriptor.size())));
}

Task<Result<void>> File::rename(std::string new_name, bool replace_if_exists) {
  wire::FileRenameInformation info;
  info.replace_if_exists = replace_if_exists;
  info.file_name = std::move(new_name);
  return set(wire::FileInfoClass::kRename, std::move(info));
}

Task<Result<void>> File::set_delete_pending(bool delete_pending) {
  wire::FileDispositionInformation info;
  info.delete_pending = delete_pending;
  return set(wire::FileInfoClass::kDisposition, info);
}

Request File::query_directory_request(wire::FileInfoClass info_class, std::string pattern,
                                      uint8_t flags, uint32_t output_max) const {
  wire::QueryDirectoryRequest body;
  body.file_information_class = static_cast<uint8_t>(info_class);
  body.flags = flags;
  body.file_id = id();
  body.file_name = std::move(pattern);
  body.output_buffer_length = output_max;
  return make_request(Command::kQueryDirectory, body, output_max);
}

Task<Result<Bytes>> File::query_directory(wire::FileInfoClass info_class, std::string pattern,
                                          uint8_t flags, uint32_t output_max) {
  BRAID_CO_TRY(const auto reply,
               co_await tree_->call_for<wire::QueryDirectoryResponse>(
                   query_directory_request(info_class, std::move(pattern), flags, output_max)));
  co_return whole(reply.status(), reply->output_buffer);
}

Task<Result<std::vector<wire::DirectoryEntry>>> File::list(std::string pattern,
                                                           wire::FileInfoClass info_class,
                                                           uint32_t output_max) {
  constexpr uint8_t kRestart = wire::QueryDirectoryFlags::kRestartScans;
  std::vector<wire::DirectoryEntry> all;
  uint8_t flags = kRestart;
  for (;;) {
    BRAID_CO_TRY(const Response response, co_await tree_->call(query_directory_request(
                                              info_class, pattern, flags, output_max)));
    // The try whose answer was lost may have moved on: those names would be missing.
    if (response.was_replayed && flags != kRestart) {
      all.clear();
      flags = kRestart;
      continue;
    }
    if (response.status() == NtStatus::kNoMoreFiles) co_return std::move(all);
    // A pattern that nothing matches.
    if (response.status() == NtStatus::kNoSuchFile && all.empty()) co_return std::move(all);
    BRAID_CO_TRY(const auto reply, reply_of<wire::QueryDirectoryResponse>(response));
    BRAID_CO_TRY(const Bytes buffer, whole(reply.status(), reply->output_buffer));
    BRAID_CO_TRY(auto entries, wire::decode_directory_entries(info_class, buffer));
    std::ranges::move(entries, std::back_inserter(all));
    flags = 0;
  }
}

Task<Result<Bytes>> File::ioctl(wire::Fsctl ctl_code, Bytes input, uint32_t output_max) {
  wire::IoctlRequest body;
  body.ctl_code = ctl_code;
  body.file_id = id();
  body.input = input;
  body.max_output_response = output_max;
  body.flags = wire::IoctlRequest::kFlagIsFsctl;
  BRAID_CO_TRY(const auto reply,
               co_await tree_->call_for<wire::IoctlResponse>(make_request(
                   Command::kIoctl, body, std::max<uint64_t>(input.size(), output_max))));
  co_return whole(reply.status(), reply->output);
}

// [MS-SMB2] 3.2.4.19 "Application Requests Locking of an Array of Byte Ranges". With a sequence the
// server can tell the second try of a LOCK from a second LOCK.
Task<Result<void>> File::lock(std::vector<wire::LockElement> locks, uint8_t sequence_number,
                              uint32_t sequence_index) {
  wire::LockRequest body;
  body.lock_sequence_number = sequence_number;
  body.lock_sequence_index = sequence_index;
  body.file_id = id();
  body.locks = std::move(locks);
  OperationBucket* bucket = nullptr;
  if (sequence_index == 0 && tree_->session().is_replaying()) {
    const auto found = std::ranges::find(buckets_, true, &OperationBucket::is_free);
    if (found != buckets_.end()) bucket = &*found;
  }
  if (bucket) {
    bucket->is_free = false;
    body.lock_sequence_index = static_cast<uint32_t>(bucket - buckets_.data()) + 1;
    body.lock_sequence_number = bucket->sequence_number;
  }
  Request request = make_request(Command::kLock, body);
  request.may_be_replayed = body.lock_sequence_index != 0;
  const auto response = co_await tree_->call(std::move(request));
  if (bucket) {
    bucket->sequence_number = (bucket->sequence_number + 1) & 0xF;
    bucket->is_free = true;
  }
  co_return success_of(response);
}

Task<Result<ExchangePtr>> File::start_lock(std::vector<wire::LockElement> locks) {
  wire::LockRequest body;
  body.file_id = id();
  body.locks = std::move(locks);
  return tree_->start(make_request(Command::kLock, body));
}

Task<Result<ExchangePtr>> File::start_notify(uint32_t completion_filter, uint16_t flags,
                                             uint32_t output_max) {
  wire::ChangeNotifyRequest body;
  body.flags = flags;
  body.output_buffer_length = output_max;
  body.file_id = id();
  body.completion_filter = completion_filter;
  return tree_->start(make_request(Command::kChangeNotify, body, output_max));
}

}  // namespace braid::client

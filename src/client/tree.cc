#include "client/tree.h"

#include <algorithm>

#include "client/file.h"
#include "wire/fscc/set_information.h"
#include "wire/smb2/tree_disconnect.h"

namespace braid::client {

using wire::Command;

namespace {

// [MS-SMB2] 3.3.5.9: a CREATE that reconnects brings its own, and one durable context excludes the
// others. The server knows only files again by it, not directories.
bool may_have_create_guid(const wire::CreateRequest& request) {
  const wire::CreateRequestContexts& contexts = request.contexts;
  return !contexts.durable_handle_request && !contexts.durable_handle_reconnect &&
         !contexts.durable_handle_request_v2 && !contexts.durable_handle_reconnect_v2 &&
         (request.create_options & wire::CreateOptions::kDirectoryFile) == 0;
}

// An acknowledgment whose answer was lost is one of a break that is over.
Result<void> acknowledged(const Result<Response>& response) {
  if (response && response->was_replayed) {
    switch (response->status()) {
      case NtStatus::kUnsuccessful:
      case NtStatus::kInvalidDeviceState:
      case NtStatus::kInvalidOplockProtocol:
      case NtStatus::kObjectNameNotFound:
      case NtStatus::kFileClosed:
        return {};
      default:
        break;
    }
  }
  return success_of(response);
}

}  // namespace

Task<Result<ExchangePtr>> Tree::start(Request request, size_t channel) {
  request.header.tree_id = id_;
  return session_->start(std::move(request), channel, wants_encryption());
}

Task<Result<std::vector<ExchangePtr>>> Tree::start_compound(std::vector<Request> requests,
                                                            size_t channel) {
  for (Request& request : requests) request.header.tree_id = id_;
  return session_->start_compound(std::move(requests), channel, wants_encryption());
}

Task<Result<Response>> Tree::call(Request request, size_t channel) {
  request.header.tree_id = id_;
  return session_->call(std::move(request), channel, wants_encryption());
}

Task<Result<void>> Tree::disconnect() {
  co_return success_of(
      co_await call(make_request(Command::kTreeDisconnect, wire::TreeDisconnectRequest{})));
}

Task<Result<FilePtr>> Tree::create(wire::CreateRequest request) {
  const auto self = shared_from_this();
  wire::CreateRequestContexts& contexts = request.contexts;
  if (session_->is_replaying() && may_have_create_guid(request)) {
    contexts.durable_handle_request_v2.emplace();
    crypto::random_bytes(contexts.durable_handle_request_v2->create_guid.bytes);
  }
  Request message = make_request(Command::kCreate, request);
  message.may_be_replayed = contexts.durable_handle_request_v2.has_value();
  BRAID_CO_TRY(auto reply, co_await call_for<wire::CreateResponse>(std::move(message)));
  co_return std::make_shared<File>(self, std::move(reply));
}

Task<Result<FilePtr>> Tree::open(std::string name, wire::AccessMask access,
                                 wire::CreateDisposition disposition, uint32_t options) {
  wire::CreateRequest request;
  request.desired_access = access;
  request.share_access = wire::ShareAccess::kAll;
  request.create_disposition = disposition;
  request.create_options = options;
  request.name = std::move(name);
  return create(std::move(request));
}

Task<Result<FilePtr>> Tree::open_directory(std::string name, wire::CreateDisposition disposition) {
  return open(std::move(name), wire::Access::kFileGenericRead, disposition,
              wire::CreateOptions::kDirectoryFile);
}

Task<Result<Bytes>> Tree::read_file(std::string name) {
  BRAID_CO_TRY(const FilePtr file, co_await open(std::move(name)));
  const uint64_t size = file->created().end_of_file;
  const uint32_t step = session_->connection().max_read_size();
  Bytes content;
  Result<void> outcome;
  while (outcome && content.size() < size) {
    const auto length = static_cast<uint32_t>(std::min<uint64_t>(step, size - content.size()));
    const auto reply = co_await file->read(content.size(), length);
    if (!reply) {
      outcome = fail(reply.error());
    } else {
      content.insert(content.end(), reply->body.data.begin(), reply->body.data.end());
    }
  }
  const auto closed = co_await file->close();
  BRAID_CO_CHECK(outcome);
  BRAID_CO_CHECK(closed);
  co_return std::move(content);
}

Task<Result<void>> Tree::write_file(std::string name, Bytes content) {
  BRAID_CO_TRY(const FilePtr file, co_await open(std::move(name), wire::Access::kFileGenericWrite,
                                                 wire::CreateDisposition::kOverwriteIf));
  const uint64_t step = session_->connection().max_write_size();
  Result<void> outcome;
  for (uint64_t offset = 0; outcome && offset < content.size();) {
    const ByteView rest = ByteView(content).subspan(offset);
    const auto count =
        co_await file->write(offset, rest.first(std::min<uint64_t>(step, rest.size())));
    if (!count) {
      outcome = fail(count.error());
    } else {
      offset += *count;
    }
  }
  const auto closed = co_await file->close();
  BRAID_CO_CHECK(outcome);
  BRAID_CO_CHECK(closed);
  co_return Result<void>{};
}

Task<Result<void>> Tree::unlink(std::string name) {
  BRAID_CO_TRY(const FilePtr file,
               co_await open(std::move(name), wire::Access::kDelete, wire::CreateDisposition::kOpen,
                             wire::CreateOptions::kOpenReparsePoint));
  const Result<void> marked = co_await file->set_delete_pending();
  const auto closed = co_await file->close();
  BRAID_CO_CHECK(marked);
  BRAID_CO_CHECK(closed);
  co_return Result<void>{};
}

Task<Result<void>> Tree::mkdir(std::string name) {
  BRAID_CO_TRY(const FilePtr directory,
               co_await open_directory(std::move(name), wire::CreateDisposition::kCreate));
  BRAID_CO_CHECK(co_await directory->close());
  co_return Result<void>{};
}

Task<Result<Bytes>> Tree::ioctl(wire::Fsctl ctl_code, Bytes input, uint32_t output_max) {
  wire::IoctlRequest body;
  body.ctl_code = ctl_code;
  body.file_id = FileId::all_ones();
  body.input = input;
  body.max_output_response = output_max;
  body.flags = wire::IoctlRequest::kFlagIsFsctl;
  BRAID_CO_TRY(const auto reply,
               co_await call_for<wire::IoctlResponse>(make_request(
                   Command::kIoctl, body, std::max<uint64_t>(input.size(), output_max))));
  if (reply.status() != NtStatus::kSuccess) co_return fail(reply.status());
  co_return Bytes(reply->output.begin(), reply->output.end());
}

Task<Result<void>> Tree::acknowledge(wire::OplockBreakAcknowledgment acknowledgment) {
  co_return acknowledged(co_await call(make_request(Command::kOplockBreak, acknowledgment)));
}

Task<Result<void>> Tree::acknowledge(wire::LeaseBreakAcknowledgment acknowledgment) {
  co_return acknowledged(co_await call(make_request(Command::kOplockBreak, acknowledgment)));
}

}  // namespace braid::client

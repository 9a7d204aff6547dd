#include <algorithm>

#include "smb2/commands/create/create.h"
#include "smb2/connections/connection.h"
#include "smb2/shares/index_number.h"
#include "smb2/shares/posix_view.h"
#include "vfs/names.h"
#include "wire/smb2/aapl.h"
#include "wire/smb2/error_response.h"

namespace braid::smb2 {

namespace {

std::optional<wire::LeaseContext> lease_context(const filestate::OpenDecision& caching) {
  if (!caching.lease) return std::nullopt;
  const filestate::LeaseGrant& grant = *caching.lease;
  wire::LeaseContext lease;
  lease.version = grant.version;
  lease.lease_key = grant.key;
  lease.lease_state = static_cast<uint32_t>(grant.state);
  if (grant.break_in_progress) lease.lease_flags |= wire::LeaseFlags::kBreakInProgress;
  if (grant.version == 2) {
    lease.epoch = grant.epoch;
    if (grant.parent_key) {
      lease.lease_flags |= wire::LeaseFlags::kParentLeaseKeySet;
      lease.parent_lease_key = *grant.parent_key;
    }
  }
  return lease;
}

// What macOS asks of a server; nothing for what is no such question. READDIRATTR is not among the
// answers, so names are listed with the attributes of [MS-FSCC] alone.
Bytes aapl_answer(ByteView asked) {
  wire::Reader reader(asked);
  const auto query = wire::AaplQuery::decode(reader);
  if (!query || query->command != wire::Aapl::kServerQuery) return {};
  const wire::AaplAnswer answer{
      .answered = query->asked &
                  (wire::Aapl::kServerCaps | wire::Aapl::kVolumeCaps | wire::Aapl::kModelInfo),
      .server_caps = wire::Aapl::kUnixBased,
      .volume_caps = wire::Aapl::kSupportsFullSync,
      .model = wire::Aapl::kServerModel};
  Bytes out;
  wire::Writer writer(out);
  answer.encode(writer);
  return out;
}

}  // namespace

Reply create_reply(const Request& request, const CreateState& state) {
  const vfs::Attributes& attributes = state.attributes;
  wire::CreateResponse response;
  response.oplock_level = static_cast<wire::OplockLevel>(state.caching.oplock);
  response.create_action = state.action;
  response.creation_time = attributes.creation_time;
  response.last_access_time = attributes.access_time;
  response.last_write_time = attributes.write_time;
  response.change_time = attributes.change_time;
  response.allocation_size = attributes.allocation_size;
  response.end_of_file = attributes.is_directory() ? 0 : attributes.size;
  response.file_attributes = attributes.dos_attributes;
  response.file_id = state.file_id;
  if (attributes.dos_attributes & vfs::dos::kReparsePoint) {
    response.flags |= wire::CreateResponse::kFlagReparsepoint;
  }
  const wire::CreateRequestContexts& asked = state.create.contexts;
  if (asked.query_maximal_access) {
    // [MS-SMB2] 3.3.5.9.5: a client that knows the file as it is needs no answer.
    const auto& timestamp = asked.query_maximal_access->timestamp;
    if (timestamp && timestamp->ticks != 0 && *timestamp == attributes.write_time) {
      response.contexts.query_maximal_access = {NtStatus::kNoneMapped, 0};
    } else {
      response.contexts.query_maximal_access = {NtStatus::kSuccess, state.maximal_access};
    }
  }
  if (asked.query_on_disk_id) {
    response.contexts.query_on_disk_id = {
        index_number(*request.tree_connect->share->volume, attributes.key), attributes.key.device};
  }
  response.contexts.response_lease = lease_context(state.caching);
  const Bytes aapl = asked.aapl ? aapl_answer(*asked.aapl) : Bytes();
  if (!aapl.empty()) response.contexts.aapl = aapl;
  Bytes owner;
  Bytes group;
  if (state.is_posix) {
    wire::Writer owner_writer(owner);
    posix_owner(attributes).encode(owner_writer);
    wire::Writer group_writer(group);
    posix_group(attributes).encode(group_writer);
    response.contexts.posix = {attributes.nlink, attributes.reparse_tag, posix_mode(attributes),
                               owner, group};
  }
  if (state.terms.durability != filestate::Durability::kNone) {
    if (asked.durable_handle_request_v2) {
      response.contexts.durable_handle_response_v2 = {
          .timeout_ms = static_cast<uint32_t>(state.terms.timeout.count()),
          .flags = state.terms.durability == filestate::Durability::kPersistent
                       ? wire::DurableHandleFlags::kPersistent
                       : 0};
    } else {
      response.contexts.durable_handle_response = true;
    }
  }
  Reply reply = reply_with(response);
  reply.file_id = state.file_id;
  return reply;
}

Reply symlink_reply(const Request& request, const CreateState& state, std::string target,
                    size_t components_consumed) {
  wire::SymbolicLinkErrorResponse link;
  // What the client has to append to the target: the components behind the link.
  size_t unparsed_units = 0;
  const auto components = state.name.path.components();
  for (size_t i = components_consumed; i < components.size(); ++i) {
    unparsed_units += 1 + vfs::utf16_units(components[i]);
  }
  link.unparsed_path_length = static_cast<uint16_t>(unparsed_units * 2);
  if (!target.starts_with('/')) link.flags = wire::SymbolicLinkErrorResponse::kFlagRelative;
  if (!state.is_posix) std::ranges::replace(target, '/', '\\');
  link.substitute_name = target;
  link.print_name = target;
  Reply reply{.status = NtStatus::kStoppedOnSymlink};
  reply.message.resize(wire::Header::kSize);
  wire::Writer writer(reply.message, 0);
  wire::encode_symbolic_link_error(writer, link,
                                   request.connection->negotiated.dialect == wire::Dialect::kSmb311
                                       ? wire::ErrorDataForm::kContext
                                       : wire::ErrorDataForm::kBare);
  return reply;
}

}  // namespace braid::smb2

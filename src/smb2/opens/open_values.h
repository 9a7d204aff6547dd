// What an Open is, apart from its session, its tree and its files. [MS-SMB2] 3.3.1.10 "Per Open".
//
// Each structure names its members once more in members(), for whatever does something with all of
// them: the compiler refuses one that is forgotten there.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>

#include "auth/identity.h"
#include "base/ids.h"
#include "filestate/types.h"
#include "vfs/vfs.h"
#include "wire/smb2/create.h"
#include "wire/smb2/create_context.h"

namespace braid::smb2 {

// What a CREATE decided.
struct OpenAttributes {
  FileKey file_key;   // as filestate knows it: of a stream its identity, whatever it is called
  uint64_t born = 0;  // vfs::Attributes::born, of the file
  uint32_t granted_access = 0;
  uint32_t share_access = 0;
  uint32_t create_options = 0;
  uint32_t create_disposition = 0;
  uint32_t file_attributes = 0;
  bool is_directory = false;
  bool is_stream = false;
  uint32_t maximal_access = 0;  // of the user, as it was then
  wire::CreateAction create_action = wire::CreateAction::kOpened;
  bool is_posix = false;  // by the rules of the SMB3 POSIX Extensions
};

// What an Open is known by besides its FileId.
struct OpenNames {
  std::optional<CreateGuid> create_guid;
  std::optional<AppInstanceId> app_instance_id;
  std::optional<wire::AppInstanceVersion> app_instance_version;
};

// Open.IsDurable, IsResilient and IsPersistent, and for how long after the loss of the connection:
// Open.DurableOpenTimeout, Open.ResiliencyTimeout.
struct DurableTerms {
  filestate::Durability durability = filestate::Durability::kNone;
  std::chrono::milliseconds timeout{0};
};

// Decided by its CREATE and never changed afterwards; the FileId is another one after a reconnect.
struct OpenValues {
  FileId file_id;
  OpenAttributes attributes;
  OpenNames names;
  std::shared_ptr<const auth::Identity> owner;  // Open.DurableOwner
  Credentials credentials;                      // of who opened it
  ClientGuid client_guid;
  filestate::UserId user;             // whose session it was opened in
  std::optional<LeaseKey> lease_key;  // asked for at its CREATE
  std::optional<LeaseKey> parent_lease_key;

  filestate::OpenRef ref() const {
    return {attributes.file_key, filestate::OpenToken{file_id.volatile_id}};
  }
  bool has_access(uint32_t any_of) const { return (attributes.granted_access & any_of) != 0; }
  // Whose directory lease its changes leave alone: [MS-SMB2] 3.3.5.9.11.
  std::optional<filestate::LeaseId> parent_lease() const {
    if (!parent_lease_key) return std::nullopt;
    return filestate::LeaseId{.client = client_guid, .key = *parent_lease_key, .user = user};
  }
};

// What requests change while the Open is there.
struct OpenChanges {
  DurableTerms durable_terms;
  vfs::Path path;
  bool is_modified = false;
  bool is_replay_eligible = false;
  vfs::TimeRules time_rules;
  uint64_t position = 0;
  uint32_t mode = 0;
  uint32_t next_ea = 0;
  int32_t flush_error = 0;
};

template <class Values, class Type>
concept ValuesOf = std::same_as<std::remove_const_t<Values>, Type>;

template <ValuesOf<FileKey> Values>
auto members(Values& values) {
  auto& [device, inode, stream] = values;
  return std::tie(device, inode, stream);
}

template <ValuesOf<OpenAttributes> Values>
auto members(Values& values) {
  auto& [file_key, born, granted_access, share_access, create_options, create_disposition,
         file_attributes, is_directory, is_stream, maximal_access, create_action, is_posix] =
      values;
  return std::tie(file_key, born, granted_access, share_access, create_options, create_disposition,
                  file_attributes, is_directory, is_stream, maximal_access, create_action,
                  is_posix);
}

template <ValuesOf<wire::AppInstanceVersion> Values>
auto members(Values& values) {
  auto& [high, low] = values;
  return std::tie(high, low);
}

template <ValuesOf<OpenNames> Values>
auto members(Values& values) {
  auto& [create_guid, app_instance_id, app_instance_version] = values;
  return std::tie(create_guid, app_instance_id, app_instance_version);
}

template <ValuesOf<DurableTerms> Values>
auto members(Values& values) {
  auto& [durability, timeout] = values;
  return std::tie(durability, timeout);
}

template <ValuesOf<vfs::TimeRules> Values>
auto members(Values& values) {
  auto& [access, write, change] = values;
  return std::tie(access, write, change);
}

template <ValuesOf<OpenValues> Values>
auto members(Values& values) {
  auto& [file_id, attributes, names, owner, credentials, client_guid, user, lease_key,
         parent_lease_key] = values;
  return std::tie(file_id, attributes, names, owner, credentials, client_guid, user, lease_key,
                  parent_lease_key);
}

template <ValuesOf<OpenChanges> Values>
auto members(Values& values) {
  auto& [durable_terms, path, is_modified, is_replay_eligible, time_rules, position, mode, next_ea,
         flush_error] = values;
  return std::tie(durable_terms, path, is_modified, is_replay_eligible, time_rules, position, mode,
                  next_ea, flush_error);
}

template <class Values>
concept HasMembers = requires(Values& values) { members(values); };

}  // namespace braid::smb2

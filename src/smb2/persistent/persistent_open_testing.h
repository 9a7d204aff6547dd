// A PersistentOpen with a value of its own in every member.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "smb2/opens/open_values_testing.h"
#include "smb2/persistent/persistent_open.h"

namespace braid::smb2 {

inline std::string hex(ByteView bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

inline PersistentOpen filled_open() {
  PersistentOpen open;
  Filler filler;
  filler.fill<OpenValues>(open);
  filler.fill(open.changes);
  const auto deleter = [&](std::string share) {
    Credentials who;
    filler.fill(who);
    return filestate::make_deleter(std::move(who), std::move(share));
  };
  open.attributes.is_directory = false;
  open.attributes.is_stream = true;
  open.attributes.create_action = wire::CreateAction::kCreated;
  open.changes.durable_terms.durability = filestate::Durability::kPersistent;
  open.stream = "stream";
  open.moving_to = "there";
  open.channel_sequence = 0x1234;
  open.stamp = FileStamp{.size = 0x99, .write_time = {0x98}};
  filestate::OpenImage& state = open.state;
  state.oplock = filestate::OplockLevel::kLease;
  state.lease = filestate::LeaseImage{.key = *open.lease_key,
                                      .state = filestate::Caching::kReadHandle,
                                      .version = 2,
                                      .epoch = 0x4321,
                                      .parent_key = open.parent_lease_key};
  state.is_sole_name = false;
  state.of_name = {.is_pending = true, .by_posix = true};
  state.of_name.deleters.add(deleter("one"));
  state.of_name.deleters.add(deleter("two"));
  state.of_stream.is_pending = true;
  state.of_stream.deleters.add(deleter("three"));
  state.delete_on_close = true;
  state.deletes_by_posix = true;
  state.deleter = deleter("four");
  state.locks = {{.offset = 5, .length = 6, .exclusive = true}, {.offset = 7, .length = 8}};
  state.lock_sequences[0] = 15;
  state.lock_sequences[63] = 3;
  return open;
}

// The least there is: a file that somebody has open under this number.
inline PersistentOpen plain_open(uint64_t persistent_id, std::string_view name = "file") {
  PersistentOpen open;
  open.file_id.persistent = persistent_id;
  open.attributes.file_key.inode = 0x77;
  open.attributes.born = 0x5600;
  open.changes.durable_terms = {filestate::Durability::kPersistent, std::chrono::seconds(60)};
  EXPECT_TRUE(open.changes.path.append(name));
  auto owner = std::make_shared<auth::Identity>();
  owner->account_name = "user";
  owner->user_sid = wire::Sid(5, {21, 1});
  open.owner = std::move(owner);
  open.credentials = std::make_shared<const UnixCredentials>(UnixCredentials{.uid = 1, .gid = 2});
  return open;
}

inline PersistentOpen leased_open(uint64_t persistent_id, filestate::Caching state) {
  PersistentOpen open = plain_open(persistent_id);
  open.client_guid = ClientGuid{{1}};
  open.lease_key = LeaseKey{{2}};
  open.state.oplock = filestate::OplockLevel::kLease;
  open.state.lease = filestate::LeaseImage{.key = *open.lease_key, .state = state, .version = 2};
  return open;
}

}  // namespace braid::smb2

// A FileTable with a sink that writes down what it is told, and short ways to ask for opens.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "filestate/file_table.h"
#include "store/worker_group_testing.h"

namespace braid::filestate {

inline constexpr FileKey kFile{1, 100, 0};
inline constexpr uint32_t kShareAll = kShareRead | kShareWrite | kShareDelete;
inline constexpr uint32_t kReadWriteAccess =
    kFileReadData | kFileWriteData | kFileReadAttributes | kSynchronize;
inline constexpr uint32_t kAllAccess = 0x001F01FF;  // FILE_ALL_ACCESS, [MS-FSA] 2.1.1.14

inline ClientGuid client(uint8_t number) {
  ClientGuid guid;
  guid.bytes[0] = number;
  return guid;
}
inline LeaseKey lease_key(uint8_t number) {
  LeaseKey key;
  key.bytes[0] = number;
  return key;
}

// "RWH" as the tests of the protocol write it.
inline Caching caching(std::string_view letters) {
  Caching state = Caching::kNone;
  for (const char letter : letters) {
    state = state | (letter == 'R'   ? Caching::kRead
                     : letter == 'W' ? Caching::kWrite
                                     : Caching::kHandle);
  }
  return state;
}
inline std::string letters(Caching state) {
  std::string text;
  if (has(state, Caching::kRead)) text += 'R';
  if (has(state, Caching::kWrite)) text += 'W';
  if (has(state, Caching::kHandle)) text += 'H';
  return text;
}

// Without the tag of its worker.
inline uint64_t number_of(OpenToken token) {
  return token.value & ((uint64_t{1} << store::WorkerTag::kNumberBits) - 1);
}

// With BRAID_SHARED_FILES in the environment every test's table keeps its files in records that it
// would share with other workers, and nowhere else: all rules hold there, too, and everything an
// event leaves behind is written and read before the next.
inline std::optional<store::TestGroup> group_for_tests() {
  std::optional<store::TestGroup> group;
  if (std::getenv("BRAID_SHARED_FILES")) group.emplace(2);
  return group;
}

class RecordingSink final : public BreakSink {
 public:
  void send_break(const Break& notification) override { breaks.push_back(notification); }
  void completed(const FileKey&, const Completion& completion) override {
    completions.push_back(completion);
  }
  void purged(const OpenRef& open, const CloseDecision& closed) override {
    purges.emplace_back(open, closed);
  }
  void orphaned(const OrphanedDeletion& deletion) override { orphans.push_back(deletion); }

  // "1: RWH->RH ack" for a lease break of key 1, "#7: level II ack" for an oplock break of open 7;
  // joined by "; " and forgotten.
  std::string take_breaks() {
    std::string text;
    for (const Break& each : std::exchange(breaks, {})) {
      if (!text.empty()) text += "; ";
      text += each.is_lease ? std::to_string(each.lease.key.bytes[0]) + ": " +
                                  letters(each.current_state) + "->" + letters(each.new_state)
                            : "#" + std::to_string(number_of(each.open)) + ": " +
                                  (each.new_level == OplockLevel::kNone ? "none" : "level II");
      if (each.ack_required) text += " ack";
      last_break = each;
    }
    return text;
  }
  std::vector<Completion> take_completions() { return std::exchange(completions, {}); }

  std::vector<Break> breaks;
  std::vector<Completion> completions;
  std::vector<std::pair<OpenRef, CloseDecision>> purges;
  std::vector<OrphanedDeletion> orphans;
  Break last_break;  // of those taken
};

struct TestTable {
  RecordingSink sink;
  std::optional<store::TestGroup> workers = group_for_tests();
  store::Group* group = workers ? workers->groups[0].get() : nullptr;
  FileTable table{sink, group, FileTable::Keeping::kNothing};
  uint64_t last_token = 0;

  OpenToken token(uint64_t number) const {
    return {group ? group->own_tag().tagged(number) : number};
  }

  // A request for reading and writing that shares everything and wants no caching.
  OpenRequest request(uint8_t of_client = 1) {
    OpenRequest request;
    request.token = token(++last_token);
    request.client_guid = client(of_client);
    request.session_id = {of_client};
    request.granted_access = kReadWriteAccess;
    request.share_access = kShareAll;
    return request;
  }
  OpenRequest oplock(OplockLevel level, uint8_t of_client = 1) {
    OpenRequest wanted = request(of_client);
    wanted.requested_oplock = level;
    return wanted;
  }
  // A lease of key `key`, of version 2 if an epoch is given.
  OpenRequest lease(uint8_t key, std::string_view state, int epoch = -1, uint8_t of_client = 1) {
    OpenRequest wanted = oplock(OplockLevel::kLease, of_client);
    wanted.lease = LeaseRequest{.key = lease_key(key), .state = caching(state)};
    if (epoch >= 0) {
      wanted.lease->version = 2;
      wanted.lease->epoch = static_cast<uint16_t>(epoch);
    }
    return wanted;
  }
  OpenDecision open(const OpenRequest& wanted, const FileKey& file = kFile) {
    return table.open(file, wanted);
  }
  // What a lease is now, as a client finds out: by asking for nothing with the same key.
  std::string lease_state(uint8_t key, const FileKey& file = kFile) {
    const OpenRequest probe = lease(key, "");
    const OpenDecision found = open(probe, file);
    table.close({file, probe.token});
    return found.lease ? letters(found.lease->state) : "no lease";
  }
  NtStatus ack(uint8_t key, std::string_view state, uint8_t of_client = 1) {
    return table.ack_lease({client(of_client), lease_key(key)}, caching(state)).status;
  }
  OpenRef ref(const OpenRequest& of, const FileKey& file = kFile) const { return {file, of.token}; }
};

}  // namespace braid::filestate

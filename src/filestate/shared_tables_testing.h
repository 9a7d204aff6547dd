// FileTables of two workers over one store.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "filestate/file_table.h"
#include "filestate/file_table_testing.h"

namespace braid::filestate {

// Two workers; client N is worker N's. Messages are not waited for: after each event everybody
// looks.
struct SharedTables {
  explicit SharedTables(store::RegionSizes sizes = {.buckets = 256, .arena_bytes = 8 << 20})
      : workers(2, sizes) {}

  store::TestGroup workers;
  std::array<RecordingSink, 2> sinks;
  std::array<std::unique_ptr<FileTable>, 2> tables{
      std::make_unique<FileTable>(sinks[0], workers.groups[0].get()),
      std::make_unique<FileTable>(sinks[1], workers.groups[1].get())};
  uint64_t last_number = 0;

  OpenRequest request(size_t worker) {
    OpenRequest wanted;
    wanted.token = {workers.groups[worker]->own_tag().tagged(++last_number)};
    wanted.client_guid = client(static_cast<uint8_t>(worker));
    wanted.user = {worker + 1};
    wanted.session_id = {worker};
    wanted.granted_access = kReadWriteAccess;
    wanted.share_access = kShareAll;
    wanted.path = std::make_shared<const std::string>("dir\\file");
    return wanted;
  }
  OpenRequest lease(size_t worker, uint8_t key, std::string_view state) {
    OpenRequest wanted = request(worker);
    wanted.requested_oplock = OplockLevel::kLease;
    wanted.lease = LeaseRequest{.key = lease_key(key), .state = caching(state)};
    return wanted;
  }
  OpenDecision open(size_t worker, const OpenRequest& wanted) {
    return tables[worker]->open(kFile, wanted);
  }
  std::string breaks_of(size_t worker) {
    tables[worker]->catch_up();
    return sinks[worker].take_breaks();
  }
  std::vector<Completion> completions_of(size_t worker) {
    tables[worker]->catch_up();
    return sinks[worker].take_completions();
  }
  // The worker is killed and the others hear of it.
  void kill(size_t worker) {
    workers.kill(worker);
    for (size_t i = 0; i < tables.size(); ++i) {
      if (i != worker) tables[i]->catch_up();
    }
  }
};

inline OpenRef ref(const OpenRequest& of) { return {kFile, of.token}; }

}  // namespace braid::filestate

// Home: which node has a record, as all nodes have it in a database of ctdb.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "store/record_store.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::store::cluster {

// Nodes of one cluster, by number. ctdb's own clusters are smaller.
inline constexpr uint32_t kNodesMax = 16;

// The record itself lies in the memory of that node's workers. Whoever wants it writes himself in
// here first, and then has it from the one who was here before: so there is a line, in which each
// knows whom he follows.
struct Home {
  static constexpr uint8_t kVersion = 1;

  uint32_t node = 0;
  uint64_t life = 0;  // of that node's keeper
  uint64_t turn = 0;  // grows by one with each that comes after another
  bool operator==(const Home&) const = default;

  // Unsupported: of another version.
  static Result<Home> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

// By which the home of a record is found.
Bytes home_key(const RecordKey& key);

// What a node says in the same database of who serves there, before anybody does. Processes by
// their numbers there: ctdbd knows whether they have ended.
struct Member {
  static constexpr uint8_t kVersion = 2;
  // Longer terms have no use, and nobody waits for the end of one that is made up.
  static constexpr uint32_t kTermMaxMs = 10'000;

  uint64_t life = 0;  // of its keeper
  uint32_t keeper = 0;
  uint32_t worker = 0;
  // How long it serves at most after it has found last that it is part of the cluster.
  uint32_t term_ms = 0;
  // Others go on without it when its term is over: it finds this here, or it does not look.
  bool is_over = false;
  bool operator==(const Member&) const = default;

  // Unsupported: of another version.
  static Result<Member> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};
Bytes member_key(uint32_t node);

RecordKey decode_key(wire::Reader& r);
void encode_key(wire::Writer& w, const RecordKey& key);

}  // namespace braid::store::cluster

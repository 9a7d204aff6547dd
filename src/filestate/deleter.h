// With whose rights something is deleted, and through which share; also as bytes, for what workers
// tell each other.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "filestate/credentials_codec.h"

namespace braid::filestate {

// Who was told that something will be deleted. The share is the one through which he asked: another
// one may lead to the same file and be mounted read-only.
struct DeleterRights {
  // Of a path, which each keeps and takes into a record.
  static constexpr size_t kPathMax = 1024;

  Credentials who;    // not null
  std::string share;  // its name
  // Of the file, as it was called there then: see OpenRequest::path. Empty where it is longer.
  std::string path;

  // What it takes in a record, about.
  size_t size() const { return who->groups.size() * sizeof(gid_t) + share.size() + path.size(); }

  friend bool operator==(const DeleterRights& a, const DeleterRights& b) {
    return a.share == b.share && *a.who == *b.who;
  }
};
using Deleter = std::shared_ptr<const DeleterRights>;

inline Deleter make_deleter(Credentials who, std::string share, std::string path = {}) {
  if (path.size() > DeleterRights::kPathMax) path.clear();
  return std::make_shared<const DeleterRights>(std::move(who), std::move(share), std::move(path));
}

// All who were told so of one thing, the first first: when one has lost the right meanwhile, the
// next still has it.
class Deleters {
 public:
  // Of some more than these the deletion does not depend: each takes room in a record.
  static constexpr size_t kMost = 4;

  void add(const Deleter& deleter) {
    if (!deleter || all_.size() == kMost) return;
    const auto is_same = [&](const Deleter& each) { return *each == *deleter; };
    if (std::ranges::none_of(all_, is_same)) all_.push_back(deleter);
  }
  void clear() { all_.clear(); }
  bool empty() const { return all_.empty(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  std::vector<Deleter> all_;
};

inline void encode_deleter(const DeleterRights& deleter, wire::Writer& w) {
  encode_credentials(deleter.who, w);
  w.u32(static_cast<uint32_t>(deleter.share.size()));
  w.bytes(as_bytes(deleter.share));
  w.u32(static_cast<uint32_t>(deleter.path.size()));
  w.bytes(as_bytes(deleter.path));
}

inline Deleter decode_deleter(wire::Reader& r) {
  Credentials who = decode_credentials(r);
  r.expect(who != nullptr);
  const uint32_t share_size = r.u32();
  std::string share(as_text(r.bytes(share_size)));
  const uint32_t path_size = r.u32();
  r.expect(path_size <= DeleterRights::kPathMax);
  return make_deleter(std::move(who), std::move(share), std::string(as_text(r.bytes(path_size))));
}

inline void encode_deleters(const Deleters& deleters, wire::Writer& w) {
  w.u8(static_cast<uint8_t>(std::ranges::distance(deleters)));
  for (const Deleter& each : deleters) encode_deleter(*each, w);
}

inline Deleters decode_deleters(wire::Reader& r) {
  Deleters deleters;
  const size_t count = r.u8();
  r.expect(count <= Deleters::kMost);
  for (size_t i = 0; i < count && r.ok(); ++i) {
    const Deleter deleter = decode_deleter(r);
    if (r.ok()) deleters.add(deleter);
  }
  return deleters;
}

}  // namespace braid::filestate

// The names of a file by which it is open: what is deleted, renamed and pending for itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filestate/deleter.h"
#include "filestate/indexed_set.h"
#include "filestate/open_record.h"
#include "filestate/part_table.h"
#include "filestate/types.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::filestate {

// Link, [MS-FSA] 2.1.1.4 "Per Link": a name of a file, by which at least one open of it or of one
// of its streams was opened, or which is just being removed. Two opens have the same link when
// their paths are the same, or when the file had no other name either time: then something local
// has moved it.
struct Link {
  SharedPath path;                 // as far as is known: null for a file without a name
  bool delete_pending = false;     // Link.IsDeleted
  bool is_sole{};                  // the file had no other name when it was opened last by this one
  bool unlinks_by_posix = false;   // Link.DeleteUsingPosixSemantics
  bool is_being_unlinked = false;  // by those, while it is open; end_delete() ends it
  bool is_removed = false;         // it is gone from the disk, and its opens go on without a name
  uint32_t opens = 0;
  Account account{};  // of who opened the file by it first
  Deleters deleters;  // with whose rights it is removed, with `delete_pending`
  uint32_t part = kNoPart;
  size_t slot{};

  std::string_view key() const { return path ? std::string_view(*path) : std::string_view(); }
  bool is_at_known_path() const { return path && !is_removed; }
  bool is_deleted_by_last() const { return delete_pending && !is_removed && !is_being_unlinked; }
};

// Owned by the state of the file itself, for all its streams. Thread: as that.
//
// In records the first of them belongs to the file's value, since hardly any file is open by two
// names; others are parts.
class Links {
 public:
  explicit Links(PartTable* parts) : parts_(parts) {}
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // The one with this path.
  Link* find(std::string_view path) {
    if (has_first_ && first_.key() == path) return &first_;
    return others_.find(path);
  }
  const Link* find(std::string_view path) const { return const_cast<Links*>(this)->find(path); }
  // The one that an open by `path` is of: null if there is none yet.
  Link* meant(std::string_view path, bool is_sole) {
    if (Link* const same = find(path)) return same;
    if (!is_sole || has_first_ + others_.size() != 1) return nullptr;
    Link& only = has_first_ ? first_ : others_.back();
    return only.is_sole && !only.is_removed ? &only : nullptr;
  }
  // REQUIRES: none has this path.
  Link& add(SharedPath path, bool is_sole, Account account) {
    if (!has_first_) {
      has_first_ = true;
      first_ = {.path = std::move(path), .is_sole = is_sole, .account = account};
      return first_;
    }
    auto made = std::make_unique<Link>();
    made->path = std::move(path);
    made->is_sole = is_sole;
    made->account = account;
    Link& link = others_.insert(std::move(made));
    if (parts_) link.part = parts_->add(&link, 0);
    return link;
  }
  // REQUIRES: no open has it.
  void remove(Link& link) {
    if (&link == &first_) {
      has_first_ = false;
      first_ = {};
      return;
    }
    if (parts_) parts_->remove(link.part);
    others_.take(link);
  }
  // REQUIRES: no other has this path.
  void set_path(Link& link, SharedPath path) {
    if (&link == &first_) {
      first_.path = std::move(path);
      return;
    }
    std::unique_ptr<Link> taken = others_.take(link);
    taken->path = std::move(path);
    others_.insert(std::move(taken));
    touch(link);
  }
  // Whoever changes one that another worker has to know says so.
  void touch(const Link& link) {
    if (parts_ && link.part != kNoPart) parts_->touch(link.part);
  }

  // Its opens go on without a name.
  void set_removed(std::string_view path) {
    Link* const link = find(path);
    if (!link || link->opens == 0) return;
    link->is_removed = true;
    link->delete_pending = link->unlinks_by_posix = link->is_being_unlinked = false;
    link->deleters.clear();
    // What no path is, and no other one's.
    std::string none(1, '\0');
    none += std::to_string(++removed_) + '\0' + std::string(path);
    set_path(*link, std::make_shared<const std::string>(std::move(none)));
  }
  // Those without opens.
  template <class Test>
  void remove_unless(Test stays) {
    std::vector<Link*> idle;
    for_each([&](const Link& link) {
      if (link.opens == 0 && !stays(link)) idle.push_back(const_cast<Link*>(&link));
    });
    for (Link* const link : idle) remove(*link);
  }

  template <class Visit>
  void for_each(Visit visit) const {
    if (has_first_) visit(first_);
    for (const auto& link : others_) visit(*link);
  }
  uint32_t pending() const {
    uint32_t count = 0;
    for_each([&](const Link& link) { count += link.delete_pending && !link.is_removed; });
    return count;
  }
  bool empty() const { return !has_first_ && others_.empty(); }
  // REQUIRES: no open has any.
  void clear() {
    has_first_ = false;
    first_ = {};
    while (!others_.empty()) remove(others_.back());
  }

  // The part of the file's value, and of what has others: see FileNode::may_have_path().
  void encode_head(wire::Writer& w) const {
    w.u32(static_cast<uint32_t>(others_.size()));
    w.u64(removed_);
    w.u8(has_first_);
    if (has_first_) encode(first_, w);
  }
  void decode_head(wire::Reader& r) {
    const uint32_t others = r.u32();
    r.expect(others == others_.size());
    removed_ = r.u64();
    has_first_ = r.u8() != 0;
    const uint32_t opens = first_.opens;  // counted already
    first_ = {};
    if (has_first_) decode(first_, r);
    first_.opens = opens;
    r.expect(has_first_ || opens == 0);
    r.expect(!has_first_ || !others_.find(first_.key()));
  }
  Account encode_part(const Link& link, wire::Writer& w) const {
    encode(link, w);
    return link.account;
  }
  // Whether one of them may be so: of `r`, what encode_head() wrote.
  static bool may_have_path(wire::Reader& r, const std::function<bool(std::string_view)>& is) {
    if (r.u32() != 0) return true;
    (void)r.u64();
    if (r.u8() == 0) return false;
    r.u8();
    (void)r.as<Account>();
    const uint32_t size = r.u32();
    const ByteView path = r.bytes(size);
    return r.ok() && is(as_text(path));
  }
  // Before its path is put(): for several that change places.
  void blank(Link& link) {
    std::unique_ptr<Link> taken = others_.take(link);
    // No path begins so.
    std::string none(1, '\0');
    none += std::to_string(link.part);
    taken->path = std::make_shared<const std::string>(std::move(none));
    others_.insert(std::move(taken));
  }
  // What another worker made part `number`. Opens that had it keep it.
  void put(uint32_t number, wire::Reader& r) {
    Link* const before = parts_->at(number).as<Link>();
    std::unique_ptr<Link> link = before ? others_.take(*before) : std::make_unique<Link>();
    const uint32_t opens = link->opens;
    decode(*link, r);
    link->opens = opens;
    r.expect(others_.find(link->key()) == nullptr);
    link->part = number;
    Link& added = others_.insert(std::move(link));
    if (!before) parts_->put(number, &added, 0);
  }
  // False if it cannot be gone yet.
  bool take_out(Link& link) {
    if (link.opens != 0) return false;
    parts_->take_out(link.part);
    others_.take(link);
    return true;
  }
  // The link that an open's part names: kNoPart for the first.
  Link* at(uint32_t part) { return part == kNoPart ? &first_ : parts_->at(part).as<Link>(); }

 private:
  static void encode(const Link& link, wire::Writer& w) {
    w.u8(static_cast<uint8_t>(link.delete_pending | link.is_sole << 1 | link.is_removed << 2 |
                              (link.path != nullptr) << 3 | link.unlinks_by_posix << 4 |
                              link.is_being_unlinked << 5));
    w.value(link.account);
    const std::string_view path = link.key();
    w.u32(static_cast<uint32_t>(path.size()));
    w.bytes(as_bytes(path));
    encode_deleters(link.deleters, w);
  }
  static void decode(Link& link, wire::Reader& r) {
    const uint8_t flags = r.u8();
    link.delete_pending = (flags & 1) != 0;
    link.is_sole = (flags & 2) != 0;
    link.is_removed = (flags & 4) != 0;
    link.unlinks_by_posix = (flags & 16) != 0;
    link.is_being_unlinked = (flags & 32) != 0;
    link.account = r.as<Account>();
    const uint32_t size = r.u32();
    const ByteView path = r.bytes(size);
    link.path = flags & 8 ? std::make_shared<const std::string>(as_text(path)) : nullptr;
    r.expect((flags & 8) != 0 || size == 0);
    link.deleters = decode_deleters(r);
  }

  PartTable* const parts_;
  uint64_t removed_{};  // not below the number of any
  bool has_first_ = false;
  Link first_;
  IndexedSet<Link, std::string_view> others_;
};

}  // namespace braid::filestate

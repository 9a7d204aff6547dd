#include "filestate/file_node.h"

#include <algorithm>
#include <vector>

#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::filestate {
namespace {

// Each output's first byte.
enum class OutputKind : uint8_t { kBreak, kCompletion, kPurged };

void encode_path(const SharedPath& path, wire::Writer& w) {
  w.u8(path != nullptr);
  if (!path) return;
  w.u32(static_cast<uint32_t>(path->size()));
  w.bytes(as_bytes(*path));
}

SharedPath decode_path(wire::Reader& r) {
  if (r.u8() == 0) return nullptr;
  const uint32_t size = r.u32();
  return std::make_shared<const std::string>(as_text(r.bytes(size)));
}

void encode_break(const Break& each, wire::Writer& w) {
  w.u64(each.id.serial);
  w.u8(static_cast<uint8_t>(each.ack_required | each.is_lease << 1));
  w.u64(each.holder.value);
  w.u64(each.open.value);
  w.u64(each.persistent_id);
  w.u64(each.session.value);
  w.value(each.new_level);
  w.id128(each.lease.client);
  w.id128(each.lease.key);
  w.u64(each.lease.user.value);
  w.value(each.current_state);
  w.value(each.new_state);
  w.u16(each.new_epoch);
}

Break decode_break(const FileKey& file, wire::Reader& r) {
  Break each;
  each.id = {file, r.u64()};
  const uint8_t flags = r.u8();
  each.ack_required = (flags & 1) != 0;
  each.is_lease = (flags & 2) != 0;
  each.holder = {r.u64()};
  each.open = {r.u64()};
  each.persistent_id = r.u64();
  each.session = {r.u64()};
  each.new_level = r.as<OplockLevel>();
  each.lease.client = r.id128<ClientGuid>();
  each.lease.key = r.id128<LeaseKey>();
  each.lease.user = {r.u64()};
  each.current_state = r.as<Caching>();
  each.new_state = r.as<Caching>();
  each.new_epoch = r.u16();
  return each;
}

void encode_output(const Output& output, wire::Writer& w) {
  w.value(static_cast<OutputKind>(output.what.index()));
  w.u32(output.to.value);
  w.u64(output.order);
  w.u64(output.file.stream);
  if (const auto* each = std::get_if<Break>(&output.what)) {
    encode_break(*each, w);
  } else if (const auto* completion = std::get_if<Completion>(&output.what)) {
    w.value(completion->kind);
    w.u64(completion->token.value);
    w.u64(completion->lock.value);
    w.u32(static_cast<uint32_t>(completion->status));
  } else {
    const auto& purged = std::get<PurgedOpen>(output.what);
    w.u64(purged.open.token.value);
    w.u8(purged.delete_now);
    w.u64(purged.file.stream);
    w.u8(purged.stream_too);
    encode_path(purged.path, w);
    encode_deleters(purged.link_deleters, w);
    encode_deleters(purged.stream_deleters, w);
  }
}

Output decode_output(const FileKey& node, wire::Reader& r) {
  Output output;
  const auto kind = r.as<OutputKind>();
  output.to = {r.u32()};
  output.order = r.u64();
  output.file = {node.device, node.inode, r.u64()};
  switch (kind) {
    case OutputKind::kBreak:
      output.what = decode_break(output.file, r);
      return output;
    case OutputKind::kCompletion: {
      Completion completion;
      completion.kind = r.as<Completion::Kind>();
      r.expect(completion.kind <= Completion::Kind::kLock);
      completion.token = {r.u64()};
      completion.lock = {r.u64()};
      completion.status = static_cast<NtStatus>(r.u32());
      output.what = completion;
      return output;
    }
    case OutputKind::kPurged: {
      PurgedOpen purged;
      purged.open = {output.file, {r.u64()}};
      purged.delete_now = r.u8() != 0;
      purged.file = {node.device, node.inode, r.u64()};
      purged.stream_too = r.u8() != 0;
      purged.path = decode_path(r);
      purged.link_deleters = decode_deleters(r);
      purged.stream_deleters = decode_deleters(r);
      output.what = std::move(purged);
      return output;
    }
  }
  r.fail(Error::malformed());
  return output;
}

// What a part of a record begins with.
struct PartHead {
  size_t kind = 0;  // the index in PartThing
  uint64_t stream = 0;
};
constexpr size_t kNothing = 0, kStreamHead = 1, kHeldLock = 2, kLockWait = 3, kLease = 4, kOpen = 5,
                 kWaiter = 6, kOutput = 7, kLink = 8;
static_assert(std::is_same_v<std::variant_alternative_t<kHeldLock, PartThing>, HeldLock>);
static_assert(std::is_same_v<std::variant_alternative_t<kOutput, PartThing>, Output*>);
static_assert(std::is_same_v<std::variant_alternative_t<kLink, PartThing>, Link*>);

PartHead decode_part_head(wire::Reader& r) {
  const size_t kind = r.u8();
  return {kind, r.u64()};
}

// What another worker made of a node: the old goes before the new comes, and what is referred to
// after and before what refers to it.
class Taking {
 public:
  Taking(FileNode& node, std::span<const FileNode::PartValue> values) : node_(node) {
    for (const auto& [number, value] : values) {
      New& part = new_.emplace_back(number, PartHead{}, wire::Reader(value));
      if (!value.empty()) part.head = decode_part_head(part.rest);
    }
  }

  bool run() {
    if (!take_out(kOpen) || !take_out(kWaiter) || !take_out(kOutput) || !take_out(kLease) ||
        !take_out(kLockWait) || !take_out(kHeldLock) || !take_out(kStreamHead) ||
        !take_out(kLink)) {
      return false;
    }
    // Names may have changed places.
    for (const New& part : new_) {
      Link* const link = node_.parts->at(part.number).as<Link>();
      if (link) links().blank(*link);
    }
    for (const size_t kind :
         {kStreamHead, kLink, kHeldLock, kLockWait, kLease, kOpen, kWaiter, kOutput}) {
      for (New& part : new_) {
        if (part.head.kind == kind && !put(part)) return false;
      }
    }
    node_.for_each_state([](FileState& state) { state.settle(); });
    const bool all_are_known =
        std::ranges::all_of(new_, [](const New& part) { return part.head.kind <= kLink; });
    return all_are_known && std::ranges::all_of(leases_, [&](uint32_t number) {
             const Lease* const lease = node_.parts->at(number).as<Lease>();
             return !lease || lease->opens != 0;
           });
  }

  std::vector<FileNode::EndedLease> ended;

 private:
  struct New {
    uint32_t number;
    PartHead head;
    wire::Reader rest;
  };

  Links& links() { return node_.main.links(); }
  FileKey key(uint64_t stream) const {
    return {node_.main.key().device, node_.main.key().inode, stream};
  }

  bool take_out(size_t kind) {
    return std::ranges::all_of(new_, [&](const New& part) {
      const Part& old = node_.parts->at(part.number);
      if (old.thing.index() != kind || stays(old, part)) return true;
      return take_out(part.number, old);
    });
  }
  // Leases and streams that are the same only become what they are now: others refer to them.
  static bool stays(const Part& old, const New& part) {
    if (part.head.kind != old.thing.index() || part.head.stream != old.stream) return false;
    if (part.head.kind == kStreamHead || part.head.kind == kLink) return true;
    if (part.head.kind != kLease) return false;
    wire::Reader r = part.rest;
    LeaseId id;
    id.client = r.id128<ClientGuid>();
    id.key = r.id128<LeaseKey>();
    id.user = {r.u64()};
    return old.as<Lease>()->id == id;
  }
  bool take_out(uint32_t number, const Part& old) {
    if (Output* const output = old.as<Output>()) {
      node_.outbox.take(*output);
      node_.parts->take_out(number);
      return true;
    }
    if (Link* const link = old.as<Link>()) return links().take_out(*link);
    if (const OpenRecord* const open = old.as<OpenRecord>(); open && open->lease) {
      leases_.push_back(open->lease->part);
    }
    if (const Lease* const lease = old.as<Lease>()) ended.push_back({lease->id, key(old.stream)});
    FileState* const state = node_.find(key(old.stream));
    if (!std::holds_alternative<StreamHead>(old.thing)) return state->take_out(number);
    if (!state->is_empty() || state->has_locks()) return false;
    std::erase_if(node_.streams, [&](const auto& stream) { return stream.get() == state; });
    node_.parts->take_out(number);
    return true;
  }

  bool put(New& part) {
    wire::Reader& r = part.rest;
    if (part.head.kind == kOutput) {
      put_output(part);
      return r.ok() && r.remaining() == 0;
    }
    if (part.head.kind == kLink) {
      if (part.head.stream != 0) return false;
      links().put(part.number, r);
      return r.ok() && r.remaining() == 0;
    }
    FileState* state = node_.find(key(part.head.stream));
    if (part.head.kind == kStreamHead) {
      if (part.head.stream == 0) return false;
      if (!state) {
        state = node_.streams
                    .emplace_back(std::make_unique<FileState>(
                        key(part.head.stream), 0, node_.parts.get(), part.number, &links()))
                    .get();
      }
      state->decode_head(r);
    } else if (!state) {
      return false;
    } else if (part.head.kind == kHeldLock) {
      state->put_held_lock(part.number, r);
    } else if (part.head.kind == kLockWait) {
      state->put_lock_wait(part.number, r);
    } else if (part.head.kind == kLease) {
      state->put_lease(part.number, r);
      leases_.push_back(part.number);
    } else if (part.head.kind == kOpen) {
      state->put_open(part.number, r);
    } else {
      state->put_waiter(part.number, r);
    }
    return r.ok() && r.remaining() == 0;
  }
  void put_output(New& part) {
    auto output = std::make_unique<Output>(decode_output(node_.main.key(), part.rest));
    part.rest.expect(!node_.outbox.find(output->order));
    if (!part.rest.ok()) return;
    output->part = part.number;
    node_.last_output = std::max(node_.last_output, output->order);
    Output& added = node_.outbox.insert(std::move(output));
    node_.parts->put(part.number, &added, part.head.stream);
  }

  FileNode& node_;
  std::vector<New> new_;
  std::vector<uint32_t> leases_;  // that must have opens when all is done
};

}  // namespace

uint64_t FileNode::free_identity(uint64_t from) const {
  std::vector<uint64_t> taken{0};  // which is the file itself
  for (const auto& stream : streams) taken.push_back(stream->key().stream);
  std::ranges::sort(taken);
  for (auto at = std::ranges::lower_bound(taken, from); at != taken.end() && *at == from; ++at) {
    from++;
  }
  // Past the last number the first ones follow.
  return from == 0 ? free_identity(from) : from;
}

void FileNode::put_out(store::WorkerTag to, const FileKey& file,
                       std::variant<Break, Completion, PurgedOpen> what) {
  auto output = std::make_unique<Output>(to, file, std::move(what), ++last_output);
  Output& added = outbox.insert(std::move(output));
  added.part = parts->add(&added, file.stream);
}

void FileNode::encode_changes(NodeChanges& out) {
  out.head.clear();
  out.bytes.clear();
  out.parts.clear();
  wire::Writer head(out.head);
  main.links().encode_head(head);
  head.value(account);
  head.u32(static_cast<uint32_t>(deleting.size()));
  for (const Deletion& each : deleting) {
    head.u64(each.file.stream);
    encode_path(each.path, head);
    head.u32(each.by.value);
    head.value(each.why);
  }
  head.u8(static_cast<uint8_t>(promised_by.size()));  // workers are 64 at most
  for (const store::WorkerTag by : promised_by) head.u32(by.value);
  main.encode_head(head);

  wire::Writer w(out.bytes);
  std::vector<size_t> ends;
  for (const uint32_t number : parts->take_touched()) {
    store::PartChange& change = out.parts.emplace_back(store::PartChange{.part = number});
    const Part& part = parts->at(number);
    FileState* const state = find({main.key().device, main.key().inode, part.stream});
    if (part.thing.index() != kNothing) {
      w.u8(static_cast<uint8_t>(part.thing.index()));
      w.u64(part.stream);
      if (const Output* const output = part.as<Output>()) {
        encode_output(*output, w);
      } else {
        change.account = state->encode_part(part, w);
      }
    }
    ends.push_back(out.bytes.size());
  }
  size_t begin = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    out.parts[i].value = ByteView(out.bytes).subspan(begin, ends[i] - begin);
    begin = ends[i];
  }
}

Result<std::vector<FileNode::EndedLease>> FileNode::take(ByteView head,
                                                         std::span<const PartValue> values) {
  Taking taking(*this, values);
  if (!taking.run()) return fail(Error::malformed());
  const FileKey& file = main.key();
  wire::Reader r(head);
  main.links().decode_head(r);
  account = r.as<Account>();
  deleting.clear();
  const uint32_t deletions = r.u32();
  for (uint32_t i = 0; i < deletions && r.ok(); ++i) {
    const FileKey deleted{file.device, file.inode, r.u64()};
    SharedPath path = decode_path(r);
    const store::WorkerTag by{r.u32()};
    deleting.push_back({deleted, std::move(path), by, r.as<Deletion::Why>()});
    r.expect(deleting.back().why <= Deletion::Why::kReplaced);
  }
  promised_by.clear();
  const uint8_t promises = r.u8();
  for (uint8_t i = 0; i < promises && r.ok(); ++i) promised_by.push_back({r.u32()});
  main.decode_head(r);
  for (const Deletion& each : deleting) r.expect(find(each.file) != nullptr);
  r.expect(r.remaining() == 0);
  return r.finish(std::move(taking.ended));
}

bool FileNode::may_have_path(ByteView record, const std::function<bool(std::string_view)>& is) {
  wire::Reader r(record);
  return Links::may_have_path(r, is);
}

}  // namespace braid::filestate

#include "filestate/file_node.h"

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
  each.current_state = r.as<Caching>();
  each.new_state = r.as<Caching>();
  each.new_epoch = r.u16();
  return each;
}

void encode_output(const Output& output, wire::Writer& w) {
  w.value(static_cast<OutputKind>(output.what.index()));
  w.u32(output.to.value);
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
    encode_path(purged.path, w);
  }
}

Output decode_output(const FileKey& node, wire::Reader& r) {
  Output output;
  const auto kind = r.as<OutputKind>();
  output.to = {r.u32()};
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
      purged.path = decode_path(r);
      output.what = std::move(purged);
      return output;
    }
  }
  r.fail(Error::malformed());
  return output;
}

}  // namespace

void FileNode::encode(Bytes& out) const {
  wire::Writer w(out);
  encode_path(path, w);
  w.u32(static_cast<uint32_t>(deleting.size()));
  for (const Deletion& each : deleting) {
    w.u64(each.file.stream);
    w.u32(each.by.value);
    w.u8(each.is_for_newcomer);
  }
  w.u32(static_cast<uint32_t>(outbox.size()));
  for (const Output& output : outbox) encode_output(output, w);
  main.encode(w);
  w.u32(static_cast<uint32_t>(streams.size()));
  for (const auto& stream : streams) stream->encode(w);
}

Result<std::unique_ptr<FileNode>> FileNode::decode(const FileKey& file, ByteView record) {
  wire::Reader r(record);
  auto node = std::make_unique<FileNode>(file, 0);
  node->path = decode_path(r);
  const uint32_t deletions = r.u32();
  for (uint32_t i = 0; i < deletions && r.ok(); ++i) {
    const FileKey deleted{file.device, file.inode, r.u64()};
    const store::WorkerTag by{r.u32()};
    node->deleting.push_back({deleted, by, r.u8() != 0});
  }
  const uint32_t outputs = r.u32();
  for (uint32_t i = 0; i < outputs && r.ok(); ++i) node->outbox.push_back(decode_output(file, r));
  node->main.decode(r);
  r.expect(node->main.key().stream == 0);
  const uint32_t streams = r.u32();
  for (uint32_t i = 0; i < streams && r.ok(); ++i) {
    auto stream = std::make_unique<FileState>(file, 0);
    stream->decode(r);
    r.expect(node->find(stream->key()) == nullptr);
    node->streams.push_back(std::move(stream));
  }
  for (const Deletion& each : node->deleting) r.expect(node->find(each.file) != nullptr);
  r.expect(r.remaining() == 0);
  return r.finish(std::move(node));
}

std::string_view FileNode::path_in(ByteView record) {
  wire::Reader r(record);
  if (r.u8() == 0) return {};
  const uint32_t size = r.u32();
  return as_text(r.bytes(size));
}

}  // namespace braid::filestate

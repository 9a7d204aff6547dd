#include "wire/fscc/reparse.h"

#include "wire/fscc/file_attributes.h"
#include "wire/fscc/name_io.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {
namespace {

constexpr size_t kHeaderSize = 8;
constexpr uint32_t kMicrosoftTag = 0x80000000;
constexpr uint32_t kSymlinkFlagRelative = 1;
constexpr uint32_t kLxSymlinkVersion = 2;
// [MS-FSCC] 2.1.2.6: the upper limit on symbolic link data, in bytes.
constexpr size_t kNfsTargetSizeMax = 2050;
// IO_REPARSE_TAG_RESERVED_ZERO and _ONE: [MS-FSCC] 2.1.2.1 "Reparse Tags".
constexpr uint32_t kLastReservedTag = 1;

// Offset and length of the two names, in the order both structures have them.
struct NamePair {
  uint16_t substitute_offset = 0;
  uint16_t substitute_length = 0;
  uint16_t print_offset = 0;
  uint16_t print_length = 0;

  static NamePair decode(Reader& r) {
    NamePair pair;
    pair.substitute_offset = r.u16();
    pair.substitute_length = r.u16();
    pair.print_offset = r.u16();
    pair.print_length = r.u16();
    return pair;
  }
  // From the path buffer, which is what is left in `r`.
  void names(Reader& r, std::string& substitute, std::string& print) const {
    Reader path(r.rest());
    Reader substitute_reader(path.at(substitute_offset, substitute_length));
    Reader print_reader(path.at(print_offset, print_length));
    substitute = read_name(substitute_reader, substitute_length);
    print = read_name(print_reader, print_length);
    if (!path.ok() || !substitute_reader.ok() || !print_reader.ok()) r.fail(Error::malformed());
  }
  static void encode(Writer& w, const std::string& substitute, const std::string& print) {
    const auto length = static_cast<uint16_t>(utf16le_size(substitute));
    w.u16(0);
    w.u16(length);
    w.u16(length);
    w.u16(static_cast<uint16_t>(utf16le_size(print)));
  }
};

SymlinkReparse decode_symlink(Reader& r) {
  SymlinkReparse link;
  const NamePair pair = NamePair::decode(r);
  link.relative = (r.u32() & kSymlinkFlagRelative) != 0;
  pair.names(r, link.substitute_name, link.print_name);
  return link;
}

MountPointReparse decode_mount_point(Reader& r) {
  MountPointReparse mount;
  const NamePair pair = NamePair::decode(r);
  pair.names(r, mount.substitute_name, mount.print_name);
  return mount;
}

NfsReparse decode_nfs(Reader& r) {
  NfsReparse nfs;
  nfs.type = r.as<NfsReparse::Type>();
  switch (nfs.type) {
    case NfsReparse::Type::kSymlink:
      r.expect(r.remaining() <= kNfsTargetSizeMax);
      nfs.target = read_name(r, static_cast<uint32_t>(r.remaining()));
      break;
    case NfsReparse::Type::kCharacterDevice:
    case NfsReparse::Type::kBlockDevice:
      nfs.major = r.u32();
      nfs.minor = r.u32();
      break;
    case NfsReparse::Type::kFifo:
    case NfsReparse::Type::kSocket:
      break;
    default:
      r.fail(Error::malformed());
  }
  r.expect(r.remaining() == 0);
  return nfs;
}

LxSymlinkReparse decode_lx_symlink(Reader& r) {
  r.expect(r.u32() == kLxSymlinkVersion);
  return {std::string(as_text(r.rest()))};
}

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

// Each writes what ReparseDataLength counts.
struct BodyWriter {
  Writer& w;

  void operator()(const OpaqueReparse& opaque) const { w.bytes(opaque.data); }
  void operator()(const SymlinkReparse& link) const {
    NamePair::encode(w, link.substitute_name, link.print_name);
    w.u32(link.relative ? kSymlinkFlagRelative : 0);
    write_utf16le(w, link.substitute_name);
    write_utf16le(w, link.print_name);
  }
  void operator()(const MountPointReparse& mount) const {
    NamePair::encode(w, mount.substitute_name, mount.print_name);
    write_utf16le(w, mount.substitute_name);
    write_utf16le(w, mount.print_name);
  }
  void operator()(const NfsReparse& nfs) const {
    w.value(nfs.type);
    if (nfs.type == NfsReparse::Type::kSymlink) write_utf16le(w, nfs.target);
    if (nfs.type == NfsReparse::Type::kCharacterDevice ||
        nfs.type == NfsReparse::Type::kBlockDevice) {
      w.u32(nfs.major);
      w.u32(nfs.minor);
    }
  }
  void operator()(const LxSymlinkReparse& link) const {
    w.u32(kLxSymlinkVersion);
    w.bytes(as_bytes(link.target));
  }
};

}  // namespace

Result<ReparseData> ReparseData::decode(ByteView buffer) {
  if (buffer.size() > kSizeMax) return fail(NtStatus::kIoReparseDataInvalid);
  Reader r(buffer);
  ReparseData reparse;
  reparse.tag = r.u32();
  const uint16_t length = r.u16();
  r.skip(2);
  if (!r.ok()) return fail(NtStatus::kIoReparseDataInvalid);
  if (reparse.tag <= kLastReservedTag) return fail(NtStatus::kIoReparseTagInvalid);

  OpaqueReparse opaque;
  const bool has_guid = (reparse.tag & kMicrosoftTag) == 0;
  if (has_guid) opaque.guid = r.id128<Guid>();
  if (!r.ok() || r.remaining() != length) return fail(NtStatus::kIoReparseDataInvalid);
  Reader body(r.rest());
  switch (has_guid ? 0 : reparse.tag) {
    case reparse_tag::kSymlink:
      reparse.data = decode_symlink(body);
      break;
    case reparse_tag::kMountPoint:
      reparse.data = decode_mount_point(body);
      break;
    case reparse_tag::kNfs:
      reparse.data = decode_nfs(body);
      break;
    case reparse_tag::kLxSymlink:
      reparse.data = decode_lx_symlink(body);
      break;
    default:
      opaque.data = copy(body.rest());
      reparse.data = std::move(opaque);
  }
  if (!body.ok()) return fail(NtStatus::kIoReparseDataInvalid);
  return reparse;
}

Bytes ReparseData::encode() const {
  Bytes out;
  Writer w(out);
  w.u32(tag);
  w.u16(0);
  w.u16(0);
  size_t body = kHeaderSize;
  if (const auto* opaque = std::get_if<OpaqueReparse>(&data); opaque && opaque->guid) {
    w.id128(*opaque->guid);
    body += opaque->guid->bytes.size();
  }
  std::visit(BodyWriter{w}, data);
  w.patch_u16(4, static_cast<uint16_t>(w.position() - body));
  return out;
}

}  // namespace braid::wire

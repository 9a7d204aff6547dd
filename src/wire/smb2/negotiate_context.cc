#include "wire/smb2/negotiate_context.h"

#include <algorithm>
#include <utility>

#include "wire/smb2/variable_part.h"
#include "wire/utf16.h"

namespace braid::wire {
namespace {

// `count` numbers, at least one.
template <class Enum>
std::vector<Enum> decode_ids(Reader& r, uint16_t count) {
  r.expect(count > 0);
  Reader ids(r.bytes(uint64_t{count} * sizeof(Enum)));
  std::vector<Enum> list;
  while (ids.remaining() > 0) list.push_back(ids.as<Enum>());
  return list;
}

template <class Enum>
void encode_ids(Writer& w, const std::vector<Enum>& ids) {
  for (Enum id : ids) w.value(id);
}

PreauthIntegrityCapabilities decode_preauth_integrity(Reader& r) {
  PreauthIntegrityCapabilities preauth;
  const uint16_t count = r.u16();
  const uint16_t salt_length = r.u16();
  preauth.hash_algorithms = decode_ids<HashAlgorithm>(r, count);
  preauth.salt = r.bytes(salt_length);
  return preauth;
}

CompressionCapabilities decode_compression(Reader& r) {
  CompressionCapabilities compression;
  Reader own(r.rest());
  const uint16_t count = own.u16();
  own.skip(2);
  compression.flags = own.u32();
  compression.compression_algorithms = decode_ids<CompressionAlgorithm>(own, count);
  compression.is_valid = own.ok();
  return compression;
}

RdmaTransformCapabilities decode_rdma_transforms(Reader& r) {
  RdmaTransformCapabilities transforms;
  Reader own(r.rest());
  const uint16_t count = own.u16();
  own.skip(2 + 4);
  transforms.rdma_transform_ids = decode_ids<RdmaTransformId>(own, count);
  transforms.is_valid = own.ok();
  return transforms;
}

std::string decode_netname(Reader& r) {
  auto name = utf8_from_utf16le(r.rest());
  if (name) return *std::move(name);
  r.fail(name.error());
  return {};
}

// Stores what was decoded; malformed if there was one before.
template <class T>
void set_once(Reader& r, std::optional<T>& slot, T value) {
  r.expect(!slot.has_value());
  slot = std::move(value);
}

// The one POSIX dialect there is, as its GUID goes over the wire.
constexpr uint8_t kPosixExtensions[] = {0x93, 0xAD, 0x25, 0x50, 0x9C, 0xB4, 0x11, 0xE7,
                                        0xB4, 0x23, 0x83, 0xDE, 0x96, 0x8B, 0xCD, 0x7C};

// Whether that is among the ids: as many of 16 bytes as there is room for, and nothing behind them.
bool decode_posix_extensions(Reader& r) {
  r.expect(r.remaining() % sizeof kPosixExtensions == 0);
  bool is_known = false;
  while (r.ok() && r.remaining() > 0) {
    is_known |= std::ranges::equal(r.bytes(sizeof kPosixExtensions), kPosixExtensions);
  }
  return is_known;
}

void decode_context(NegotiateContexts& contexts, NegotiateContextType type, Reader& r) {
  switch (type) {
    case NegotiateContextType::kPreauthIntegrityCapabilities:
      return set_once(r, contexts.preauth_integrity_capabilities, decode_preauth_integrity(r));
    case NegotiateContextType::kEncryptionCapabilities:
      return set_once(r, contexts.encryption_capabilities, decode_ids<Cipher>(r, r.u16()));
    case NegotiateContextType::kCompressionCapabilities:
      return set_once(r, contexts.compression_capabilities, decode_compression(r));
    case NegotiateContextType::kNetnameNegotiateContextId:
      return set_once(r, contexts.netname, decode_netname(r));
    case NegotiateContextType::kTransportCapabilities:
      return set_once(r, contexts.transport_capabilities, TransportCapabilities{r.u32()});
    case NegotiateContextType::kRdmaTransformCapabilities:
      return set_once(r, contexts.rdma_transform_capabilities, decode_rdma_transforms(r));
    case NegotiateContextType::kSigningCapabilities:
      return set_once(r, contexts.signing_capabilities, decode_ids<SigningAlgorithm>(r, r.u16()));
    case NegotiateContextType::kPosixExtensionsAvailable:
      contexts.posix_extensions_available |= decode_posix_extensions(r);
      return;
  }
}

// Writes a context's head, lets `put` write its data, and fills in the length.
template <class Put>
void encode_context(Writer& w, NegotiateContextType type, Put put) {
  w.align(8);
  w.value(type);
  const size_t length_at = w.position();
  w.u16(0);
  w.u32(0);
  const size_t data_at = w.position();
  put();
  w.patch_u16(length_at, narrow_u16(w.position() - data_at));
}

}  // namespace

Result<NegotiateContexts> NegotiateContexts::decode(Reader& r, uint16_t count) {
  NegotiateContexts contexts;
  r.expect(count <= kCountMax);
  bool has_posix = false;
  for (uint16_t i = 0; i < count && r.ok(); ++i) {
    r.align(8);
    const auto type = r.as<NegotiateContextType>();
    const uint16_t length = r.u16();
    r.skip(4);
    Reader data(r.bytes(length));
    if (type == NegotiateContextType::kPosixExtensionsAvailable) {
      r.expect(!std::exchange(has_posix, true));
    }
    decode_context(contexts, type, data);
    // A list cut short inside its own context is a wrong field, not a message that ended early.
    if (!data.ok()) r.fail(Error::malformed());
  }
  return r.finish(std::move(contexts));
}

void NegotiateContexts::encode(Writer& w) const {
  using Type = NegotiateContextType;
  if (preauth_integrity_capabilities) {
    encode_context(w, Type::kPreauthIntegrityCapabilities, [&] {
      w.u16(narrow_u16(preauth_integrity_capabilities->hash_algorithms.size()));
      w.u16(narrow_u16(preauth_integrity_capabilities->salt.size()));
      encode_ids(w, preauth_integrity_capabilities->hash_algorithms);
      w.bytes(preauth_integrity_capabilities->salt);
    });
  }
  if (encryption_capabilities) {
    encode_context(w, Type::kEncryptionCapabilities, [&] {
      w.u16(narrow_u16(encryption_capabilities->size()));
      encode_ids(w, *encryption_capabilities);
    });
  }
  if (compression_capabilities) {
    encode_context(w, Type::kCompressionCapabilities, [&] {
      w.u16(narrow_u16(compression_capabilities->compression_algorithms.size()));
      w.u16(0);
      w.u32(compression_capabilities->flags);
      encode_ids(w, compression_capabilities->compression_algorithms);
    });
  }
  if (netname) {
    encode_context(w, Type::kNetnameNegotiateContextId, [&] { write_utf16le(w, *netname); });
  }
  if (transport_capabilities) {
    encode_context(w, Type::kTransportCapabilities, [&] { w.u32(transport_capabilities->flags); });
  }
  if (rdma_transform_capabilities) {
    encode_context(w, Type::kRdmaTransformCapabilities, [&] {
      w.u16(narrow_u16(rdma_transform_capabilities->rdma_transform_ids.size()));
      w.u16(0);
      w.u32(0);
      encode_ids(w, rdma_transform_capabilities->rdma_transform_ids);
    });
  }
  if (signing_capabilities) {
    encode_context(w, Type::kSigningCapabilities, [&] {
      w.u16(narrow_u16(signing_capabilities->size()));
      encode_ids(w, *signing_capabilities);
    });
  }
  if (posix_extensions_available) {
    encode_context(w, Type::kPosixExtensionsAvailable, [&] { w.bytes(kPosixExtensions); });
  }
}

uint16_t NegotiateContexts::count() const {
  return static_cast<uint16_t>(
      preauth_integrity_capabilities.has_value() + encryption_capabilities.has_value() +
      compression_capabilities.has_value() + netname.has_value() +
      transport_capabilities.has_value() + rdma_transform_capabilities.has_value() +
      signing_capabilities.has_value() + posix_extensions_available);
}

}  // namespace braid::wire

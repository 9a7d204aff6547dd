#include "wire/smb2/create_context.h"

#include <string_view>

#include "wire/smb2/create_context_chain.h"

namespace braid::wire {
namespace {

using namespace std::string_view_literals;

constexpr auto kExtA = "ExtA"sv;
constexpr auto kSecD = "SecD"sv;
constexpr auto kDHnQ = "DHnQ"sv;
constexpr auto kDHnC = "DHnC"sv;
constexpr auto kDH2Q = "DH2Q"sv;
constexpr auto kDH2C = "DH2C"sv;
constexpr auto kAlSi = "AlSi"sv;
constexpr auto kMxAc = "MxAc"sv;
constexpr auto kTWrp = "TWrp"sv;
constexpr auto kQFid = "QFid"sv;
constexpr auto kRqLs = "RqLs"sv;
constexpr auto kAapl = "AAPL"sv;
constexpr auto kAppInstanceId =
    "\x45\xBC\xA6\x6A\xEF\xA7\xF7\x4A\x90\x08\xFA\x46\x2E\x14\x4D\x74"sv;
constexpr auto kAppInstanceVersion =
    "\xB9\x82\xD0\xB7\x3B\x56\x07\x4F\xA0\x7B\x52\x4A\x81\x16\xA0\x10"sv;
constexpr auto kPosix = "\x93\xAD\x25\x50\x9C\xB4\x11\xE7\xB4\x23\x83\xDE\x96\x8B\xCD\x7C"sv;

constexpr size_t kLeaseV1Size = 32;
constexpr size_t kLeaseV2Size = 52;
constexpr size_t kDurableHandleSize = 16;
constexpr size_t kDurableHandleResponseSize = 8;
constexpr size_t kQueryOnDiskIdSize = 32;

template <class T>
void set_first(std::optional<T>& slot, T value) {
  if (!slot) slot = value;
}

LeaseContext decode_lease(Reader& data) {
  LeaseContext lease;
  data.expect(data.remaining() == kLeaseV1Size || data.remaining() == kLeaseV2Size);
  lease.version = data.remaining() == kLeaseV2Size ? 2 : 1;
  lease.lease_key = data.id128<LeaseKey>();
  lease.lease_state = data.u32();
  lease.lease_flags = data.u32();
  data.skip(8);  // LeaseDuration
  if (lease.version == 2) {
    lease.parent_lease_key = data.id128<LeaseKey>();
    lease.epoch = data.u16();
    data.skip(2);
  }
  return lease;
}

void encode_lease(Writer& w, const LeaseContext& lease) {
  w.id128(lease.lease_key);
  w.u32(lease.lease_state);
  w.u32(lease.lease_flags);
  w.u64(0);
  if (lease.version != 2) return;
  w.id128(lease.parent_lease_key);
  w.u16(lease.epoch);
  w.u16(0);
}

DurableHandleRequestV2 decode_durable_request_v2(Reader& data) {
  DurableHandleRequestV2 durable;
  data.expect(data.remaining() == 32);
  durable.timeout_ms = data.u32();
  durable.flags = data.u32();
  data.skip(8);
  durable.create_guid = data.id128<CreateGuid>();
  return durable;
}

DurableHandleReconnectV2 decode_durable_reconnect_v2(Reader& data) {
  DurableHandleReconnectV2 durable;
  data.expect(data.remaining() == 36);
  durable.file_id = data.file_id();
  durable.create_guid = data.id128<CreateGuid>();
  durable.flags = data.u32();
  return durable;
}

QueryMaximalAccessRequest decode_query_maximal_access(Reader& data) {
  QueryMaximalAccessRequest query;
  data.expect(data.remaining() == 0 || data.remaining() == 8);
  if (data.remaining() == 8) query.timestamp = data.file_time();
  return query;
}

AppInstanceId decode_app_instance_id(Reader& data) {
  data.expect_u16(20);
  data.skip(2);
  return data.id128<AppInstanceId>();
}

AppInstanceVersion decode_app_instance_version(Reader& data) {
  AppInstanceVersion version;
  data.expect_u16(24);
  data.skip(2 + 4);
  version.app_instance_version_high = data.u64();
  version.app_instance_version_low = data.u64();
  return version;
}

// The bytes of the SID that comes next: its second byte counts the sub-authorities.
ByteView decode_sid(Reader& data) {
  constexpr size_t kSidHeadSize = 8;
  constexpr uint8_t kSubAuthoritiesMax = 15;  // [MS-DTYP] 2.4.2.2 "SID--Packet Representation"
  const size_t at = data.position();
  data.skip(1);
  const uint8_t sub_authority_count = data.u8();
  data.expect(sub_authority_count <= kSubAuthoritiesMax);
  data.seek(at);
  return data.bytes(kSidHeadSize + size_t{sub_authority_count} * 4);
}

PosixCreateResponse decode_posix_response(Reader& data) {
  PosixCreateResponse posix;
  posix.number_of_links = data.u32();
  posix.reparse_tag = data.u32();
  posix.mode = data.u32();
  posix.owner_sid = decode_sid(data);
  posix.group_sid = decode_sid(data);
  return posix;
}

void decode_request_context(CreateRequestContexts& c, std::string_view name, Reader& data) {
  if (name == kExtA) {
    set_first(c.ea_buffer, data.rest());
  } else if (name == kSecD) {
    set_first(c.sd_buffer, data.rest());
  } else if (name == kDHnQ) {
    data.expect(data.remaining() == kDurableHandleSize);
    c.durable_handle_request = true;
  } else if (name == kDHnC) {
    data.expect(data.remaining() == kDurableHandleSize);
    set_first(c.durable_handle_reconnect, data.file_id());
  } else if (name == kDH2Q) {
    set_first(c.durable_handle_request_v2, decode_durable_request_v2(data));
  } else if (name == kDH2C) {
    set_first(c.durable_handle_reconnect_v2, decode_durable_reconnect_v2(data));
  } else if (name == kAlSi) {
    data.expect(data.remaining() == 8);
    set_first(c.allocation_size, data.u64());
  } else if (name == kMxAc) {
    set_first(c.query_maximal_access, decode_query_maximal_access(data));
  } else if (name == kTWrp) {
    data.expect(data.remaining() == 8);
    set_first(c.timewarp_token, data.file_time());
  } else if (name == kQFid) {
    c.query_on_disk_id = true;
  } else if (name == kRqLs) {
    set_first(c.request_lease, decode_lease(data));
  } else if (name == kAppInstanceId) {
    set_first(c.app_instance_id, decode_app_instance_id(data));
  } else if (name == kAppInstanceVersion) {
    set_first(c.app_instance_version, decode_app_instance_version(data));
  } else if (name == kPosix) {
    data.expect(data.remaining() == 4);
    set_first(c.posix, PosixCreateRequest{data.u32()});
  } else if (name == kAapl) {
    set_first(c.aapl, data.rest());
  }
}

void decode_response_context(CreateResponseContexts& c, std::string_view name, Reader& data) {
  if (name == kDHnQ) {
    c.durable_handle_response = true;
  } else if (name == kMxAc) {
    QueryMaximalAccessResponse query{data.as<NtStatus>(), data.u32()};
    set_first(c.query_maximal_access, query);
  } else if (name == kQFid) {
    data.expect(data.remaining() == kQueryOnDiskIdSize);
    QueryOnDiskIdResponse id{data.u64(), data.u64()};
    set_first(c.query_on_disk_id, id);
  } else if (name == kRqLs) {
    set_first(c.response_lease, decode_lease(data));
  } else if (name == kDH2Q) {
    DurableHandleResponseV2 durable{data.u32(), data.u32()};
    set_first(c.durable_handle_response_v2, durable);
  } else if (name == kPosix) {
    set_first(c.posix, decode_posix_response(data));
  } else if (name == kAapl) {
    set_first(c.aapl, data.rest());
  }
}

}  // namespace

bool CreateRequestContexts::empty() const {
  return !ea_buffer && !sd_buffer && !durable_handle_request && !durable_handle_reconnect &&
         !durable_handle_request_v2 && !durable_handle_reconnect_v2 && !allocation_size &&
         !query_maximal_access && !timewarp_token && !query_on_disk_id && !request_lease &&
         !app_instance_id && !app_instance_version && !posix && !aapl;
}

Result<CreateRequestContexts> CreateRequestContexts::decode(Reader& r) {
  CreateRequestContexts contexts;
  decode_create_context_chain(r, kCountMax, [&](std::string_view name, Reader& data) {
    decode_request_context(contexts, name, data);
  });
  return r.finish(contexts);
}

void CreateRequestContexts::encode(Writer& w) const {
  CreateContextChain chain(w);
  if (ea_buffer) chain.add(kExtA, [&] { w.bytes(*ea_buffer); });
  if (sd_buffer) chain.add(kSecD, [&] { w.bytes(*sd_buffer); });
  if (durable_handle_request) chain.add(kDHnQ, [&] { w.zeros(kDurableHandleSize); });
  if (durable_handle_reconnect) {
    chain.add(kDHnC, [&] { w.file_id(*durable_handle_reconnect); });
  }
  if (durable_handle_request_v2) {
    chain.add(kDH2Q, [&] {
      w.u32(durable_handle_request_v2->timeout_ms);
      w.u32(durable_handle_request_v2->flags);
      w.u64(0);
      w.id128(durable_handle_request_v2->create_guid);
    });
  }
  if (durable_handle_reconnect_v2) {
    chain.add(kDH2C, [&] {
      w.file_id(durable_handle_reconnect_v2->file_id);
      w.id128(durable_handle_reconnect_v2->create_guid);
      w.u32(durable_handle_reconnect_v2->flags);
    });
  }
  if (allocation_size) chain.add(kAlSi, [&] { w.u64(*allocation_size); });
  if (query_maximal_access) {
    chain.add(kMxAc, [&] {
      if (query_maximal_access->timestamp) w.file_time(*query_maximal_access->timestamp);
    });
  }
  if (timewarp_token) chain.add(kTWrp, [&] { w.file_time(*timewarp_token); });
  if (query_on_disk_id) chain.add(kQFid, [] {});
  if (request_lease) chain.add(kRqLs, [&] { encode_lease(w, *request_lease); });
  if (app_instance_id) {
    chain.add(kAppInstanceId, [&] {
      w.u16(20);
      w.u16(0);
      w.id128(*app_instance_id);
    });
  }
  if (app_instance_version) {
    chain.add(kAppInstanceVersion, [&] {
      w.u16(24);
      w.u16(0);
      w.u32(0);
      w.u64(app_instance_version->app_instance_version_high);
      w.u64(app_instance_version->app_instance_version_low);
    });
  }
  if (posix) chain.add(kPosix, [&] { w.u32(posix->mode); });
  if (aapl) chain.add(kAapl, [&] { w.bytes(*aapl); });
}

bool CreateResponseContexts::empty() const {
  return !durable_handle_response && !query_maximal_access && !query_on_disk_id &&
         !response_lease && !durable_handle_response_v2 && !posix && !aapl;
}

Result<CreateResponseContexts> CreateResponseContexts::decode(Reader& r) {
  CreateResponseContexts contexts;
  decode_create_context_chain(
      r, CreateRequestContexts::kCountMax,
      [&](std::string_view name, Reader& data) { decode_response_context(contexts, name, data); });
  return r.finish(contexts);
}

void CreateResponseContexts::encode(Writer& w) const {
  CreateContextChain chain(w);
  if (durable_handle_response) chain.add(kDHnQ, [&] { w.zeros(kDurableHandleResponseSize); });
  if (query_maximal_access) {
    chain.add(kMxAc, [&] {
      w.value(query_maximal_access->query_status);
      w.u32(query_maximal_access->maximal_access);
    });
  }
  if (query_on_disk_id) {
    chain.add(kQFid, [&] {
      w.u64(query_on_disk_id->disk_file_id);
      w.u64(query_on_disk_id->volume_id);
      w.zeros(16);
    });
  }
  if (response_lease) chain.add(kRqLs, [&] { encode_lease(w, *response_lease); });
  if (durable_handle_response_v2) {
    chain.add(kDH2Q, [&] {
      w.u32(durable_handle_response_v2->timeout_ms);
      w.u32(durable_handle_response_v2->flags);
    });
  }
  if (posix) {
    chain.add(kPosix, [&] {
      w.u32(posix->number_of_links);
      w.u32(posix->reparse_tag);
      w.u32(posix->mode);
      w.bytes(posix->owner_sid);
      w.bytes(posix->group_sid);
    });
  }
  if (aapl) chain.add(kAapl, [&] { w.bytes(*aapl); });
}

}  // namespace braid::wire

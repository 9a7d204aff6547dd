#include "smb2/handover/live_state.h"

#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "smb2/common/limits.h"
#include "smb2/persistent/values_walk.h"
#include "transport/limits.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

constexpr uint32_t kMagic = 0x564C'5242;  // "BRLV"
// What else a client can make larger than the limits of limits.h say.
constexpr size_t kNamesMax = 1u << 20;  // that a listing has read ahead
constexpr size_t kConnectionsMax = 1u << 20;
constexpr uint64_t kDotsMax = 2;  // "." and ".."
constexpr size_t kNameMax = 4096;

class Out : public ValuesOut {
 public:
  using ValuesOut::bytes;
  using ValuesOut::ValuesOut;
  void bytes(const Bytes& value, size_t) { bytes(ByteView(value)); }
  void secret(const crypto::Secret& value) {
    w_.u8(static_cast<uint8_t>(value.size()));
    w_.bytes(value.reveal());
  }
};

class In : public ValuesIn {
 public:
  using ValuesIn::bytes;
  using ValuesIn::ValuesIn;
  void bytes(Bytes& value, size_t most) {
    const ByteView read = bytes();
    expect(read.size() <= most);
    value.assign(read.begin(), read.end());
  }
  void secret(crypto::Secret& value) {
    const uint8_t size = r_.u8();
    expect(size <= crypto::Secret::kSizeMax);
    value = crypto::Secret(r_.bytes(size));
  }
};

bool is_cipher(crypto::Cipher cipher) { return cipher <= crypto::Cipher::kAes256Gcm; }
bool is_algorithm(crypto::SigningAlgorithm algorithm) {
  return algorithm <= crypto::SigningAlgorithm::kAesGmac;
}
bool is_dialect(wire::Dialect dialect) {
  using enum wire::Dialect;
  return dialect == kSmb202 || dialect == kSmb210 || dialect == kSmb300 || dialect == kSmb302 ||
         dialect == kSmb311;
}

bool is_one_name(std::string_view name) {
  constexpr std::string_view kSeparators("/\0", 2);
  return !name.empty() && name.size() <= kNameMax && name.find_first_of(kSeparators) == name.npos;
}

template <class Io>
void walk(Io& io, WalkOf<Io, auth::Identity>& user) {
  io.text(user.account_name);
  io.text(user.domain);
  io.number(user.uid);
  io.number(user.gid);
  io.list(user.groups, kGroupsMax, [&io](auto& each) { io.number(each); });
  io.sid(user.user_sid);
  io.sid(user.primary_group_sid);
  io.list(user.group_sids, 2 * kGroupsMax, [&io](auto& each) { io.sid(each); });
  io.number(user.is_guest);
  io.number(user.is_anonymous);
  io.number(user.is_admin);
}

template <class Io>
void walk(Io& io, WalkOf<Io, LiveListing>& listing) {
  io.text(listing.pattern);
  io.number(listing.is_exact);
  io.number(listing.exhausted);
  io.number(listing.answered);
  io.number(listing.position.dots);
  io.number(listing.position.offset);
  io.expect(listing.position.dots <= kDotsMax);
  io.list(listing.pending, kNamesMax, [&io](auto& each) {
    io.text(each.name);
    io.text(each.disk_name);
    io.expect(is_one_name(each.name) && (each.disk_name.empty() || is_one_name(each.disk_name)));
  });
}

template <class Io>
void walk(Io& io, WalkOf<Io, LiveOpen>& open) {
  io.number(open.volatile_id);
  io.number(open.tree.value);
  io.number(open.is_in_open_table);
  io.number(open.is_recorded);
  io.number(open.pending_notifications);
  io.number(open.changed.ticks);
  io.maybe(open.listing, [&io](auto& each) { walk(io, each); });
  io.maybe(open.watch, [&io](auto& each) {
    io.number(each.tree);
    io.number(each.filter);
    io.number(each.capacity);
  });
  if constexpr (Io::kReads) {
    auto handed = decode_handed_open(io.bytes());
    if (handed) {
      open.open = *std::move(handed);
      io.expect(open.open.has_descriptor);
      const bool lists = open.listing || open.watch;
      io.expect(!lists || open.open.open.attributes.is_directory);
    } else {
      io.reader().fail(handed.error());
    }
  } else {
    io.bytes(encode(open.open));
  }
}

template <class Io>
void walk(Io& io, WalkOf<Io, LiveTree>& tree) {
  io.number(tree.id.value);
  io.text(tree.share);
  io.text(tree.real_path);
  io.number(tree.maximal_access);
  io.number(tree.may_only_read);
  io.number(tree.encrypts);
  io.number(tree.connected_at.ticks);
  io.expect(tree.id.value != 0 && tree.id.value != ~uint32_t{0});
}

template <class Io>
void walk_security(Io& io, WalkOf<Io, LiveSession>& session) {
  io.number(session.dialect);
  io.number(session.cipher);
  io.number(session.signing_algorithm);
  io.expect(is_dialect(session.dialect) && is_cipher(session.cipher) &&
            is_algorithm(session.signing_algorithm));
  io.secret(session.session_key);
  io.secret(session.full_session_key);
  io.secret(session.signing_secret);
  io.secret(session.encryption_secret);
  io.secret(session.decryption_secret);
  io.number(session.next_count);
  io.number(session.signing_required);
  io.number(session.encrypt_data);
  io.number(session.has_session_key);
  const size_t key = session.encryption_secret.size();
  io.expect(key == session.decryption_secret.size());
  io.expect(key == 0 ||
            (session.cipher != crypto::Cipher::kNone && key == crypto::key_size(session.cipher)));
  io.expect(!session.encrypt_data || key != 0);
  io.expect(session.has_session_key == !session.signing_secret.empty());
  io.expect(session.next_count != 0 && session.next_count < ~uint64_t{0} / 2);
}

template <class Io>
void walk(Io& io, WalkOf<Io, LiveSession>& session) {
  io.number(session.id.value);
  io.id(session.client_guid);
  walk(io, session.user);
  io.maybe(session.now_as, [&io](auto& each) { walk(io, each); });
  walk_credentials(io, session.credentials);
  io.expect(session.credentials != nullptr);
  io.number(session.expires_at.ticks);
  io.number(session.first_used.ticks);
  io.number(session.last_used.ticks);
  io.number(session.logged_on_at.ticks);
  io.text(session.method);
  io.text(session.machine);
  io.text(session.client);
  walk_security(io, session);
  io.list(session.overtaken, OvertakenCreates::kRememberedMax, [&io](auto& each) {
    io.id(each.guid);
    io.number(each.channel_sequence);
  });
  io.number(session.last_tree_id);
  io.list(session.trees, kTreesPerSessionMax, [&io](auto& each) { walk(io, each); });
  io.list(session.opens, kOpensPerSessionMax, [&io](auto& each) { walk(io, each); });
}

template <class Io>
void walk(Io& io, WalkOf<Io, Negotiated>& negotiated) {
  auto& [dialect, client_guid, client_capabilities, server_capabilities, client_security_mode,
         server_security_mode, client_dialects, cipher, signing_algorithm, compression,
         rdma_transforms, supports_multi_credit, should_sign, posix_extensions, max_transact_size,
         max_read_size, max_write_size] = negotiated;
  // Over TCP, which is what travels, they mean nothing.
  static_cast<void>(rdma_transforms);
  io.number(dialect);
  io.id(client_guid);
  io.number(client_capabilities);
  io.number(server_capabilities);
  io.number(client_security_mode);
  io.number(server_security_mode);
  io.array(client_dialects);
  io.number(cipher);
  io.number(signing_algorithm);
  io.expect(is_dialect(dialect) && is_cipher(cipher) && is_algorithm(signing_algorithm));
  io.number(compression.compression_ids);
  io.number(compression.supports_chained_compression);
  io.maybe(compression.sent_with, [&io](auto& each) {
    io.number(each);
    io.expect(each <= codec::Algorithm::kLz4);
  });
  io.number(supports_multi_credit);
  io.number(should_sign);
  io.number(posix_extensions);
  for (auto* const size : {&max_transact_size, &max_read_size, &max_write_size}) {
    io.number(*size);
    io.expect(*size <= kMaxTransferSize);
  }
}

template <class Io>
void walk(Io& io, WalkOf<Io, CommandSequenceWindow::Image>& window) {
  io.number(window.low);
  io.number(window.high);
  std::vector<uint8_t> used(window.used.begin(), window.used.end());
  io.list(used, kCreditsMax, [&io](auto& each) {
    io.number(each);
    io.expect(each <= 1);
  });
  if constexpr (Io::kReads) {
    window.used.assign(used.begin(), used.end());
    io.expect(CommandSequenceWindow::is_valid(window));
  }
}

template <class Io>
void walk(Io& io, WalkOf<Io, LiveConnection>& connection) {
  walk(io, connection.negotiated);
  std::array<uint8_t, crypto::PreauthHash::kSize> hash{};
  std::ranges::copy(connection.preauth_hash.value(), hash.begin());
  io.array(hash);
  if constexpr (Io::kReads) connection.preauth_hash = crypto::PreauthHash(hash);
  walk(io, connection.window);
  io.bytes(connection.received, transport::kHandedReceivedMax);
  io.list(connection.channels, kSessionsPerConnectionMax, [&io](auto& each) {
    io.number(each.session.value);
    io.number(each.signing_algorithm);
    io.secret(each.signing_secret);
    io.expect(is_algorithm(each.signing_algorithm));
  });
  size_t aside = 0;
  io.list(connection.requests, kAsyncRequestsMax, [&io, &aside](auto& each) {
    io.number(each.async_id.value);
    io.number(each.is_encrypted);
    io.bytes(each.message, kCreateSizeMax);
    aside += each.message.size();
    io.expect(aside <= kAsideMax);
  });
}

template <class Io>
void walk(Io& io, WalkOf<Io, LiveState>& state) {
  io.list(state.connections, kConnectionsMax, [&io](auto& each) { walk(io, each); });
  io.list(state.sessions, kConnectionsMax, [&io](auto& each) { walk(io, each); });
}

// Whether it is what another process may be asked to do again, of one of the sessions.
bool is_repeatable(const Connection::WaitingRequest& request,
                   const std::unordered_set<SessionId>& sessions) {
  wire::Reader reader(request.message);
  const auto header = wire::Header::decode(reader);
  return header && !header->is_response() && header->next_command == 0 && !header->is_related() &&
         (header->command == wire::Command::kCreate || header->command == wire::Command::kLock) &&
         sessions.contains(header->session_id);
}

// Whether what refers to each other is there, once.
bool is_coherent(const LiveState& state) {
  std::unordered_set<SessionId> sessions;
  std::unordered_set<uint64_t> opens;
  for (const LiveSession& session : state.sessions) {
    if (session.id.value == 0 || !sessions.insert(session.id).second) return false;
    std::unordered_set<TreeId> trees;
    for (const LiveTree& tree : session.trees) {
      if (!trees.insert(tree.id).second) return false;
    }
    for (const LiveOpen& open : session.opens) {
      const OpenValues& values = open.open.open;
      const bool is_its = trees.contains(open.tree) && values.client_guid == session.client_guid;
      if (!is_its || !opens.insert(open.volatile_id).second) return false;
    }
  }
  for (const LiveConnection& connection : state.connections) {
    std::unordered_set<SessionId> here;
    for (const LiveChannel& channel : connection.channels) {
      if (!sessions.contains(channel.session) || !here.insert(channel.session).second) {
        return false;
      }
    }
    std::unordered_set<AsyncId> ids;
    for (const Connection::WaitingRequest& request : connection.requests) {
      const bool is_id = request.async_id.value - 1 < ~uint64_t{0} / 2;
      const bool is_new = is_id && ids.insert(request.async_id).second;
      if (!is_new || !is_repeatable(request, here)) return false;
    }
  }
  return true;
}

}  // namespace

FileTime changed_at(int descriptor) {
  struct stat now{};
  return ::fstat(descriptor, &now) == 0 ? to_file_time(now.st_ctim) : FileTime{};
}

size_t LiveState::open_count() const {
  size_t count = 0;
  for (const LiveSession& session : sessions) count += session.opens.size();
  return count;
}

Bytes encode(const LiveState& state) {
  Bytes bytes;
  // Keys are not to be left behind where it grew.
  constexpr size_t kUsual = 4u << 10;
  size_t size = kUsual;
  for (const LiveConnection& each : state.connections) {
    size += kUsual + each.received.size();
    for (const auto& request : each.requests) size += kUsual + request.message.size();
  }
  for (const LiveSession& each : state.sessions) size += kUsual * (1 + each.opens.size());
  bytes.reserve(size);
  Out out(bytes);
  out.number(kMagic);
  out.number(kLiveVersion);
  walk(out, state);
  return bytes;
}

Result<LiveState> decode_live_state(ByteView bytes) {
  In in(bytes);
  wire::Reader& r = in.reader();
  const uint32_t magic = r.u32();
  const uint16_t version = r.u16();
  const bool is_read = version >= kLiveVersionFirst && version <= kLiveVersion;
  if (r.ok() && magic == kMagic && !is_read) return fail(Error::unsupported());
  r.expect(magic == kMagic);
  LiveState state;
  walk(in, state);
  r.expect(r.remaining() == 0);
  if (!r.ok()) return std::unexpected(r.error());
  if (!is_coherent(state)) return fail(Error::malformed());
  return state;
}

}  // namespace braid::smb2

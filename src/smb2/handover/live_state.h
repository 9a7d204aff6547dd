// LiveState: connections with their sessions and opens on their way to the process that takes this
// one's place. Plain values; docs/records.md draws the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/identity.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/credentials.h"
#include "base/ids.h"
#include "base/result.h"
#include "crypto/key_derivation.h"
#include "crypto/secret.h"
#include "smb2/connections/command_sequence_window.h"
#include "smb2/connections/connection.h"
#include "smb2/persistent/handed_open.h"
#include "smb2/sessions/overtaken_creates.h"
#include "vfs/file.h"

namespace braid::smb2 {

// Where QUERY_DIRECTORY is: EnumerationState without its descriptor.
struct LiveListing {
  struct Name {
    std::string name;
    std::string disk_name;
  };
  std::string pattern;
  bool is_exact = false;
  bool exhausted = false;
  bool answered = false;
  vfs::Enumeration::Position position;
  std::vector<Name> pending;  // read and not yet sent
};

// What CHANGE_NOTIFY watches: WatchTable::Watch.
struct LiveWatch {
  bool tree = false;
  uint32_t filter = 0;
  uint32_t capacity = 0;
};

// One that its client holds. Its descriptor goes beside the bytes.
struct LiveOpen {
  uint64_t volatile_id = 0;
  TreeId tree;
  bool is_in_open_table = false;
  bool is_recorded = false;  // it comes by the log of handles, and this is what that does not say
  uint32_t pending_notifications = 0;
  // Of its file on the disk, or of the one that its stream belongs to: another one if anybody has
  // changed anything of it since, its names too.
  FileTime changed;
  std::optional<LiveListing> listing{};
  std::optional<LiveWatch> watch{};
  HandedOpen open{};
};

struct LiveTree {
  TreeId id;
  std::string share;
  std::string real_path;  // of its folder; empty of IPC$
  uint32_t maximal_access = 0;
  bool may_only_read = false;
  bool encrypts = false;  // its client was told to
  FileTime connected_at;
};

struct LiveSession {
  SessionId id;
  ClientGuid client_guid;
  auth::Identity user;                     // SessionSecurity::user
  std::optional<auth::Identity> now_as{};  // who it acts as, if that is somebody else
  Credentials credentials{};
  FileTime expires_at;
  FileTime first_used;
  FileTime last_used;
  wire::Dialect dialect{};
  crypto::Cipher cipher = crypto::Cipher::kNone;
  crypto::SigningAlgorithm signing_algorithm{};
  crypto::Secret session_key{};
  crypto::Secret full_session_key{};
  crypto::Secret signing_secret{};     // empty: it neither signs nor encrypts
  crypto::Secret encryption_secret{};  // both empty: it does not encrypt
  crypto::Secret decryption_secret{};
  uint64_t next_count = 1;  // of the nonces of encryption_secret
  bool signing_required = false;
  bool encrypt_data = false;
  bool has_session_key = false;
  FileTime logged_on_at{};
  std::string method{};
  std::string machine{};
  std::string client{};
  std::vector<OvertakenCreates::Sending> overtaken{};
  uint32_t last_tree_id = 0;
  std::vector<LiveTree> trees{};
  std::vector<LiveOpen> opens{};
};

struct LiveChannel {
  SessionId session;
  crypto::SigningAlgorithm signing_algorithm{};
  crypto::Secret signing_secret{};  // empty: the session's
};

// Its socket goes beside the bytes.
struct LiveConnection {
  Negotiated negotiated{};
  crypto::PreauthHash preauth_hash{};
  CommandSequenceWindow::Image window{};
  Bytes received{};                     // behind the last request that was served
  std::vector<LiveChannel> channels{};  // none: nobody has logged on yet
  // CREATE or LOCK, each of a session of `channels`, oldest first.
  std::vector<Connection::WaitingRequest> requests{};
};

// LiveOpen::changed of what a descriptor is of; 0 if that cannot be told.
FileTime changed_at(int descriptor);

// Each open is of a tree of its session, each channel of a session here, and no id is there twice.
// Descriptors: first those of the connections, then of the opens, in their order.
struct LiveState {
  std::vector<LiveConnection> connections{};
  std::vector<LiveSession> sessions{};

  size_t open_count() const;
};

// What is told to be read by who starts. Each reads what those before have written, from the first
// that is read still on; who reads less than is spoken gets nothing.
inline constexpr uint16_t kLiveVersion = 3;
inline constexpr uint16_t kLiveVersionFirst = 3;

// Has keys: whoever is done with it wipes it.
Bytes encode(const LiveState& state);
// kUnsupported: of a version that is not read.
Result<LiveState> decode_live_state(ByteView bytes);

}  // namespace braid::smb2

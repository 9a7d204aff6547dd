// What ctdbd and its clients say to each other over its Unix socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

// The protocol has no document. What is here was learned from what ctdbd 4.17 (Debian's) sends and
// takes, and packets_test.cc has those bytes. Numbers are in the byte order of the machine; this
// program is for those that count from the low end. What a ctdbd passes on was made by other
// nodes, so nothing of it is believed: every length is looked at, every number may be any.
namespace braid::store::ctdb {

// Numbers of nodes (ctdb: pnn) are small; these are not.
inline constexpr uint32_t kThisNode = 0xF0000001;
inline constexpr uint32_t kConnectedNodes = 0xF0000004;  // every node that is there, this one too
inline constexpr uint32_t kNoNode = 0xFFFFFFFF;

inline constexpr size_t kHeaderSize = 32;
// Of one packet. The longest that is meant for this program is a message of the bus
// (MessageBus::kPayloadMax).
inline constexpr size_t kPacketMax = size_t{1} << 20;

enum class Operation : uint32_t {
  kCall = 0,
  kCallReply = 1,
  kErrorReply = 4,  // to a call
  kMessage = 5,
  kControl = 7,
  kControlReply = 8,
};

enum class Control : uint32_t {
  kGetDatabasePath = 4,
  kGetRecoveryMode = 15,
  kAttach = 18,  // a volatile database
  kRegister = 23,
  kDeregister = 24,
  kGetPnn = 35,
  kTcpClient = 44,
  kTcpRemove = 46,
  kGetTunable = 49,
  kGetPublicAddresses = 90,
  kGetNodes = 91,
  kScheduleForDeletion = 128,
  kGetRunState = 138,
  kGetDatabaseFlags = 149,
  kCheckProcess = 151,  // whether this process of the node has registered for this number
  kDisableNode = 157,
  kEnableNode = 158,
};

// To whom a message is: a number that processes of a node register for. Those of the cluster's
// events are ctdbd's own.
inline constexpr uint64_t kReconfigured = 0xF200000000000000;  // nodes came or went, it is over
// Every second or so, from the node that leads: its number, of 32 bits.
inline constexpr uint64_t kLeader = 0xF101000000000000;
inline constexpr uint64_t kAddressReleased = 0xF300000000000000;
inline constexpr uint64_t kAddressTaken = 0xF301000000000000;
inline constexpr uint64_t kAddressesReallocated = 0xF302000000000000;  // of releases after 4.17

struct Header {
  uint32_t length = 0;      // of the whole packet
  uint32_t generation = 0;  // of the cluster; a client says 0
  Operation operation{};
  uint32_t destination = kThisNode;
  uint32_t source = 0;
  uint32_t request_id = 0;  // of a reply: that of its request

  // Malformed: no packet of ctdb's, or of a length that none has. Unsupported: of another version.
  static Result<Header> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

struct Call {
  static constexpr uint32_t kMigrate = 1;              // the record is to come to this node
  static constexpr uint32_t kNoFunction = 0xFF000001;  // and nothing else is to be done

  uint32_t flags = kMigrate;
  uint32_t database = 0;
  uint32_t function = kNoFunction;
  uint32_t hops = 0;
  ByteView key;
  ByteView data;

  static Result<Call> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

struct CallReply {
  uint32_t status = 0;
  ByteView data;

  static Result<CallReply> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

// Of a call that failed.
struct ErrorReply {
  uint32_t status = 0;
  ByteView text;

  static Result<ErrorReply> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

struct Message {
  uint64_t to = 0;
  ByteView payload;

  static Result<Message> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

struct ControlRequest {
  Control control{};
  uint64_t number = 0;  // of those about a registration
  uint32_t flags = 0;
  ByteView data;

  static Result<ControlRequest> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

struct ControlReply {
  int32_t status = 0;  // below 0: it failed. Some say a number by it
  ByteView data;
  ByteView text;  // why it failed, mostly empty

  static Result<ControlReply> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

// A packet of one of these; the length is filled in, up to a multiple of 8 as ctdbd does.
template <class Body>
Bytes packet(const Header& header, const Body& body) {
  Bytes bytes;
  wire::Writer w(bytes);
  header.encode(w);
  body.encode(w);
  w.align(8);
  w.patch_u32(0, static_cast<uint32_t>(bytes.size()));
  return bytes;
}

// An address with its port: a sockaddr of 28 bytes, whatever its family.
struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  static Result<Endpoint> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
  bool operator==(const Endpoint&) const = default;
};

struct Node {
  static constexpr uint32_t kDisconnected = 0x01;
  static constexpr uint32_t kUnhealthy = 0x02;
  static constexpr uint32_t kDisabled = 0x04;  // by its administrator
  static constexpr uint32_t kBanned = 0x08;
  static constexpr uint32_t kDeleted = 0x10;
  static constexpr uint32_t kStopped = 0x20;

  uint32_t pnn = 0;
  uint32_t flags = 0;
  Endpoint endpoint;

  // Records are nowhere else, and what such a node says counts for nothing.
  bool is_active() const { return (flags & (kDisconnected | kBanned | kDeleted | kStopped)) == 0; }
  bool operator==(const Node&) const = default;
};
// The list of all nodes. Malformed: a node is in it twice.
Result<std::vector<Node>> decode_nodes(ByteView data);
void encode_nodes(wire::Writer& w, const std::vector<Node>& nodes);

// An address that moves with its node's fate.
struct PublicAddress {
  uint32_t pnn = kNoNode;  // who has it
  IpAddress address;
  bool operator==(const PublicAddress&) const = default;
};
Result<std::vector<PublicAddress>> decode_public_addresses(ByteView data);
void encode_public_addresses(wire::Writer& w, const std::vector<PublicAddress>& addresses);

// A connection whose client is to be told when the server's address moves: the node that has it
// then sends an acknowledgement out of turn (a "tickle"), at which the client asks and is reset.
struct TcpConnection {
  Endpoint client;
  Endpoint server;

  static Result<TcpConnection> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
  bool operator==(const TcpConnection&) const = default;
};

// What a record of a database begins with, in the file that ctdbd and its clients share.
struct RecordHeader {
  static constexpr size_t kSize = 24;
  static constexpr uint32_t kMigratedWithData = 0x00010000;
  static constexpr uint32_t kAutomatic = 0x00040000;  // may be removed if it is empty
  // Copies for readers are out, or this is one: of databases that allow it, which ours do not.
  static constexpr uint32_t kReadOnlyCopies = 0x0F000000;

  uint64_t rsn = 0;  // grows with each change: after a node's death the largest counts
  uint32_t dmaster = kNoNode;
  uint32_t flags = 0;

  static Result<RecordHeader> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
  bool operator==(const RecordHeader&) const = default;
};

// What Control::kScheduleForDeletion asks for.
struct Deletion {
  uint32_t database = 0;
  RecordHeader header;
  ByteView key;

  static Result<Deletion> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};

// What Control::kGetTunable asks for: the value of that name.
struct TunableName {
  std::string name;

  static Result<TunableName> decode(wire::Reader& r);
  void encode(wire::Writer& w) const;
};
// Of a leader, and of a tunable.
Result<uint32_t> decode_number(ByteView data);

// Texts and paths are up to a zero, which is the last byte.
Result<std::string> decode_text(ByteView data);
// The address of an event.
std::optional<IpAddress> decode_address_text(ByteView payload);

// Cuts what arrives into packets.
class PacketReader {
 public:
  // Where the next bytes are to be put: at least one.
  MutableByteView space();
  void received(size_t count) { end_ += count; }
  // A whole packet, valid until space() is called; nothing: it is not complete yet. An error: what
  // follows cannot be told from it, so the connection is of no use any more.
  Result<std::optional<ByteView>> next();

 private:
  static constexpr size_t kRoom = size_t{64} << 10;

  Bytes buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace braid::store::ctdb

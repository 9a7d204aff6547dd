// What a handle log consists of: docs/records.md draws it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/sip_hash.h"

namespace braid::store {

using ShareId = Id128<struct ShareIdTag>;    // of the volume, whoever serves it
using ServerId = Id128<struct ServerIdTag>;  // of the server, for all its life

inline constexpr uint32_t kLogVersion = 1;
// The header has a sector for itself, which disks write whole, and nobody writes it again.
inline constexpr size_t kLogHeaderBytes = 512;
inline constexpr size_t kLogKeyMax = 256;
// A path of 32,767 characters is 98,301 bytes at most; twice that, and a thousand locks.
inline constexpr size_t kLogValueMax = 512 * 1024;
// Read as a whole, so a file that is none of ours costs no more than this.
inline constexpr uint64_t kLogFileMax = uint64_t{1} << 30;

// Whose log it is. `epoch` is higher than that of every log that lay in the folder when this one
// was begun.
struct LogOwner {
  ShareId share;
  ServerId server;
  uint32_t worker = 0;
  uint64_t epoch = 0;
  friend bool operator==(const LogOwner&, const LogOwner&) = default;
};

// "SERVER-WORKER-EPOCH.log", in hexadecimal digits: "00..0f-00000001-0000000000000003.log".
// Says nothing of the share; the folder does.
std::string log_name(const LogOwner& owner);
// The owner that a name tells of, without share. Nothing when it is no name of a log.
std::optional<LogOwner> parse_log_name(std::string_view name);
// A log that is being written anew, until it takes the place of the old one.
inline constexpr std::string_view kLogUnfinishedSuffix = ".new";

struct LogHeader {
  LogOwner owner;
  uint64_t salt = 0;  // new_salt(): a record of one file is none of another

  void encode(Bytes& out) const;
  // `first`: the first kLogHeaderBytes of the file. kUnsupported: of a newer version, which is
  // stored in `version` whenever the checksum is right; kMalformed: none of a log, or damaged.
  static Result<LogHeader> decode(ByteView first, uint32_t& version);
  // With this begin the checksums of its records.
  uint32_t seed() const;
};

// A random one. With `kin` who has that, too, can tell by is_kin() whose it is, by the half that
// follows from the other.
Result<uint64_t> new_salt(const std::optional<SipKey>& kin);
bool is_kin(uint64_t salt, const SipKey& kin);

enum class LogOperation : uint8_t { kPut = 1, kErase = 2 };

// A record, as views into the file or of the user. Begins at a multiple of 8.
struct LogRecord {
  static constexpr size_t kFixedBytes = 40;
  static constexpr size_t kAlignment = 8;

  uint64_t position = 0;  // in its file
  // All before this position was on the disk when the record was written: what cannot be read
  // there has been damaged, what cannot be read behind it may never have been written.
  uint64_t synced = 0;
  LogOperation operation{};
  ByteView key;
  ByteView value;
  bool value_is_whole = true;  // false: the checksum of the value is wrong, all else is right

  // With what comes before the next.
  static uint64_t size(size_t key_bytes, size_t value_bytes) {
    return (kFixedBytes + key_bytes + value_bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  uint64_t size() const { return size(key.size(), value.size()); }

  // REQUIRES: key of 1 to kLogKeyMax bytes, value of at most kLogValueMax, none with kErase.
  void encode(uint32_t seed, Bytes& out) const;
  // The record at `position` of the file. kTruncated: it goes on behind the end of the file, its
  // key with it; kMalformed: there is none, or one that cannot be read.
  static Result<LogRecord> decode(ByteView file, uint64_t position, uint32_t seed);
};

}  // namespace braid::store

// The create context "AAPL", which macOS sends with the first CREATE on a tree to learn what kind
// of server it has. It is Apple's, and no part of [MS-SMB2]; laid out as Apple's client is known to
// write and read it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

struct Aapl {
  static constexpr uint32_t kServerQuery = 1;  // the command; the other, 2, resolves file ids

  // What is asked for and answered.
  static constexpr uint64_t kServerCaps = 1;
  static constexpr uint64_t kVolumeCaps = 2;
  static constexpr uint64_t kModelInfo = 4;

  // Of a server, and of a client.
  static constexpr uint64_t kSupportsReadDirAttr = 1;
  static constexpr uint64_t kSupportsOsxCopyfile = 2;
  static constexpr uint64_t kUnixBased = 4;
  static constexpr uint64_t kSupportsNfsAce = 8;

  // Of a volume.
  static constexpr uint64_t kSupportsResolveId = 1;
  static constexpr uint64_t kCaseSensitive = 2;
  static constexpr uint64_t kSupportsFullSync = 4;  // FLUSH is F_FULLFSYNC

  // What the Finder has a picture of: a server without a screen.
  static constexpr const char* kServerModel = "Xserve";
};

// 24 bytes.
struct AaplQuery {
  uint32_t command = Aapl::kServerQuery;
  uint64_t asked = 0;
  uint64_t client_caps = 0;

  static Result<AaplQuery> decode(Reader& r);
  void encode(Writer& w) const;
};

// To kServerQuery. What is not in `answered` is not there.
struct AaplAnswer {
  uint64_t answered = 0;
  uint64_t server_caps = 0;
  uint64_t volume_caps = 0;
  std::string model;  // by which the Finder chooses a picture

  static Result<AaplAnswer> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

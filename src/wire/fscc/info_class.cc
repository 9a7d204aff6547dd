#include "wire/fscc/info_class.h"

namespace braid::wire {
namespace {

using File = FileInfoClass;
using Fs = FsInfoClass;

}  // namespace

std::optional<uint32_t> minimum_query_length(FileInfoClass info_class) {
  switch (info_class) {
    case File::kBasic:
      return 40;
    case File::kStandard:
      return 24;
    case File::kInternal:
      return 8;
    case File::kEa:
      return 4;
    case File::kAccess:
      return 4;
    // Refused with whatever room.
    case File::kName:
    case File::kObjectId:
    case File::kQuota:
    case File::kReparsePoint:
    case File::kSfioReserve:
    case File::kHardLink:
      return 0;
    case File::kAlternateName:
    case File::kNormalizedName:
      return 8;  // length and one character, in whole 4 bytes
    case File::kPosition:
      return 8;
    case File::kFullEa:
      return 4;  // below one entry is STATUS_BUFFER_TOO_SMALL, which needs the entry
    case File::kMode:
      return 4;
    case File::kAlignment:
      return 4;
    case File::kAll:
      return 104;  // fixed part and one character, in whole 8 bytes
    case File::kStream:
      return 32;  // fixed part and one character, in whole 8 bytes
    case File::kPipe:
      return 8;
    case File::kPipeLocal:
      return 40;
    case File::kPipeRemote:
      return 12;
    case File::kCompression:
      return 16;
    case File::kNetworkOpen:
      return 56;
    case File::kAttributeTag:
      return 8;
    case File::kStandardLink:
      return 12;
    case File::kId:
      return 24;
    default:
      return std::nullopt;
  }
}

std::optional<uint32_t> minimum_query_length(FsInfoClass info_class) {
  switch (info_class) {
    case Fs::kVolume:
      return 24;
    case Fs::kSize:
      return 24;
    case Fs::kDevice:
      return 8;
    case Fs::kAttribute:
      return 16;  // fixed part and one character, in whole 4 bytes
    case Fs::kControl:
      return 48;
    case Fs::kFullSize:
      return 32;
    case Fs::kObjectId:
      return 64;
    case Fs::kSectorSize:
      return 28;
    case Fs::kLabel:
    case Fs::kDriverPath:
      return 0;  // refused with whatever room
    default:
      return std::nullopt;
  }
}

std::optional<uint32_t> minimum_set_length(FileInfoClass info_class) {
  switch (info_class) {
    case File::kBasic:
      return 40;
    case File::kRename:
    case File::kRenameEx:
    case File::kLink:
      return 24;
    case File::kDisposition:
      return 1;
    case File::kDispositionEx:
      return 4;
    case File::kPosition:
      return 8;
    case File::kMode:
      return 4;
    case File::kAllocation:
    case File::kEndOfFile:
    case File::kValidDataLength:
      return 8;
    case File::kFullEa:
      return 0;  // an empty list changes nothing
    case File::kShortName:
      return 8;
    case File::kPipe:
      return 8;
    case File::kObjectId:
    case File::kQuota:
    case File::kSfioReserve:
      return 0;  // refused with whatever there is
    default:
      return std::nullopt;
  }
}

std::optional<uint32_t> minimum_set_length(FsInfoClass info_class) {
  switch (info_class) {
    case Fs::kLabel:
      return 8;
    case Fs::kControl:
      return 48;
    case Fs::kObjectId:
      return 64;
    default:
      return std::nullopt;
  }
}

std::optional<uint32_t> directory_name_offset(FileInfoClass info_class) {
  switch (info_class) {
    case File::kNames:
      return 12;
    case File::kDirectory:
      return 64;
    case File::kFullDirectory:
      return 68;
    case File::kIdFullDirectory:
      return 80;
    case File::kBothDirectory:
      return 94;
    case File::kIdBothDirectory:
      return 104;
    case File::kIdExtdDirectory:
      return 88;
    case File::kId64ExtdDirectory:
      return 80;
    case File::kId64ExtdBothDirectory:
      return 106;
    case File::kIdAllExtdDirectory:
      return 96;
    case File::kIdAllExtdBothDirectory:
      return 122;
    default:
      return std::nullopt;
  }
}

}  // namespace braid::wire

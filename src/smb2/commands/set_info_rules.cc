#include "smb2/commands/set_info_rules.h"

#include "wire/smb2/access_mask.h"

namespace braid::smb2 {

std::optional<SetInfoRule> set_info_rule(wire::FileInfoClass info_class) {
  using enum wire::FileInfoClass;
  using wire::Access;
  switch (info_class) {
    case kBasic:
    case kPipe:
      return SetInfoRule{Access::kFileWriteAttributes};
    case kRename:
    case kRenameEx:
    case kDisposition:
    case kDispositionEx:
    case kShortName:
      return SetInfoRule{Access::kDelete};
    // [MS-FSA] 2.1.5.15.7 asks for the rights on the directory only.
    case kLink:
      return SetInfoRule{0};
    case kAllocation:
    case kEndOfFile:
    case kValidDataLength:
      return SetInfoRule{Access::kFileWriteData};
    case kFullEa:
      return SetInfoRule{Access::kFileWriteEa};
    case kPosition:
    case kMode:
      return SetInfoRule{0, /*changes_file=*/false};
    // Refused whoever asks.
    case kObjectId:
    case kQuota:
    case kSfioReserve:
      return SetInfoRule{0, /*changes_file=*/false};
    case kDirectory:
    case kFullDirectory:
    case kBothDirectory:
    case kStandard:
    case kInternal:
    case kEa:
    case kAccess:
    case kName:
    case kNames:
    case kAlignment:
    case kAll:
    case kAlternateName:
    case kStream:
    case kPipeLocal:
    case kPipeRemote:
    case kCompression:
    case kReparsePoint:
    case kNetworkOpen:
    case kAttributeTag:
    case kIdBothDirectory:
    case kIdFullDirectory:
    case kHardLink:
    case kNormalizedName:
    case kStandardLink:
    case kId:
    case kIdExtdDirectory:
    case kId64ExtdDirectory:
    case kId64ExtdBothDirectory:
    case kIdAllExtdDirectory:
    case kIdAllExtdBothDirectory:
    case kPosix:
      return std::nullopt;
  }
  return std::nullopt;  // a number that is no class
}

}  // namespace braid::smb2

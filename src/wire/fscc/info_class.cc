#include "wire/fscc/info_class.h"

namespace braid::wire {

std::optional<uint32_t> directory_name_offset(FileInfoClass info_class) {
  using enum FileInfoClass;
  switch (info_class) {
    case kNames:
      return 12;
    case kDirectory:
      return 64;
    case kFullDirectory:
      return 68;
    case kIdFullDirectory:
      return 80;
    case kBothDirectory:
      return 94;
    case kIdBothDirectory:
      return 104;
    case kIdExtdDirectory:
      return 88;
    case kId64ExtdDirectory:
      return 80;
    case kId64ExtdBothDirectory:
      return 106;
    case kIdAllExtdDirectory:
      return 96;
    case kIdAllExtdBothDirectory:
      return 122;
    case kPosix:
      return 124;
    default:
      return std::nullopt;
  }
}

}  // namespace braid::wire

// File information that carries a name. Names are UTF-8 here and UTF-16 on the wire.
#pragma once

#include <string>

#include "base/result.h"
#include "wire/fscc/file_information.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::wire {

// [MS-FSCC] 2.1.7 "FILE_NAME_INFORMATION": of FileNameInformation, FileAlternateNameInformation,
// FileNormalizedNameInformation, and of a set of FileShortNameInformation (2.4.46).
struct FileNameInformation {
  std::string file_name;

  static Result<FileNameInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

// [MS-FSCC] 2.4.2 "FileAllInformation".
struct FileAllInformation {
  FileBasicInformation basic;
  FileStandardInformation standard;
  FileInternalInformation internal;
  FileEaInformation ea;
  FileAccessInformation access;
  FilePositionInformation position;
  FileModeInformation mode;
  FileAlignmentInformation alignment;
  FileNameInformation name;

  static Result<FileAllInformation> decode(Reader& r);
  void encode(Writer& w) const;
};

}  // namespace braid::wire

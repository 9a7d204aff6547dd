#include "wire/fscc/name_information.h"

#include "wire/fscc/name_io.h"

namespace braid::wire {

Result<FileNameInformation> FileNameInformation::decode(Reader& r) {
  FileNameInformation info;
  const uint32_t length = r.u32();
  info.file_name = read_name(r, length);
  return r.finish(std::move(info));
}

void FileNameInformation::encode(Writer& w) const {
  w.u32(name_length(file_name));
  write_utf16le(w, file_name);
}

Result<FileAllInformation> FileAllInformation::decode(Reader& r) {
  FileAllInformation all;
  BRAID_TRY(all.basic, FileBasicInformation::decode(r));
  BRAID_TRY(all.standard, FileStandardInformation::decode(r));
  BRAID_TRY(all.internal, FileInternalInformation::decode(r));
  BRAID_TRY(all.ea, FileEaInformation::decode(r));
  BRAID_TRY(all.access, FileAccessInformation::decode(r));
  BRAID_TRY(all.position, FilePositionInformation::decode(r));
  BRAID_TRY(all.mode, FileModeInformation::decode(r));
  BRAID_TRY(all.alignment, FileAlignmentInformation::decode(r));
  BRAID_TRY(all.name, FileNameInformation::decode(r));
  return all;
}

void FileAllInformation::encode(Writer& w) const {
  basic.encode(w);
  standard.encode(w);
  internal.encode(w);
  ea.encode(w);
  access.encode(w);
  position.encode(w);
  mode.encode(w);
  alignment.encode(w);
  name.encode(w);
}

}  // namespace braid::wire

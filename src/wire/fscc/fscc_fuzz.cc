// First byte: which decoder. What decodes must encode, and decode again.
#include <cstdint>
#include <cstdlib>

#include "wire/fscc/directory_entry.h"
#include "wire/fscc/fs_information.h"
#include "wire/fscc/full_ea.h"
#include "wire/fscc/name_information.h"
#include "wire/fscc/notify.h"
#include "wire/fscc/pipe_information.h"
#include "wire/fscc/quota.h"
#include "wire/fscc/reparse.h"
#include "wire/fscc/set_information.h"
#include "wire/fscc/stream_information.h"

using namespace braid;
using namespace braid::wire;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Info>
void fixed(ByteView bytes) {
  Reader r(bytes);
  const Result<Info> info = Info::decode(r);
  if (!info) return;
  Bytes out;
  Writer w(out);
  info->encode(w);
  Reader again(out);
  require(Info::decode(again).has_value());
}

void directory(ByteView bytes) {
  for (int value = 0; value < 256; ++value) {
    const auto info_class = static_cast<FileInfoClass>(value);
    const auto entries = decode_directory_entries(info_class, bytes);
    if (!entries) continue;
    Bytes out;
    EntryListWriter list(out, SIZE_MAX, 8);
    for (const DirectoryEntry& entry : *entries) {
      list.begin();
      encode_directory_entry(info_class, entry, list.writer());
      list.end();
    }
    const auto again = decode_directory_entries(info_class, out);
    require(again && again->size() == entries->size());
    for (size_t i = 0; i < again->size(); ++i) {
      require((*again)[i].file_name == (*entries)[i].file_name);
    }
  }
}

void lists(ByteView bytes) {
  if (const auto v = decode_streams(bytes)) {
    require(*decode_streams(encode_streams(*v, SIZE_MAX).bytes) == *v);
  }
  if (const auto v = decode_notify(bytes)) {
    require(*decode_notify(encode_notify(*v, SIZE_MAX)) == *v);
  }
  if (const auto v = decode_quotas(bytes)) {
    require(*decode_quotas(encode_quotas(*v, SIZE_MAX)) == *v);
  }
  if (const auto v = decode_quota_sids(bytes)) {
    require(*decode_quota_sids(encode_quota_sids(*v)) == *v);
  }
  size_t where = 0;
  if (const auto v = decode_full_eas(bytes, &where)) {
    require(decode_full_eas(encode_full_eas(*v, SIZE_MAX)).has_value());
  } else {
    require(where <= bytes.size());
  }
  (void)decode_ea_names(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      fixed<FileAllInformation>(bytes);
      fixed<FileNameInformation>(bytes);
      fixed<FileNetworkOpenInformation>(bytes);
      fixed<FileIdInformation>(bytes);
      fixed<FilePipeLocalInformation>(bytes);
      fixed<FileRenameInformation>(bytes);
      fixed<FileRenameInformationEx>(bytes);
      fixed<FileRenameInformationType1>(bytes);
      fixed<FileEndOfFileInformation>(bytes);
      fixed<FileFsVolumeInformation>(bytes);
      fixed<FileFsLabelInformation>(bytes);
      fixed<FileFsAttributeInformation>(bytes);
      fixed<FileFsControlInformation>(bytes);
      fixed<FileFsObjectIdInformation>(bytes);
      fixed<FileFsPosixInformation>(bytes);
      fixed<FilePosixInformation>(bytes);
      break;
    case 1:
      directory(bytes);
      break;
    case 2:
      lists(bytes);
      break;
    default:
      if (const auto reparse = ReparseData::decode(bytes)) {
        // Names that overlap on the wire need more room apart; past 64 KiB no length can say so.
        const Bytes out = reparse->encode();
        if (out.size() <= ReparseData::kSizeMax) require(ReparseData::decode(out) == *reparse);
      }
  }
  return 0;
}

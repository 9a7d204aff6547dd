#include "wire/fscc/set_information.h"

#include <algorithm>

#include "wire/fscc/name_io.h"

namespace braid::wire {
namespace {

// FILE_RENAME_INFORMATION_TYPE_2 and its kin are at least this long, however short the name.
constexpr size_t kRenameSizeMin = 24;

// Sizes travel signed; one past the largest file offset is as wrong as a negative one.
uint64_t read_size(Reader& r) {
  const uint64_t size = r.u64();
  r.expect(static_cast<int64_t>(size) >= 0);
  return size;
}

void pad_rename(Writer& w, size_t start) {
  const size_t size = w.position() - start;
  if (size < kRenameSizeMin) w.zeros(kRenameSizeMin - size);
}

}  // namespace

Result<FileRenameInformation> FileRenameInformation::decode(Reader& r) {
  FileRenameInformation info;
  info.replace_if_exists = r.u8() != 0;
  r.skip(7);
  info.root_directory = r.u64();
  const uint32_t length = r.u32();
  info.file_name = read_name(r, length);
  return r.finish(std::move(info));
}

void FileRenameInformation::encode(Writer& w) const {
  const size_t start = w.position();
  w.u8(replace_if_exists);
  w.zeros(7);
  w.u64(root_directory);
  w.u32(name_length(file_name));
  write_utf16le(w, file_name);
  pad_rename(w, start);
}

Result<FileRenameInformationEx> FileRenameInformationEx::decode(Reader& r) {
  FileRenameInformationEx info;
  info.flags = r.u32();
  r.skip(4);
  info.root_directory = r.u64();
  const uint32_t length = r.u32();
  info.file_name = read_name(r, length);
  return r.finish(std::move(info));
}

void FileRenameInformationEx::encode(Writer& w) const {
  const size_t start = w.position();
  w.u32(flags);
  w.zeros(4);
  w.u64(root_directory);
  w.u32(name_length(file_name));
  write_utf16le(w, file_name);
  pad_rename(w, start);
}

Result<FileRenameInformationType1> FileRenameInformationType1::decode(Reader& r) {
  FileRenameInformationType1 info;
  info.replace_if_exists = r.u8() != 0;
  r.skip(3);
  info.root_directory = r.u32();
  const uint32_t length = r.u32();
  info.file_name = read_name(r, length);
  return r.finish(std::move(info));
}

void FileRenameInformationType1::encode(Writer& w) const {
  w.u8(replace_if_exists);
  w.zeros(3);
  w.u32(root_directory);
  w.u32(name_length(file_name));
  write_utf16le(w, file_name);
}

Result<FileDispositionInformation> FileDispositionInformation::decode(Reader& r) {
  FileDispositionInformation info;
  info.delete_pending = r.u8() != 0;
  return r.finish(info);
}

void FileDispositionInformation::encode(Writer& w) const { w.u8(delete_pending); }

Result<FileDispositionInformationEx> FileDispositionInformationEx::decode(Reader& r) {
  FileDispositionInformationEx info;
  info.flags = r.u32();
  return r.finish(info);
}

void FileDispositionInformationEx::encode(Writer& w) const { w.u32(flags); }

Result<FileAllocationInformation> FileAllocationInformation::decode(Reader& r) {
  FileAllocationInformation info;
  info.allocation_size = read_size(r);
  return r.finish(info);
}

void FileAllocationInformation::encode(Writer& w) const { w.u64(allocation_size); }

Result<FileEndOfFileInformation> FileEndOfFileInformation::decode(Reader& r) {
  FileEndOfFileInformation info;
  info.end_of_file = read_size(r);
  return r.finish(info);
}

void FileEndOfFileInformation::encode(Writer& w) const { w.u64(end_of_file); }

Result<FileValidDataLengthInformation> FileValidDataLengthInformation::decode(Reader& r) {
  FileValidDataLengthInformation info;
  info.valid_data_length = read_size(r);
  return r.finish(info);
}

void FileValidDataLengthInformation::encode(Writer& w) const { w.u64(valid_data_length); }

}  // namespace braid::wire

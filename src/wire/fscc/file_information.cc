#include "wire/fscc/file_information.h"

namespace braid::wire {

Result<FileBasicInformation> FileBasicInformation::decode(Reader& r) {
  FileBasicInformation info;
  info.creation_time = r.file_time();
  info.last_access_time = r.file_time();
  info.last_write_time = r.file_time();
  info.change_time = r.file_time();
  info.file_attributes = r.u32();
  r.skip(4);
  return r.finish(info);
}

void FileBasicInformation::encode(Writer& w) const {
  w.file_time(creation_time);
  w.file_time(last_access_time);
  w.file_time(last_write_time);
  w.file_time(change_time);
  w.u32(file_attributes);
  w.zeros(4);
}

Result<FileStandardInformation> FileStandardInformation::decode(Reader& r) {
  FileStandardInformation info;
  info.allocation_size = r.u64();
  info.end_of_file = r.u64();
  info.number_of_links = r.u32();
  info.delete_pending = r.u8() != 0;
  info.directory = r.u8() != 0;
  r.skip(2);
  return r.finish(info);
}

void FileStandardInformation::encode(Writer& w) const {
  w.u64(allocation_size);
  w.u64(end_of_file);
  w.u32(number_of_links);
  w.u8(delete_pending);
  w.u8(directory);
  w.zeros(2);
}

Result<FileInternalInformation> FileInternalInformation::decode(Reader& r) {
  FileInternalInformation info;
  info.index_number = r.u64();
  return r.finish(info);
}

void FileInternalInformation::encode(Writer& w) const { w.u64(index_number); }

Result<FileEaInformation> FileEaInformation::decode(Reader& r) {
  FileEaInformation info;
  info.ea_size = r.u32();
  return r.finish(info);
}

void FileEaInformation::encode(Writer& w) const { w.u32(ea_size); }

Result<FileAccessInformation> FileAccessInformation::decode(Reader& r) {
  FileAccessInformation info;
  info.access_flags = r.u32();
  return r.finish(info);
}

void FileAccessInformation::encode(Writer& w) const { w.u32(access_flags); }

Result<FilePositionInformation> FilePositionInformation::decode(Reader& r) {
  FilePositionInformation info;
  info.current_byte_offset = r.u64();
  return r.finish(info);
}

void FilePositionInformation::encode(Writer& w) const { w.u64(current_byte_offset); }

Result<FileModeInformation> FileModeInformation::decode(Reader& r) {
  FileModeInformation info;
  info.mode = r.u32();
  return r.finish(info);
}

void FileModeInformation::encode(Writer& w) const { w.u32(mode); }

Result<FileAlignmentInformation> FileAlignmentInformation::decode(Reader& r) {
  FileAlignmentInformation info;
  info.alignment_requirement = r.u32();
  return r.finish(info);
}

void FileAlignmentInformation::encode(Writer& w) const { w.u32(alignment_requirement); }

Result<FileAttributeTagInformation> FileAttributeTagInformation::decode(Reader& r) {
  FileAttributeTagInformation info;
  info.file_attributes = r.u32();
  info.reparse_tag = r.u32();
  return r.finish(info);
}

void FileAttributeTagInformation::encode(Writer& w) const {
  w.u32(file_attributes);
  w.u32(reparse_tag);
}

Result<FileNetworkOpenInformation> FileNetworkOpenInformation::decode(Reader& r) {
  FileNetworkOpenInformation info;
  info.creation_time = r.file_time();
  info.last_access_time = r.file_time();
  info.last_write_time = r.file_time();
  info.change_time = r.file_time();
  info.allocation_size = r.u64();
  info.end_of_file = r.u64();
  info.file_attributes = r.u32();
  r.skip(4);
  return r.finish(info);
}

void FileNetworkOpenInformation::encode(Writer& w) const {
  w.file_time(creation_time);
  w.file_time(last_access_time);
  w.file_time(last_write_time);
  w.file_time(change_time);
  w.u64(allocation_size);
  w.u64(end_of_file);
  w.u32(file_attributes);
  w.zeros(4);
}

Result<FileCompressionInformation> FileCompressionInformation::decode(Reader& r) {
  FileCompressionInformation info;
  info.compressed_file_size = r.u64();
  info.compression_format = r.u16();
  info.compression_unit_shift = r.u8();
  info.chunk_shift = r.u8();
  info.cluster_shift = r.u8();
  r.skip(3);
  return r.finish(info);
}

void FileCompressionInformation::encode(Writer& w) const {
  w.u64(compressed_file_size);
  w.u16(compression_format);
  w.u8(compression_unit_shift);
  w.u8(chunk_shift);
  w.u8(cluster_shift);
  w.zeros(3);
}

Result<FileIdInformation> FileIdInformation::decode(Reader& r) {
  FileIdInformation info;
  info.volume_serial_number = r.u64();
  info.file_id = r.id128<FileId128>();
  return r.finish(info);
}

void FileIdInformation::encode(Writer& w) const {
  w.u64(volume_serial_number);
  w.id128(file_id);
}

Result<FileStandardLinkInformation> FileStandardLinkInformation::decode(Reader& r) {
  FileStandardLinkInformation info;
  info.number_of_accessible_links = r.u32();
  info.total_number_of_links = r.u32();
  info.delete_pending = r.u8() != 0;
  info.directory = r.u8() != 0;
  r.skip(2);
  return r.finish(info);
}

void FileStandardLinkInformation::encode(Writer& w) const {
  w.u32(number_of_accessible_links);
  w.u32(total_number_of_links);
  w.u8(delete_pending);
  w.u8(directory);
  w.zeros(2);
}

Result<FilePosixInformation> FilePosixInformation::decode(Reader& r) {
  FilePosixInformation info;
  info.creation_time = r.file_time();
  info.last_access_time = r.file_time();
  info.last_write_time = r.file_time();
  info.change_time = r.file_time();
  info.end_of_file = r.u64();
  info.allocation_size = r.u64();
  info.file_attributes = r.u32();
  info.inode = r.u64();
  info.device_id = r.u32();
  r.skip(4);
  info.number_of_links = r.u32();
  info.reparse_tag = r.u32();
  info.mode = r.u32();
  if (!r.ok()) return std::unexpected(r.error());
  BRAID_TRY(info.owner, Sid::decode(r));
  BRAID_TRY(info.group, Sid::decode(r));
  return r.finish(info);
}

void FilePosixInformation::encode(Writer& w) const {
  w.file_time(creation_time);
  w.file_time(last_access_time);
  w.file_time(last_write_time);
  w.file_time(change_time);
  w.u64(end_of_file);
  w.u64(allocation_size);
  w.u32(file_attributes);
  w.u64(inode);
  w.u32(device_id);
  w.zeros(4);
  w.u32(number_of_links);
  w.u32(reparse_tag);
  w.u32(mode);
  owner.encode(w);
  group.encode(w);
}

}  // namespace braid::wire

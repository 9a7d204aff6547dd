#include "wire/fscc/fs_information.h"

#include <algorithm>

#include "wire/fscc/name_io.h"

namespace braid::wire {
namespace {

constexpr size_t kLabelSizeMax = 64;  // 32 UTF-16 units

}  // namespace

Result<FileFsVolumeInformation> FileFsVolumeInformation::decode(Reader& r) {
  FileFsVolumeInformation info;
  info.volume_creation_time = r.file_time();
  info.volume_serial_number = r.u32();
  const uint32_t length = r.u32();
  info.supports_objects = r.u8() != 0;
  r.skip(1);
  info.volume_label = read_name(r, length);
  return r.finish(std::move(info));
}

void FileFsVolumeInformation::encode(Writer& w) const {
  Bytes label;
  Writer label_writer(label);
  write_utf16le(label_writer, volume_label);
  if (label.size() > kLabelSizeMax) {
    const bool splits_pair = (label[kLabelSizeMax - 1] & 0xfc) == 0xd8;
    label.resize(kLabelSizeMax - (splits_pair ? 2 : 0));
  }
  w.file_time(volume_creation_time);
  w.u32(volume_serial_number);
  w.u32(static_cast<uint32_t>(label.size()));
  w.u8(supports_objects);
  w.u8(0);
  w.bytes(label);
}

Result<FileFsLabelInformation> FileFsLabelInformation::decode(Reader& r) {
  FileFsLabelInformation info;
  const uint32_t length = r.u32();
  info.volume_label = read_name(r, length);
  return r.finish(std::move(info));
}

void FileFsLabelInformation::encode(Writer& w) const {
  w.u32(name_length(volume_label));
  write_utf16le(w, volume_label);
}

Result<FileFsSizeInformation> FileFsSizeInformation::decode(Reader& r) {
  FileFsSizeInformation info;
  info.total_allocation_units = r.u64();
  info.available_allocation_units = r.u64();
  info.sectors_per_allocation_unit = r.u32();
  info.bytes_per_sector = r.u32();
  return r.finish(info);
}

void FileFsSizeInformation::encode(Writer& w) const {
  w.u64(total_allocation_units);
  w.u64(available_allocation_units);
  w.u32(sectors_per_allocation_unit);
  w.u32(bytes_per_sector);
}

Result<FileFsFullSizeInformation> FileFsFullSizeInformation::decode(Reader& r) {
  FileFsFullSizeInformation info;
  info.total_allocation_units = r.u64();
  info.caller_available_allocation_units = r.u64();
  info.actual_available_allocation_units = r.u64();
  info.sectors_per_allocation_unit = r.u32();
  info.bytes_per_sector = r.u32();
  return r.finish(info);
}

void FileFsFullSizeInformation::encode(Writer& w) const {
  w.u64(total_allocation_units);
  w.u64(caller_available_allocation_units);
  w.u64(actual_available_allocation_units);
  w.u32(sectors_per_allocation_unit);
  w.u32(bytes_per_sector);
}

Result<FileFsDeviceInformation> FileFsDeviceInformation::decode(Reader& r) {
  FileFsDeviceInformation info;
  info.device_type = r.u32();
  info.characteristics = r.u32();
  return r.finish(info);
}

void FileFsDeviceInformation::encode(Writer& w) const {
  w.u32(device_type);
  w.u32(characteristics);
}

Result<FileFsAttributeInformation> FileFsAttributeInformation::decode(Reader& r) {
  FileFsAttributeInformation info;
  info.file_system_attributes = r.u32();
  info.maximum_component_name_length = r.u32();
  const uint32_t length = r.u32();
  info.file_system_name = read_name(r, length);
  return r.finish(std::move(info));
}

void FileFsAttributeInformation::encode(Writer& w) const {
  w.u32(file_system_attributes);
  w.u32(maximum_component_name_length);
  w.u32(name_length(file_system_name));
  write_utf16le(w, file_system_name);
}

Result<FileFsControlInformation> FileFsControlInformation::decode(Reader& r) {
  FileFsControlInformation info;
  info.free_space_start_filtering = r.u64();
  info.free_space_threshold = r.u64();
  info.free_space_stop_filtering = r.u64();
  info.default_quota_threshold = r.u64();
  info.default_quota_limit = r.u64();
  info.file_system_control_flags = r.u32();
  r.skip(4);
  return r.finish(info);
}

void FileFsControlInformation::encode(Writer& w) const {
  w.u64(free_space_start_filtering);
  w.u64(free_space_threshold);
  w.u64(free_space_stop_filtering);
  w.u64(default_quota_threshold);
  w.u64(default_quota_limit);
  w.u32(file_system_control_flags);
  w.zeros(4);
}

Result<FileFsObjectIdInformation> FileFsObjectIdInformation::decode(Reader& r) {
  FileFsObjectIdInformation info;
  info.object_id = r.id128<Guid>();
  const ByteView extended = r.bytes(info.extended_info.size());
  std::copy(extended.begin(), extended.end(), info.extended_info.begin());
  return r.finish(info);
}

void FileFsObjectIdInformation::encode(Writer& w) const {
  w.id128(object_id);
  w.bytes(extended_info);
}

Result<FileFsSectorSizeInformation> FileFsSectorSizeInformation::decode(Reader& r) {
  FileFsSectorSizeInformation info;
  info.logical_bytes_per_sector = r.u32();
  info.physical_bytes_per_sector_for_atomicity = r.u32();
  info.physical_bytes_per_sector_for_performance = r.u32();
  info.effective_physical_bytes_per_sector_for_atomicity = r.u32();
  info.flags = r.u32();
  info.byte_offset_for_sector_alignment = r.u32();
  info.byte_offset_for_partition_alignment = r.u32();
  return r.finish(info);
}

void FileFsSectorSizeInformation::encode(Writer& w) const {
  w.u32(logical_bytes_per_sector);
  w.u32(physical_bytes_per_sector_for_atomicity);
  w.u32(physical_bytes_per_sector_for_performance);
  w.u32(effective_physical_bytes_per_sector_for_atomicity);
  w.u32(flags);
  w.u32(byte_offset_for_sector_alignment);
  w.u32(byte_offset_for_partition_alignment);
}

Result<FileFsPosixInformation> FileFsPosixInformation::decode(Reader& r) {
  FileFsPosixInformation info;
  info.optimal_transfer_size = r.u32();
  info.block_size = r.u32();
  info.total_blocks = r.u64();
  info.blocks_avail = r.u64();
  info.user_blocks_avail = r.u64();
  info.total_file_nodes = r.u64();
  info.free_file_nodes = r.u64();
  info.fs_identifier = r.u64();
  return r.finish(info);
}

void FileFsPosixInformation::encode(Writer& w) const {
  w.u32(optimal_transfer_size);
  w.u32(block_size);
  w.u64(total_blocks);
  w.u64(blocks_avail);
  w.u64(user_blocks_avail);
  w.u64(total_file_nodes);
  w.u64(free_file_nodes);
  w.u64(fs_identifier);
}

}  // namespace braid::wire

#include "records.h"

#include <algorithm>

#include "record.h"

namespace braid::fault {

using namespace std::chrono_literals;

RecordFile::RecordFile(Context& context, uint32_t number, size_t record_size)
    : context_(context),
      number_(number),
      record_size_(record_size),
      name_(fmt::format("records-{}", number)) {
  lease_key_.bytes = {'r', 'e', 'c', static_cast<uint8_t>(number)};
}

wire::CreateRequest RecordFile::create_request(wire::CreateDisposition disposition) const {
  wire::CreateRequest create;
  create.desired_access = kReadWriteDelete;
  create.share_access = wire::ShareAccess::kAll;
  create.create_disposition = disposition;
  create.name = name_;
  if (context_.leases) {
    create.requested_oplock_level = wire::OplockLevel::kLease;
    create.contexts.request_lease = {
        .version = 2, .lease_key = lease_key_, .lease_state = wire::LeaseState::kAll};
  }
  return create;
}

Task<bool> RecordFile::open() {
  auto file = co_await context_.tree->create(create_request(wire::CreateDisposition::kOverwriteIf));
  if (!context_.went_well("open", name_, file)) co_return false;
  file_ = std::move(*file);
  co_return true;
}

void RecordFile::run(TaskScope& scope) {
  for (uint32_t writer = 0; writer < kWriters; ++writer) scope.spawn(write_and_read(writer));
  if (context_.leases) scope.spawn(regain_lease());
}

Bytes RecordFile::record(uint32_t slot) const {
  return make_record({.file = number_, .slot = slot, .generation = generations_[slot]},
                     context_.seed, record_size_);
}

Task<bool> RecordFile::write(uint32_t slot) {
  ++generations_[slot];
  const Bytes data = record(slot);
  const auto count = co_await file_->write(slot * record_size_, ByteView(data));
  if (!context_.went_well("write", fmt::format("{} slot {}", name_, slot), count)) co_return false;
  if (*count != data.size()) context_.fail("{}: {} bytes written", name_, *count);
  co_return true;
}

Task<bool> RecordFile::read(uint32_t slot) {
  const auto reply = co_await file_->read(slot * record_size_, static_cast<uint32_t>(record_size_));
  if (!context_.went_well("read", fmt::format("{} slot {}", name_, slot), reply)) co_return false;
  if (!std::ranges::equal(reply->body.data, record(slot))) {
    context_.fail("{} slot {}: not what was written last (generation {})", name_, slot,
                  generations_[slot]);
  }
  co_return true;
}

// Each slot has one writer, so the writer knows what is in it.
Task<void> RecordFile::write_and_read(uint32_t writer) {
  auto random = context_.random(100 + number_ * kWriters + writer);
  bool ok = true;
  while (ok && !context_.stopping) {
    const uint32_t slot = static_cast<uint32_t>(random() % (kSlots / kWriters)) * kWriters + writer;
    ok = co_await write(slot);
    if (ok && random() % 4 == 0) ok = co_await read(slot);
    co_await context_.reactor.sleep_for(std::chrono::milliseconds(random() % 20));
  }
}

Task<void> RecordFile::regain_lease() {
  while (!context_.stopping) {
    const auto file =
        co_await context_.tree->create(create_request(wire::CreateDisposition::kOpen));
    if (!context_.went_well("lease", name_, file)) co_return;
    if (!context_.went_well("close", name_, co_await (*file)->close())) co_return;
    co_await context_.reactor.sleep_for(50ms);
  }
}

Task<void> RecordFile::finish() {
  if (!file_) co_return;
  if (!co_await write(0)) co_return;
  context_.went_well("flush", name_, co_await file_->flush());
  if (!context_.went_well("close", name_, co_await file_->close())) co_return;
  uint64_t slots = kSlots;
  while (generations_[slots - 1] == 0) --slots;  // slot 0 was written a moment ago
  context_.expected[name_] = {
      .size = slots * record_size_, .generations = generations_, .record_size = record_size_};
}

}  // namespace braid::fault

#include "store/log_writer.h"

#include <algorithm>

namespace braid::store {
namespace {

// What the buffer keeps between commits.
constexpr size_t kBufferKept = 256 * 1024;

}  // namespace

LogWriter::LogWriter(std::unique_ptr<LogFile> file, const LogHeader& header, uint64_t step)
    : file_(std::move(file)), seed_(header.seed()), step_(step) {
  header.encode(buffer_);
}

void LogWriter::add(LogOperation operation, ByteView key, ByteView value) {
  LogRecord{
      .position = end(), .synced = synced_, .operation = operation, .key = key, .value = value}
      .encode(seed_, buffer_);
}

Result<void> LogWriter::commit() {
  if (buffer_.empty()) return {};
  if (end() > allocated_) {
    const uint64_t wanted = (end() + step_ - 1) / step_ * step_;
    BRAID_CHECK(file_->allocate(wanted));
    allocated_ = wanted;
  }
  for (ByteView rest = buffer_; !rest.empty();) {
    BRAID_TRY(const size_t written, file_->write(end() - rest.size(), rest));
    rest = rest.subspan(std::min(written, rest.size()));
  }
  BRAID_CHECK(file_->sync());
  synced_ = end();
  buffer_.clear();
  if (buffer_.capacity() > kBufferKept) buffer_.shrink_to_fit();
  return {};
}

}  // namespace braid::store

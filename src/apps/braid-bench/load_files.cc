#include "apps/braid-bench/load_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/braid-bench/in_flight.h"

namespace braid::bench {
namespace {

constexpr size_t kFilesAtATime = 32;
constexpr uint64_t kPieceMax = 262'144;

Task<Result<void>> fill(client::FilePtr file, uint64_t bytes) {
  const uint64_t piece_max =
      std::min<uint64_t>(kPieceMax, file->tree().session().connection().max_write_size());
  // Nothing that compresses to nothing or that a file system leaves out as a hole.
  Bytes piece(std::min(bytes, piece_max));
  for (size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<uint8_t>(i * 167 + i / 251);
  for (uint64_t offset = 0; offset < bytes; offset += piece_max) {
    const ByteView rest = ByteView(piece).first(std::min(piece_max, bytes - offset));
    BRAID_CO_TRY(const uint32_t count, co_await file->write(offset, rest));
    if (count != rest.size()) co_return fail(NtStatus::kDiskFull);
  }
  co_return Result<void>();
}

}  // namespace

std::string load_path(std::string_view name) { return fmt::format("{}\\{}", kLoadFolder, name); }

Task<Result<void>> make_folder(client::TreePtr tree, std::string path) {
  BRAID_CO_TRY(const auto folder,
               co_await tree->open_directory(std::move(path), wire::CreateDisposition::kOpenIf));
  BRAID_CO_CHECK(co_await folder->close());
  co_return Result<void>();
}

Task<Result<client::FilePtr>> make_file(client::TreePtr tree, std::string path, uint64_t bytes) {
  BRAID_CO_TRY(auto file, co_await tree->open(std::move(path), kReadAndWrite,
                                              wire::CreateDisposition::kOverwriteIf));
  BRAID_CO_CHECK(co_await fill(file, bytes));
  co_return std::move(file);
}

Task<Result<void>> need_file(client::TreePtr tree, std::string path, uint64_t bytes) {
  BRAID_CO_TRY(const auto file, co_await tree->open(std::move(path), kReadAndWrite,
                                                    wire::CreateDisposition::kOpenIf));
  if (file->created().end_of_file != bytes) BRAID_CO_CHECK(co_await fill(file, bytes));
  BRAID_CO_CHECK(co_await file->close());
  co_return Result<void>();
}

Task<Result<void>> need_files(client::TreePtr tree, size_t count, uint64_t bytes,
                              std::function<std::string(size_t)> path_of) {
  co_return co_await for_each_in_flight(
      count, kFilesAtATime, [&](size_t number) { return need_file(tree, path_of(number), bytes); });
}

Task<Result<void>> remove_files(client::TreePtr tree, size_t count,
                                std::function<std::string(size_t)> path_of) {
  co_return co_await for_each_in_flight(
      count, kFilesAtATime, [&](size_t number) { return remove(tree, path_of(number)); });
}

Task<Result<void>> remove(client::TreePtr tree, std::string path) {
  BRAID_CO_TRY(const auto file, co_await tree->open(std::move(path), wire::Access::kDelete,
                                                    wire::CreateDisposition::kOpen,
                                                    wire::CreateOptions::kDeleteOnClose));
  BRAID_CO_CHECK(co_await file->close());
  co_return Result<void>();
}

}  // namespace braid::bench

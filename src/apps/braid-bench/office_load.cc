#include "apps/braid-bench/office_load.h"

#include <fmt/format.h>

#include <random>

#include "apps/braid-bench/load_files.h"
#include "wire/fscc/file_information.h"

namespace braid::bench {
namespace {

using wire::Access;

constexpr size_t kDocuments = 100;
constexpr uint32_t kDocumentSize = 65'536;
constexpr uint32_t kPieceSize = 4'096;

class OfficeWork final : public Work {
 public:
  OfficeWork(client::TreePtr tree, size_t client)
      : tree_(std::move(tree)),
        folder_(load_path(fmt::format("office-{}", client))),
        random_(client),
        data_(kDocumentSize, 0x5A) {}

  Task<Outcome<void>> begin() override {
    BRAID_CO_CHECK(co_await make_folder(tree_, folder_));
    BRAID_CO_CHECK(co_await need_files(tree_, kDocuments, kDocumentSize, documents()));
    co_return Outcome<void>();
  }

  Task<Result<Done>> operate(size_t lane) override {
    // Each lane has documents of its own: two who save the same one would meet a file in use.
    const size_t own = random_() % (kDocuments / kLanes) * kLanes + lane % kLanes;
    const std::string path = document(own);
    const uint64_t chance = random_() % 100;
    if (chance < 35) return ask(path);
    if (chance < 60) return read(path);
    if (chance < 70) return list();
    if (chance < 80) return write(path, random_() % (kDocumentSize / kPieceSize) * kPieceSize);
    if (chance < 90) return save(path, scratch(next_++));
    if (chance < 95) return lock(path);
    return make_and_delete(scratch(next_++));
  }

  Task<Result<void>> end() override {
    BRAID_CO_CHECK(co_await remove_files(tree_, kDocuments, documents()));
    co_return co_await remove(tree_, folder_);
  }

 private:
  static constexpr size_t kLanes = 10;  // more share theirs, and may meet

  std::string document(size_t number) const {
    return fmt::format("{}\\document {:03}.odt", folder_, number);
  }
  std::function<std::string(size_t)> documents() const {
    return [this](size_t number) { return document(number); };
  }
  std::string scratch(uint64_t number) const { return fmt::format("{}\\~{}.tmp", folder_, number); }

  Task<Result<Done>> ask(std::string path) {
    BRAID_CO_TRY(const auto file, co_await tree_->open(path, Access::kFileReadAttributes));
    const auto info = co_await file->query_info(wire::FileInfoClass::kNetworkOpen);
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(info);
    co_return Done{};
  }
  Task<Result<Done>> read(std::string path) {
    BRAID_CO_TRY(const auto file, co_await tree_->open(path));
    const auto reply = co_await file->read(0, kDocumentSize);
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(reply);
    co_return Done{.bytes = kDocumentSize, .time = {}};
  }
  Task<Result<Done>> list() {
    BRAID_CO_TRY(const auto folder, co_await tree_->open_directory(folder_));
    const auto entries = co_await folder->list();
    BRAID_CO_CHECK(co_await folder->close());
    BRAID_CO_CHECK(entries);
    co_return Done{};
  }
  Task<Result<Done>> write(std::string path, uint64_t offset) {
    BRAID_CO_TRY(const auto file, co_await tree_->open(path, kReadAndWrite));
    const auto count = co_await file->write(offset, ByteView(data_).first(kPieceSize));
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(count);
    co_return Done{.bytes = kPieceSize, .time = {}};
  }
  Task<Result<Done>> save(std::string path, std::string new_path) {
    BRAID_CO_TRY(const auto file, co_await tree_->open(new_path, kReadAndWrite | Access::kDelete,
                                                       wire::CreateDisposition::kOverwriteIf));
    const auto count = co_await file->write(0, ByteView(data_));
    const auto renamed = co_await file->rename(path, true);
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(count);
    BRAID_CO_CHECK(renamed);
    co_return Done{.bytes = kDocumentSize, .time = {}};
  }
  Task<Result<Done>> lock(std::string path) {
    BRAID_CO_TRY(const auto file, co_await tree_->open(path, kReadAndWrite));
    wire::LockElement range{.offset = 0, .length = kPieceSize, .flags = 0};
    range.flags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately;
    const auto locked = co_await file->lock({range});
    const auto reply = co_await file->read(0, kPieceSize);
    range.flags = wire::LockFlags::kUnlock;
    const auto unlocked = co_await file->lock({range});
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(locked);
    BRAID_CO_CHECK(reply);
    BRAID_CO_CHECK(unlocked);
    co_return Done{.bytes = kPieceSize, .time = {}};
  }
  Task<Result<Done>> make_and_delete(std::string path) {
    BRAID_CO_TRY(const auto file, co_await tree_->open(path, Access::kFileGenericWrite,
                                                       wire::CreateDisposition::kOverwriteIf));
    const auto count = co_await file->write(0, ByteView(data_).first(kPieceSize));
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(count);
    BRAID_CO_CHECK(co_await remove(tree_, path));
    co_return Done{.bytes = kPieceSize, .time = {}};
  }

  const client::TreePtr tree_;
  const std::string folder_;
  std::mt19937_64 random_;
  const Bytes data_;
  uint64_t next_ = 0;
};

class OfficeLoad final : public Load {
 public:
  Task<Outcome<void>> prepare(const Client& first) override {
    BRAID_CO_CHECK(co_await make_folder(first.tree(), kLoadFolder));
    co_return Outcome<void>();
  }
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<OfficeWork>(client.tree(), client.number);
  }
  Task<Result<void>> clean_up(const Client& first) override {
    return remove(first.tree(), kLoadFolder);
  }
};

}  // namespace

std::unique_ptr<Load> make_office_load() { return std::make_unique<OfficeLoad>(); }

}  // namespace braid::bench

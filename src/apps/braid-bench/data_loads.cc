#include "apps/braid-bench/data_loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "apps/braid-bench/load_files.h"
#include "wire/smb2/echo.h"

namespace braid::bench {
namespace {

class EchoLoad final : public Load {
  class EchoWork final : public Work {
   public:
    explicit EchoWork(client::SessionPtr session) : session_(std::move(session)) {}
    Task<Result<Done>> operate(size_t /*lane*/) override {
      BRAID_CO_CHECK(client::success_of(co_await session_->call(
          client::make_request(wire::Command::kEcho, wire::EchoRequest{}))));
      co_return Done{};
    }

   private:
    const client::SessionPtr session_;
  };

 public:
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<EchoWork>(client.mount.session);
  }
};

class DataWork final : public Work {
 public:
  DataWork(client::TreePtr tree, size_t client, const LoadOptions& options)
      : tree_(std::move(tree)),
        path_(load_path(fmt::format("data-{}", client))),
        options_(options),
        // Not all from the beginning of their files.
        random_(client) {}

  Task<Outcome<void>> begin() override {
    const auto& connection = tree_->session().connection();
    const uint32_t size_max =
        options_.kind == LoadKind::kRead ? connection.max_read_size() : connection.max_write_size();
    if (options_.size > size_max) {
      co_return failure(fmt::format("the server takes at most {} bytes in one request", size_max));
    }
    blocks_ = std::max<uint64_t>(options_.file_bytes / options_.size, 1);
    BRAID_CO_TRY(file_, co_await make_file(tree_, path_, blocks_ * options_.size));
    data_.assign(options_.size, 0x5A);
    co_return Outcome<void>();
  }

  Task<Result<Done>> operate(size_t /*lane*/) override {
    const uint64_t block = (options_.is_random ? random_() : next_++) % blocks_;
    const uint64_t offset = block * options_.size;
    if (options_.kind == LoadKind::kRead) {
      BRAID_CO_TRY(const auto reply, co_await file_->read(offset, options_.size));
      if (reply->data.size() != options_.size) co_return fail(NtStatus::kEndOfFile);
    } else {
      BRAID_CO_TRY(const uint32_t count, co_await file_->write(offset, ByteView(data_)));
      if (count != options_.size) co_return fail(NtStatus::kDiskFull);
    }
    co_return Done{.bytes = options_.size, .time = {}};
  }

  Task<Result<void>> end() override {
    if (file_) BRAID_CO_CHECK(co_await file_->close());
    co_return co_await remove(tree_, path_);
  }

 private:
  const client::TreePtr tree_;
  const std::string path_;
  const LoadOptions options_;
  std::mt19937_64 random_;
  client::FilePtr file_;
  uint64_t blocks_ = 1;
  uint64_t next_ = 0;
  Bytes data_;
};

// Loads whose files are in the folder, which goes when they are gone.
class FolderLoad : public Load {
 public:
  Task<Outcome<void>> prepare(const Client& first) override {
    BRAID_CO_CHECK(co_await make_folder(first.tree(), kLoadFolder));
    co_return Outcome<void>();
  }
  Task<Result<void>> clean_up(const Client& first) override {
    return remove(first.tree(), kLoadFolder);
  }
};

class DataLoad final : public FolderLoad {
 public:
  explicit DataLoad(const LoadOptions& options) : options_(options) {}
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<DataWork>(client.tree(), client.number, options_);
  }

 private:
  const LoadOptions options_;
};

class LockWork final : public Work {
 public:
  LockWork(client::TreePtr tree, size_t client) : tree_(std::move(tree)), client_(client) {}

  static std::string path() { return load_path("locks"); }

  Task<Outcome<void>> begin() override {
    BRAID_CO_TRY(file_, co_await tree_->open(path(), wire::Access::kFileGenericRead |
                                                         wire::Access::kFileGenericWrite));
    co_return Outcome<void>();
  }
  Task<Result<Done>> operate(size_t lane) override {
    wire::LockElement range;
    range.offset = (client_ << 32) + lane * kRange;
    range.length = kRange;
    range.flags = wire::LockFlags::kExclusiveLock | wire::LockFlags::kFailImmediately;
    BRAID_CO_CHECK(co_await file_->lock({range}));
    range.flags = wire::LockFlags::kUnlock;
    BRAID_CO_CHECK(co_await file_->lock({range}));
    co_return Done{};
  }
  Task<Result<void>> end() override {
    if (file_) BRAID_CO_CHECK(co_await file_->close());
    co_return Result<void>();
  }

 private:
  static constexpr uint64_t kRange = 100;

  const client::TreePtr tree_;
  const uint64_t client_;
  client::FilePtr file_;
};

class LockLoad final : public FolderLoad {
 public:
  Task<Outcome<void>> prepare(const Client& first) override {
    BRAID_CO_CHECK(co_await FolderLoad::prepare(first));
    BRAID_CO_CHECK(co_await need_file(first.tree(), LockWork::path(), 0));
    co_return Outcome<void>();
  }
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<LockWork>(client.tree(), client.number);
  }
  Task<Result<void>> clean_up(const Client& first) override {
    BRAID_CO_CHECK(co_await remove(first.tree(), LockWork::path()));
    co_return co_await FolderLoad::clean_up(first);
  }
};

}  // namespace

std::unique_ptr<Load> make_echo_load() { return std::make_unique<EchoLoad>(); }
std::unique_ptr<Load> make_data_load(const LoadOptions& options) {
  return std::make_unique<DataLoad>(options);
}
std::unique_ptr<Load> make_lock_load() { return std::make_unique<LockLoad>(); }

}  // namespace braid::bench

#include "apps/braid-bench/name_loads.h"

#include <fmt/format.h>
#include <unistd.h>

#include <random>

#include "apps/braid-bench/load_files.h"
#include "client/compound.h"

namespace braid::bench {
namespace {

using wire::Access;
using wire::Command;

// Files of Paths::kMany, and of a listing, in a directory of their own.
std::string many_folder() { return load_path("many"); }
std::string many_path(size_t number) { return fmt::format("{}\\{:06}.dat", many_folder(), number); }
std::string own_path(size_t client, size_t lane) {
  return load_path(fmt::format("own-{}-{}", client, lane));
}
std::string shared_path() { return load_path("one"); }

Task<Outcome<void>> make_many(client::TreePtr tree, size_t files) {
  BRAID_CO_CHECK(co_await make_folder(tree, kLoadFolder));
  BRAID_CO_CHECK(co_await make_folder(tree, many_folder()));
  BRAID_CO_CHECK(co_await need_files(tree, files, 0, many_path));
  co_return Outcome<void>();
}
Task<Result<void>> remove_many(client::TreePtr tree, size_t files) {
  BRAID_CO_CHECK(co_await remove_files(tree, files, many_path));
  BRAID_CO_CHECK(co_await remove(tree, many_folder()));
  co_return co_await remove(tree, kLoadFolder);
}

// Work that begins with a name of an existing file.
class NamedWork : public Work {
 public:
  NamedWork(client::TreePtr tree, size_t client, const LoadOptions& options)
      : tree_(std::move(tree)), client_(client), options_(options), random_(client) {}

  Task<Outcome<void>> begin() override {
    if (options_.paths == Paths::kOwn) {
      BRAID_CO_CHECK(co_await need_files(tree_, options_.in_flight, 0, own()));
    }
    co_return Outcome<void>();
  }
  Task<Result<void>> end() override {
    if (options_.paths == Paths::kOwn) {
      BRAID_CO_CHECK(co_await remove_files(tree_, options_.in_flight, own()));
    }
    co_return Result<void>();
  }

 protected:
  std::string path(size_t lane) {
    switch (options_.paths) {
      case Paths::kOne:
        return shared_path();
      case Paths::kOwn:
        return own_path(client_, lane);
      case Paths::kMany:
        return many_path(random_() % options_.files);
    }
    return {};
  }
  const client::TreePtr& tree() const { return tree_; }

 private:
  std::function<std::string(size_t)> own() const {
    return [client = client_](size_t lane) { return own_path(client, lane); };
  }

  const client::TreePtr tree_;
  const size_t client_;
  const LoadOptions options_;
  std::mt19937_64 random_;
};

class OpenWork final : public NamedWork {
 public:
  using NamedWork::NamedWork;
  Task<Result<Done>> operate(size_t lane) override {
    BRAID_CO_TRY(const auto file, co_await tree()->open(path(lane)));
    BRAID_CO_CHECK(co_await file->close());
    co_return Done{};
  }
};

class StatWork final : public NamedWork {
 public:
  using NamedWork::NamedWork;
  Task<Result<Done>> operate(size_t lane) override {
    wire::CreateRequest create;
    create.desired_access = Access::kFileReadAttributes;
    create.share_access = wire::ShareAccess::kAll;
    create.name = path(lane);
    wire::QueryInfoRequest query;
    query.info_type = wire::InfoType::kFile;
    query.file_info_class = static_cast<uint8_t>(wire::FileInfoClass::kAll);
    query.output_buffer_length = kOutputMax;
    query.file_id = FileId::all_ones();
    wire::CloseRequest close;
    close.file_id = FileId::all_ones();
    client::Compound compound(tree());
    compound.add(Command::kCreate, create)
        .add_related(Command::kQueryInfo, query, kOutputMax)
        .add_related(Command::kClose, close);
    BRAID_CO_TRY(const auto responses, co_await compound.send());
    Done done;
    for (const client::Response& response : responses) {
      if (response.status() != NtStatus::kSuccess) co_return fail(response.status());
      done.bytes += response.message.size();
    }
    co_return done;
  }

 private:
  static constexpr uint32_t kOutputMax = 4096;
};

// The files of whichever Paths there are.
template <class Each>
class NamedLoad final : public Load {
 public:
  explicit NamedLoad(const LoadOptions& options) : options_(options) {}

  Task<Outcome<void>> prepare(const Client& first) override {
    if (options_.paths == Paths::kMany) co_return co_await make_many(first.tree(), options_.files);
    BRAID_CO_CHECK(co_await make_folder(first.tree(), kLoadFolder));
    if (options_.paths == Paths::kOne) {
      BRAID_CO_CHECK(co_await need_file(first.tree(), shared_path(), 0));
    }
    co_return Outcome<void>();
  }
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<Each>(client.tree(), client.number, options_);
  }
  Task<Result<void>> clean_up(const Client& first) override {
    if (options_.paths == Paths::kMany) {
      co_return co_await remove_many(first.tree(), options_.files);
    }
    if (options_.paths == Paths::kOne) {
      BRAID_CO_CHECK(co_await remove(first.tree(), shared_path()));
    }
    co_return co_await remove(first.tree(), kLoadFolder);
  }

 private:
  const LoadOptions options_;
};

class ListWork final : public Work {
 public:
  ListWork(client::TreePtr tree, size_t files) : tree_(std::move(tree)), files_(files) {}

  Task<Result<Done>> operate(size_t /*lane*/) override {
    BRAID_CO_TRY(const auto folder, co_await tree_->open_directory(many_folder()));
    BRAID_CO_TRY(const auto entries, co_await folder->list());
    BRAID_CO_CHECK(co_await folder->close());
    const size_t dots = 2;
    if (entries.size() != files_ + dots) co_return fail(NtStatus::kNoSuchFile);
    co_return Done{};
  }

 private:
  const client::TreePtr tree_;
  const size_t files_;
};

class ListLoad final : public Load {
 public:
  explicit ListLoad(size_t files) : files_(files) {}
  Task<Outcome<void>> prepare(const Client& first) override {
    return make_many(first.tree(), files_);
  }
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<ListWork>(client.tree(), files_);
  }
  Task<Result<void>> clean_up(const Client& first) override {
    return remove_many(first.tree(), files_);
  }

 private:
  const size_t files_;
};

class SmallFilesWork final : public Work {
 public:
  SmallFilesWork(client::TreePtr tree, size_t client, uint32_t size)
      : tree_(std::move(tree)), client_(client), data_(size, 0x5A) {}

  static std::string folder() { return load_path("small"); }

  Task<Result<Done>> operate(size_t /*lane*/) override {
    const std::string path = fmt::format("{}\\{}-{}-{}", folder(), ::getpid(), client_, next_++);
    BRAID_CO_TRY(const auto file, co_await tree_->open(path, Access::kFileGenericWrite,
                                                       wire::CreateDisposition::kCreate));
    BRAID_CO_CHECK(co_await file->write(0, ByteView(data_)));
    BRAID_CO_CHECK(co_await file->close());
    BRAID_CO_CHECK(co_await remove(tree_, path));
    co_return Done{.bytes = data_.size(), .time = {}};
  }

 private:
  const client::TreePtr tree_;
  const size_t client_;
  const Bytes data_;
  uint64_t next_ = 0;
};

class SmallFilesLoad final : public Load {
 public:
  explicit SmallFilesLoad(uint32_t size) : size_(size) {}
  Task<Outcome<void>> prepare(const Client& first) override {
    BRAID_CO_CHECK(co_await make_folder(first.tree(), kLoadFolder));
    BRAID_CO_CHECK(co_await make_folder(first.tree(), SmallFilesWork::folder()));
    co_return Outcome<void>();
  }
  std::unique_ptr<Work> work_for(const Client& client) const override {
    return std::make_unique<SmallFilesWork>(client.tree(), client.number, size_);
  }
  Task<Result<void>> clean_up(const Client& first) override {
    BRAID_CO_CHECK(co_await remove(first.tree(), SmallFilesWork::folder()));
    co_return co_await remove(first.tree(), kLoadFolder);
  }

 private:
  const uint32_t size_;
};

}  // namespace

std::unique_ptr<Load> make_open_load(const LoadOptions& options) {
  return std::make_unique<NamedLoad<OpenWork>>(options);
}
std::unique_ptr<Load> make_stat_load(const LoadOptions& options) {
  return std::make_unique<NamedLoad<StatWork>>(options);
}
std::unique_ptr<Load> make_list_load(const LoadOptions& options) {
  return std::make_unique<ListLoad>(options.files);
}
std::unique_ptr<Load> make_small_files_load(const LoadOptions& options) {
  return std::make_unique<SmallFilesLoad>(options.size);
}

}  // namespace braid::bench

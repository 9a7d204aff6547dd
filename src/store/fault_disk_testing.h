// FaultDisk: the faulty twin of a folder on a disk, for tests of the handle log.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/log_folder.h"

namespace braid::store {

// Files in memory, with what a cache holds and what is on the disk kept apart by sectors of 512
// bytes, each of which the disk writes whole and in any order. What is not synced may be lost in a
// crash, a later write kept where an earlier one is lost. After a sync that failed the kernel takes
// what it could not write for clean: no later sync brings it. Names that were not synced are lost
// from the last one on, as with a journal.
// Every call that writes is a step; crashes and errors come at steps. Thread: any; what bytes()
// gives is for when nobody writes.
class FaultDisk {
 public:
  static constexpr size_t kSector = 512;
  enum class Survives { kNothing, kEverything, kSome };  // of what was not synced

  explicit FaultDisk(uint64_t seed) : random_(seed) {}

  std::unique_ptr<LogFolder> folder() { return std::make_unique<Folder>(*this, std::nullopt); }
  // Of a program that dies with the power: it changes nothing after a restart.
  std::unique_ptr<LogFolder> folder_until_restart() {
    return std::make_unique<Folder>(*this, life());
  }

  uint64_t steps() const {
    const std::lock_guard lock(mutex_);
    return steps_;
  }
  // The power goes at this step, and every call fails from then on.
  void crash_at(uint64_t step) {
    const std::lock_guard lock(mutex_);
    crash_step_ = step;
  }
  // The steps from `first` to before `end` fail so.
  void fail_steps(uint64_t first, uint64_t end, int error) {
    const std::lock_guard lock(mutex_);
    fail_first_ = first;
    fail_end_ = end;
    fail_error_ = error;
  }
  // Other machines reach it, too.
  void share() { is_shared_ = true; }
  // Every claim() fails so; 0: none.
  void refuse_claims(int error) { claim_error_ = error; }
  // Writes take a random part of what they are given.
  void cut_writes() { cuts_writes_ = true; }
  bool is_off() const {
    const std::lock_guard lock(mutex_);
    return is_off_;
  }

  // The power comes back, with so much of what was not synced. Files that are open are lost.
  void restart(Survives survives) {
    const std::lock_guard lock(mutex_);
    auto names = durable_names_;
    const size_t kept = survives == Survives::kNothing ? 0
                        : survives == Survives::kEverything
                            ? pending_names_.size()
                            : random_() % (pending_names_.size() + 1);
    for (size_t i = 0; i < kept; ++i) pending_names_[i](names);
    pending_names_.clear();
    std::map<std::string, std::shared_ptr<Data>> files;
    for (const auto& [name, data] : names) {
      auto after = std::make_shared<Data>(*data);
      after->writers = 0;
      settle(*after, survives);
      files[name] = std::move(after);
    }
    names_ = durable_names_ = std::move(files);
    is_off_ = false;
    ++life_;
    crash_step_ = fail_first_ = fail_end_ = kNever;
  }

  // The bytes of a file as they are read, to look at and to damage.
  Bytes& bytes(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return names_.at(name)->now;
  }
  bool has(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return names_.contains(name);
  }
  // Makes a file as an earlier program or another may have left it.
  void put(const std::string& name, Bytes bytes) {
    const std::lock_guard lock(mutex_);
    auto data = std::make_shared<Data>();
    data->now = data->durable = std::move(bytes);
    names_[name] = durable_names_[name] = std::move(data);
  }
  // The sector that holds `position` cannot be read.
  void make_unreadable(const std::string& name, uint64_t position) {
    const std::lock_guard lock(mutex_);
    names_.at(name)->unreadable.insert(position / kSector);
  }

  uint64_t life() const {
    const std::lock_guard lock(mutex_);
    return life_;
  }

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};

  struct Data {
    Bytes now;
    Bytes durable;
    size_t writers = 0;  // who have made or claimed it, and have it open
    // What sectors have held since they were last synced, newest last.
    std::map<size_t, std::vector<Bytes>> dirty;
    std::set<size_t> unreadable;
  };

  // What a call that writes does first. An error: it does nothing; power_goes(): nothing after it.
  Result<void> step() {
    if (is_off_) return fail_os(EIO);
    const uint64_t now = steps_++;
    if (now >= fail_first_ && now < fail_end_) return fail_os(fail_error_);
    return {};
  }
  bool power_goes() {
    is_off_ = is_off_ || (crash_step_ != kNever && steps_ > crash_step_);
    return is_off_;
  }

  static Bytes sector_of(const Bytes& bytes, size_t sector) {
    Bytes value(kSector, 0);
    const size_t at = sector * kSector;
    if (at < bytes.size()) {
      std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), std::min(kSector, bytes.size() - at),
                  value.begin());
    }
    return value;
  }
  static void store_sector(Bytes& bytes, size_t sector, const Bytes& value) {
    const size_t at = sector * kSector;
    if (at >= bytes.size()) return;
    std::copy_n(value.begin(), std::min(kSector, bytes.size() - at),
                bytes.begin() + static_cast<ptrdiff_t>(at));
  }
  // Brings sectors to the disk, all of them or some, each as it is or as it was in between.
  void settle(Data& data, Survives survives) {
    const bool grows =
        survives == Survives::kEverything || (survives == Survives::kSome && random_() % 2 == 0);
    if (grows) data.durable.resize(std::max(data.durable.size(), data.now.size()));
    for (const auto& [sector, versions] : data.dirty) {
      if (survives == Survives::kNothing) break;
      size_t version = versions.size() - 1;
      if (survives == Survives::kSome) {
        if (random_() % 2 == 0) continue;
        version = random_() % versions.size();
      }
      store_sector(data.durable, sector, versions[version]);
    }
    data.dirty.clear();
    data.now = data.durable;
  }

  class File final : public LogFile {
   public:
    // With the lock.
    File(FaultDisk& disk, std::shared_ptr<Data> data, bool is_writer = false)
        : disk_(disk), data_(std::move(data)), is_writer_(is_writer) {
      data_->writers += is_writer_;
    }
    ~File() override {
      const std::lock_guard lock(disk_.mutex_);
      data_->writers -= is_writer_;
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    Result<uint64_t> size() override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.is_off_) return fail_os(EIO);
      return data_->now.size();
    }
    Result<size_t> read(uint64_t position, MutableByteView into) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.is_off_) return fail_os(EIO);
      if (position >= data_->now.size()) return 0;
      const size_t count = std::min<uint64_t>(into.size(), data_->now.size() - position);
      const auto bad = data_->unreadable.lower_bound(position / kSector);
      if (bad != data_->unreadable.end() && *bad * kSector < position + count) return fail_os(EIO);
      std::copy_n(data_->now.begin() + static_cast<ptrdiff_t>(position), count, into.begin());
      return count;
    }
    Result<size_t> write(uint64_t position, ByteView bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      const auto may = disk_.step();
      // A write that fails may have written something all the same.
      size_t count = bytes.size();
      if (!may || disk_.cuts_writes_) count = 1 + disk_.random_() % bytes.size();
      if (disk_.is_off_) return fail_os(EIO);
      store(position, bytes.first(count));
      if (disk_.power_goes()) return fail_os(EIO);
      if (!may) return fail(may.error());
      return count;
    }
    Result<void> allocate(uint64_t end) override {
      const std::lock_guard lock(disk_.mutex_);
      BRAID_CHECK(disk_.step());
      if (data_->now.size() < end) data_->now.resize(end);
      return disk_.power_goes() ? Result<void>(fail_os(EIO)) : Result<void>();
    }
    Result<void> sync() override {
      const std::lock_guard lock(disk_.mutex_);
      const auto may = disk_.step();
      if (!may && disk_.is_off_) return may;
      if (disk_.power_goes()) return fail_os(EIO);
      if (!may) {
        // Some of it is there, and of the rest nobody will hear again.
        const Bytes cached = data_->now;
        disk_.settle(*data_, Survives::kSome);
        data_->now = cached;
        return may;
      }
      data_->durable.resize(data_->now.size());
      for (const auto& [sector, versions] : data_->dirty) {
        store_sector(data_->durable, sector, versions.back());
      }
      data_->dirty.clear();
      return {};
    }

   private:
    void store(uint64_t position, ByteView bytes) {
      if (data_->now.size() < position + bytes.size()) data_->now.resize(position + bytes.size());
      std::copy(bytes.begin(), bytes.end(), data_->now.begin() + static_cast<ptrdiff_t>(position));
      const size_t last = (position + bytes.size() - 1) / kSector;
      for (size_t sector = position / kSector; sector <= last; ++sector) {
        data_->dirty[sector].push_back(sector_of(data_->now, sector));
      }
    }

    FaultDisk& disk_;
    const std::shared_ptr<Data> data_;
    const bool is_writer_;
  };

  using Names = std::map<std::string, std::shared_ptr<Data>>;

  class Folder final : public LogFolder {
   public:
    Folder(FaultDisk& disk, std::optional<uint64_t> life) : disk_(disk), life_(life) {}

    Result<std::vector<std::string>> list() override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.is_off_) return fail_os(EIO);
      std::vector<std::string> names;
      for (const auto& [name, data] : disk_.names_) names.push_back(name);
      std::shuffle(names.begin(), names.end(), disk_.random_);
      return names;
    }
    Result<std::unique_ptr<LogFile>> open(const std::string& name) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.is_off_) return fail_os(EIO);
      const auto found = disk_.names_.find(name);
      if (found == disk_.names_.end()) return fail_os(ENOENT);
      return std::make_unique<File>(disk_, found->second);
    }
    Result<std::optional<std::unique_ptr<LogFile>>> claim(const std::string& name) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.is_off_) return fail_os(EIO);
      if (disk_.claim_error_ != 0) return fail_os(disk_.claim_error_);
      if (disk_.is_shared_) return fail_os(EOPNOTSUPP);
      const auto found = disk_.names_.find(name);
      if (found == disk_.names_.end()) return fail_os(ENOENT);
      if (found->second->writers != 0) return std::nullopt;
      return std::make_unique<File>(disk_, found->second, true);
    }
    Result<std::unique_ptr<LogFile>> create(const std::string& name) override {
      const std::lock_guard lock(disk_.mutex_);
      if (is_dead()) return fail_os(EIO);
      BRAID_CHECK(disk_.step());
      if (disk_.names_.contains(name)) return fail_os(EEXIST);
      auto data = std::make_shared<Data>();
      change([name, data](Names& names) { names[name] = data; });
      if (disk_.power_goes()) return fail_os(EIO);
      return std::make_unique<File>(disk_, std::move(data), true);
    }
    Result<void> rename(const std::string& from, const std::string& to) override {
      const std::lock_guard lock(disk_.mutex_);
      if (is_dead()) return fail_os(EIO);
      BRAID_CHECK(disk_.step());
      if (!disk_.names_.contains(from)) return fail_os(ENOENT);
      change([from, to](Names& names) {
        names[to] = names.at(from);
        names.erase(from);
      });
      return disk_.power_goes() ? Result<void>(fail_os(EIO)) : Result<void>();
    }
    Result<void> remove(const std::string& name) override {
      const std::lock_guard lock(disk_.mutex_);
      if (is_dead()) return fail_os(EIO);
      BRAID_CHECK(disk_.step());
      if (!disk_.names_.contains(name)) return fail_os(ENOENT);
      change([name](Names& names) { names.erase(name); });
      return disk_.power_goes() ? Result<void>(fail_os(EIO)) : Result<void>();
    }
    Result<void> sync() override {
      const std::lock_guard lock(disk_.mutex_);
      if (is_dead()) return fail_os(EIO);
      BRAID_CHECK(disk_.step());
      if (disk_.power_goes()) return fail_os(EIO);
      disk_.durable_names_ = disk_.names_;
      disk_.pending_names_.clear();
      return {};
    }
    // Of one process there is one at a time anyway.
    Result<std::shared_ptr<const void>> alone() override { return nullptr; }

   private:
    bool is_dead() const { return life_ && *life_ != disk_.life_; }
    void change(std::function<void(Names&)> how) {
      how(disk_.names_);
      disk_.pending_names_.push_back(std::move(how));
    }

    FaultDisk& disk_;
    const std::optional<uint64_t> life_;  // none: of no program in particular
  };

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  Names names_;
  Names durable_names_;
  std::vector<std::function<void(Names&)>> pending_names_;
  uint64_t steps_ = 0;
  uint64_t life_ = 0;
  uint64_t crash_step_ = kNever;
  uint64_t fail_first_ = kNever;
  uint64_t fail_end_ = kNever;
  int fail_error_ = EIO;
  bool cuts_writes_ = false;
  bool is_shared_ = false;
  int claim_error_ = 0;
  bool is_off_ = false;
};

}  // namespace braid::store

// For tests: a worker whose records of open files may be on another node of a cluster.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "runtime/one_shot.h"
#include "smb2/engine_testing.h"
#include "store/worker_group_testing.h"

namespace braid::smb2 {

// What all nodes of a cluster know of a file: of one at a time it is elsewhere, until it is let
// come.
class SpreadRecords final : public store::SharedRecords {
 public:
  using SharedRecords::SharedRecords;

  bool is_spread() const override { return true; }
  Held lock(const store::RecordKey& key) override {
    await_here(key);
    return SharedRecords::lock(key);
  }
  bool is_here(const store::RecordKey& key) override {
    const std::lock_guard lock(mutex_);
    return elsewhere_ != key;
  }
  void await_here(const store::RecordKey& key) override {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [&] { return elsewhere_ != key; });
  }
  Task<void> fetch(store::RecordKey key, Executor& executor) override {
    std::shared_ptr<OneShot<bool>> comes;
    {
      const std::lock_guard lock(mutex_);
      if (elsewhere_ != key) co_return;
      comes = comes_;
      is_asked_for_ = true;
      came_.notify_all();
    }
    co_await comes->wait(executor);
  }

  void send_away(const store::RecordKey& key) {
    const std::lock_guard lock(mutex_);
    elsewhere_ = key;
    comes_ = std::make_shared<OneShot<bool>>();
    is_asked_for_ = false;
  }
  bool is_asked_for() {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, std::chrono::seconds(30), [&] { return is_asked_for_; });
  }
  void let_come() {
    std::shared_ptr<OneShot<bool>> comes;
    {
      const std::lock_guard lock(mutex_);
      elsewhere_.reset();
      comes = comes_;
      came_.notify_all();
    }
    comes->set(true);
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<store::RecordKey> elsewhere_;
  std::shared_ptr<OneShot<bool>> comes_;
  bool is_asked_for_ = false;
};

// The first of two workers, whose records are those of a node. The second has the arena that they
// lie in, and does nothing.
class SpreadGroup final : public store::Group {
 public:
  SpreadRecords& spread() { return records_; }

  store::WorkerTag own_tag() const override { return one().own_tag(); }
  size_t size() const override { return one().size(); }
  store::WorkerTag living(size_t index) const override { return one().living(index); }
  const std::atomic<uint64_t>& roster_version() const override { return one().roster_version(); }
  void on_ended(std::function<void()> callback) override { one().on_ended(std::move(callback)); }
  store::RecordStore& records() override { return records_; }
  store::MessageBus& bus() override { return one().bus(); }
  const std::atomic<uint64_t>& counter(store::Counter which) const override {
    return one().counter(which);
  }
  void raise(store::Counter which) override { one().raise(which); }
  const SipKey& hash_key() const override { return one().hash_key(); }
  std::optional<size_t> begin_making(uint64_t name) override { return one().begin_making(name); }
  void end_making(size_t at) override { one().end_making(at); }
  bool anyone_makes() const override { return one().anyone_makes(); }
  std::optional<store::WorkerTag> maker_of(uint64_t name) const override {
    return one().maker_of(name);
  }
  const store::WatchNotice& watch_notice(size_t index) const override {
    return one().watch_notice(index);
  }
  void say_watches(uint32_t count) override { one().say_watches(count); }
  void say_watched(const store::WatchedPlaces& places) override { one().say_watched(places); }
  void lock_metadata(const FileKey& file) override { one().lock_metadata(file); }
  void unlock_metadata(const FileKey& file) override { one().unlock_metadata(file); }
  std::atomic<uint32_t>& archive_ends(const FileKey& file) override {
    return one().archive_ends(file);
  }
  void start() override { one().start(); }
  void stop() override { one().stop(); }

 private:
  store::WorkerGroup& one() const { return *workers_.groups[0]; }

  store::TestGroup workers_{2};
  SpreadRecords records_{workers_.region(0), 1};
};

// Of a file in the share "files".
inline store::RecordKey key_of(Engine& engine, std::string_view path) {
  const auto found = engine.server().settings.shares()->find("files")->volume->find(
      server_credentials(), vfs::parse_path(path)->path);
  const FileKey file = found.value().attributes.key;
  return {store::RecordKind::kFile, file.device, file.inode, 0};
}

}  // namespace braid::smb2

#include "vfs/fault/fault_volume.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <string>

#include "base/guarded.h"

namespace braid::vfs {
namespace {

constexpr std::string_view kStreamName = "stream_name";

class Plan final : public FaultPlan {
 public:
  void fail_call(uint64_t nth, int error_number) override {
    auto state = state_.lock();
    state->nth = error_number == 0 ? 0 : nth;
    state->nth_error = error_number;
  }
  void fail_operation(std::string_view operation, int error_number) override {
    state_.lock()->operations[std::string(operation)] = error_number;
  }
  void fail_half_way(int error_number) override { state_.lock()->half_way = error_number; }
  void clear() override {
    auto state = state_.lock();
    state->nth = 0;
    state->half_way = 0;
    state->operations.clear();
  }
  void hold_operation(std::string_view operation) override {
    holds_names_ = operation == kStreamName;
    auto state = state_.lock();
    state->held = operation;
    state->may_pass = 0;
  }
  void hold_next(std::string_view operation) override {
    holds_names_ = operation == kStreamName;
    state_.lock()->next_held = operation;
  }
  void let_pass(uint64_t calls) override {
    state_.lock()->may_pass += calls;
    changed_.notify_all();
  }
  void let_go() override {
    holds_names_ = false;
    auto state = state_.lock();
    state->held.clear();
    state->next_held.clear();
    state->holds_one = false;
    changed_.notify_all();
  }
  void await_held(uint64_t calls) override {
    auto state = state_.lock();
    changed_.wait(state.mutex_lock(), [&] { return state->waiting >= calls; });
  }
  uint64_t calls() const override { return state_.lock()->calls; }
  uint64_t calls_of(std::string_view operation) const override {
    auto state = state_.lock();
    const auto found = state->counts.find(operation);
    return found == state->counts.end() ? 0 : found->second;
  }

  TimeRules time_rules() const override { return state_.lock()->time_rules; }
  void note(const TimeRules& rules) { state_.lock()->time_rules = rules; }

  // What ends one that is half done; 0: nothing does.
  int half_way() const { return state_.lock()->half_way; }

  // Counts one call, when it is not held any more; the error it is to fail with. EAGAIN for a call
  // that may not wait and would.
  Result<void> pass(std::string_view operation, Wait wait = Wait::kAllowed) {
    auto state = state_.lock();
    if (wait == Wait::kNever && state->is_held(operation)) return fail_os(EAGAIN);
    wait_while_held(state, operation);
    state->calls++;
    state->counts[std::string(operation)]++;
    if (state->nth > 0 && --state->nth == 0) return fail_os(state->nth_error);
    const auto found = state->operations.find(operation);
    if (found != state->operations.end() && found->second != 0) return fail_os(found->second);
    return {};
  }
  // For what cannot fail: it waits while it is held, and is not counted among the calls.
  // May be called with locks held, as long as no test holds it.
  void hold_name() {
    if (!holds_names_) return;
    auto state = state_.lock();
    wait_while_held(state, kStreamName);
  }

 private:
  struct State {
    bool is_held(std::string_view operation) const { return held == operation && may_pass == 0; }

    uint64_t calls = 0;
    uint64_t nth = 0;  // counts down to the call that fails; 0: none
    int nth_error = 0;
    int half_way = 0;
    std::map<std::string, int, std::less<>> operations;
    std::map<std::string, uint64_t, std::less<>> counts;
    std::string held;
    std::string next_held;
    bool holds_one = false;
    uint64_t may_pass = 0;  // of those that are held
    uint64_t waiting = 0;
    TimeRules time_rules;
  };
  template <class Lock>
  void wait_while_held(Lock& state, std::string_view operation) {
    const auto wait = [&](auto&& is_over) {
      ++state->waiting;
      changed_.notify_all();
      changed_.wait(state.mutex_lock(), is_over);
      --state->waiting;
    };
    if (state->next_held == operation) {
      state->next_held.clear();
      state->holds_one = true;
      wait([&] { return !state->holds_one; });
    }
    if (state->is_held(operation)) wait([&] { return !state->is_held(operation); });
    if (state->held == operation) --state->may_pass;
  }

  Guarded<State> state_;
  std::atomic<bool> holds_names_ = false;
  std::condition_variable_any changed_;
};

using PlanRef = std::shared_ptr<Plan>;

class FaultEnumeration final : public Enumeration {
 public:
  FaultEnumeration(std::unique_ptr<Enumeration> below, PlanRef plan)
      : below_(std::move(below)), plan_(std::move(plan)) {}
  Result<bool> next(size_t max, const NameFilter& wanted,
                    std::vector<DirectoryEntry>& out) override {
    BRAID_CHECK(plan_->pass("next"));
    return below_->next(max, wanted, out);
  }
  Result<void> restart() override {
    BRAID_CHECK(plan_->pass("restart"));
    return below_->restart();
  }
  Result<std::optional<DirectoryEntry>> find(std::string_view client_name) override {
    BRAID_CHECK(plan_->pass("find"));
    return below_->find(client_name);
  }
  bool refresh(DirectoryEntry& entry) override { return below_->refresh(entry); }
  Position position() const override { return below_->position(); }
  void go_back(const Position& position) override { below_->go_back(position); }

 private:
  const std::unique_ptr<Enumeration> below_;
  const PlanRef plan_;
};

class FaultFile final : public File {
 public:
  FaultFile(std::unique_ptr<File> below, PlanRef plan)
      : below_(std::move(below)), plan_(std::move(plan)) {}

  // The file below another file of such a volume, which its own volume knows how to handle.
  static File& below(File& file) {
    auto* fault = dynamic_cast<FaultFile*>(&file);
    return fault ? *fault->below_ : file;
  }

  FileKey key() const override { return below_->key(); }
  bool is_directory() const override { return below_->is_directory(); }
  bool is_examined_at_once() override { return below_->is_examined_at_once(); }
  bool ends_at_once() override { return below_->ends_at_once(); }
  Result<Attributes> stat() override {
    BRAID_CHECK(plan_->pass("stat"));
    return below_->stat();
  }
  Result<void> change(const AttributesChange& change) override {
    BRAID_CHECK(plan_->pass("change"));
    return below_->change(change);
  }
  void set_time_rules(const TimeRules& rules) override {
    plan_->note(rules);
    below_->set_time_rules(rules);
  }
  Result<void> note_modified() override {
    BRAID_CHECK(plan_->pass("note_modified"));
    return below_->note_modified();
  }
  Result<Space> space() override {
    BRAID_CHECK(plan_->pass("space"));
    return below_->space();
  }
  Result<bool> has_checksums() override { return below_->has_checksums(); }
  Result<size_t> read(uint64_t offset, MutableByteView into, Wait wait) override {
    BRAID_CHECK(plan_->pass("read", wait));
    return below_->read(offset, into, wait);
  }
  using File::write;
  Progress write(uint64_t offset, std::span<const ByteView> pieces) override {
    BRAID_CHECK(plan_->pass("write"));
    const int error = plan_->half_way();
    if (error == 0) return below_->write(offset, pieces);
    const ByteView half = pieces.front().first(pieces.front().size() / 2);
    return {*below_->write(offset, half), Error::os(error)};
  }
  Result<void> truncate(uint64_t size) override {
    BRAID_CHECK(plan_->pass("truncate"));
    return below_->truncate(size);
  }
  Result<void> allocate(uint64_t size) override {
    BRAID_CHECK(plan_->pass("allocate"));
    return below_->allocate(size);
  }
  Result<void> flush(Durability durability) override {
    BRAID_CHECK(plan_->pass("flush"));
    return below_->flush(durability);
  }
  Result<void> set_compressed(bool compressed) override {
    BRAID_CHECK(plan_->pass("set_compressed"));
    return below_->set_compressed(compressed);
  }
  Result<std::vector<Range>> allocated_ranges(Range within, size_t max) override {
    BRAID_CHECK(plan_->pass("allocated_ranges"));
    return below_->allocated_ranges(within, max);
  }
  Result<void> zero_range(Range range) override {
    BRAID_CHECK(plan_->pass("zero_range"));
    return below_->zero_range(range);
  }
  Progress copy_range(File& source, uint64_t source_offset, uint64_t offset,
                      uint64_t length) override {
    BRAID_CHECK(plan_->pass("copy_range"));
    const int error = plan_->half_way();
    if (error == 0) return below_->copy_range(below(source), source_offset, offset, length);
    return {*below_->copy_range(below(source), source_offset, offset, length / 2),
            Error::os(error)};
  }
  Result<void> clone_range(File& source, uint64_t source_offset, uint64_t offset,
                           uint64_t length) override {
    BRAID_CHECK(plan_->pass("clone_range"));
    return below_->clone_range(below(source), source_offset, offset, length);
  }
  Result<bool> is_read_only() override {
    BRAID_CHECK(plan_->pass("is_read_only"));
    return below_->is_read_only();
  }
  Result<bool> is_empty() override {
    BRAID_CHECK(plan_->pass("is_empty"));
    return below_->is_empty();
  }
  Result<std::string> read_link() override {
    BRAID_CHECK(plan_->pass("read_link"));
    return below_->read_link();
  }
  Result<Bytes> get_xattr(std::string_view name, Actor actor) override {
    BRAID_CHECK(plan_->pass("get_xattr"));
    return below_->get_xattr(name, actor);
  }
  Result<void> set_xattr(std::string_view name, ByteView value, Actor actor) override {
    BRAID_CHECK(plan_->pass("set_xattr"));
    return below_->set_xattr(name, value, actor);
  }
  Result<void> remove_xattr(std::string_view name, Actor actor) override {
    BRAID_CHECK(plan_->pass("remove_xattr"));
    return below_->remove_xattr(name, actor);
  }
  Result<std::vector<std::string>> list_xattrs(Actor actor) override {
    BRAID_CHECK(plan_->pass("list_xattrs"));
    return below_->list_xattrs(actor);
  }
  Result<void> exclusively(const std::function<Result<void>()>& change) override {
    return below_->exclusively(change);
  }
  Result<std::vector<StreamInfo>> streams() override {
    BRAID_CHECK(plan_->pass("streams"));
    return below_->streams();
  }
  std::shared_ptr<const StreamName> stream_name() const override {
    plan_->hold_name();
    return below_->stream_name();
  }
  Result<void> remove_stream(std::string_view name) override {
    BRAID_CHECK(plan_->pass("remove_stream"));
    return below_->remove_stream(name);
  }
  Result<void> rename_stream(std::string_view from, std::string_view to, bool replace) override {
    BRAID_CHECK(plan_->pass("rename_stream"));
    return below_->rename_stream(from, to, replace);
  }
  Result<std::unique_ptr<Enumeration>> enumerate(NameRules rules) override {
    BRAID_CHECK(plan_->pass("enumerate"));
    BRAID_TRY(auto enumeration, below_->enumerate(rules));
    return std::make_unique<FaultEnumeration>(std::move(enumeration), plan_);
  }
  Result<std::unique_ptr<File>> open_stream(std::string_view name, const StreamHow& how) override {
    BRAID_CHECK(plan_->pass("open_stream"));
    if (how.allocation != 0) BRAID_CHECK(plan_->pass("allocate"));
    BRAID_TRY(auto stream, below_->open_stream(name, how));
    return std::make_unique<FaultFile>(std::move(stream), plan_);
  }

 private:
  const std::unique_ptr<File> below_;
  const PlanRef plan_;
};

class FaultVolume final : public Volume {
 public:
  FaultVolume(std::shared_ptr<Volume> below, PlanRef plan)
      : below_(std::move(below)), plan_(std::move(plan)) {}

  Result<Resolved> lookup(const Credentials& who, const Path& path,
                          const LookupOptions& options) override {
    BRAID_CHECK(plan_->pass("lookup", options.wait));
    return below_->lookup(who, path, options);
  }
  Result<Located> locate(const Credentials& who, File& file) override {
    BRAID_CHECK(plan_->pass("locate"));
    return below_->locate(who, FaultFile::below(file));
  }
  Result<Path> name_of(File& file) const override {
    return below_->name_of(FaultFile::below(file));
  }
  Result<std::unique_ptr<File>> open(const Credentials& who, const Found& found,
                                     const OpenHow& how) override {
    BRAID_CHECK(plan_->pass("open"));
    BRAID_TRY(auto file, below_->open(who, found, how));
    return std::make_unique<FaultFile>(std::move(file), plan_);
  }
  Result<std::unique_ptr<File>> create(const Credentials& who, const Missing& missing,
                                       const CreateHow& how) override {
    BRAID_CHECK(plan_->pass("create"));
    BRAID_TRY(auto file, below_->create(who, missing, how));
    return std::make_unique<FaultFile>(std::move(file), plan_);
  }
  Result<Attributes> publish(const Credentials& who, const Missing& missing, File& file) override {
    BRAID_CHECK(plan_->pass("publish"));
    return below_->publish(who, missing, FaultFile::below(file));
  }
  Result<void> replace(const Credentials& who, const Place& place, FileKey expected,
                       const Replacement& by) override {
    BRAID_CHECK(plan_->pass("replace"));
    return below_->replace(who, place, expected, by);
  }
  Result<void> make_symlink(const Credentials& who, const Place& place,
                            std::string_view target) override {
    BRAID_CHECK(plan_->pass("make_symlink"));
    return below_->make_symlink(who, place, target);
  }
  Result<void> rename(const Credentials& who, const Place& from, FileKey expected, const Place& to,
                      bool replace) override {
    BRAID_CHECK(plan_->pass("rename"));
    return below_->rename(who, from, expected, to, replace);
  }
  Result<void> link(const Credentials& who, File& file, const Place& to, bool replace) override {
    BRAID_CHECK(plan_->pass("link"));
    return below_->link(who, FaultFile::below(file), to, replace);
  }
  Result<void> remove(const Credentials& who, const Place& place, FileKey expected) override {
    BRAID_CHECK(plan_->pass("remove"));
    return below_->remove(who, place, expected);
  }
  Result<bool> recycle(const Credentials& who, const Place& place, const Path& path,
                       FileKey expected) override {
    BRAID_CHECK(plan_->pass("recycle"));
    return below_->recycle(who, place, path, expected);
  }
  std::unique_ptr<Sweep> sweep_bin(FileTime before) override { return below_->sweep_bin(before); }
  Result<Space> space(const Credentials& who) override {
    BRAID_CHECK(plan_->pass("space"));
    return below_->space(who);
  }
  Quotas* quotas() override { return below_->quotas(); }
  const Features& features() const override { return below_->features(); }

 private:
  const std::shared_ptr<Volume> below_;
  const PlanRef plan_;
};

}  // namespace

std::shared_ptr<FaultPlan> make_fault_plan() { return std::make_shared<Plan>(); }

std::unique_ptr<Volume> make_fault_volume(std::shared_ptr<Volume> below,
                                          std::shared_ptr<FaultPlan> plan) {
  // Plans come from make_fault_plan() only.
  return std::make_unique<FaultVolume>(std::move(below), std::static_pointer_cast<Plan>(plan));
}

}  // namespace braid::vfs

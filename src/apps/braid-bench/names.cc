#include "apps/braid-bench/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "apps/braid-bench/in_flight.h"

namespace braid::bench {
namespace {

enum class Phase : uint8_t { kCreate, kOpen, kOpenOtherCase };
constexpr size_t kWarmUp = 2'000;
// Both layouts take turns, so that whatever else the machine does meets both.
constexpr size_t kRounds = 20;
constexpr Phase kPhases[] = {Phase::kCreate, Phase::kOpen, Phase::kOpenOtherCase};

const char* name_of(Phase phase) {
  switch (phase) {
    case Phase::kCreate:
      return "create";
    case Phase::kOpen:
      return "open";
    case Phase::kOpenOtherCase:
      return "open, other case";
  }
  return "";
}

// One way of laying out the files: how many of them share a directory.
struct Layout {
  std::string prefix;
  size_t per_directory;

  std::string directory(size_t file) const {
    return fmt::format("{}-{}", prefix, file / per_directory);
  }
  std::string path(size_t file, Phase phase) const {
    return fmt::format("{}\\{}{:06}.dat", directory(file),
                       phase == Phase::kOpenOtherCase ? "DOCUMENT-" : "Document-", file);
  }
};

class Names {
 public:
  Names(client::TreePtr tree, const Target& target, NamesOptions options)
      : tree_(std::move(tree)), target_(target), options_(options), order_(options.files) {
    for (size_t file = 0; file < order_.size(); ++file) order_[file] = file;
    // Opened in another order than they were made, the same in every run.
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
  }

  Task<Result<void>> make_directories(const Layout& layout) {
    for (size_t file = 0; file < options_.files; file += layout.per_directory) {
      BRAID_CO_CHECK(co_await tree_->mkdir(layout.directory(file)));
    }
    co_return Result<void>();
  }

  // Files `first` to `last` - 1 of the phase's order.
  Task<Result<Cost>> measure(const Layout& layout, Phase phase, size_t first, size_t last) {
    const Meter meter(target_.server_pids);
    BRAID_CO_CHECK(co_await for_each_in_flight(last - first, options_.in_flight, [&](size_t index) {
      return touch(layout, phase, first + index);
    }));
    co_return meter.so_far();
  }

 private:
  Task<Result<void>> touch(const Layout& layout, Phase phase, size_t index) {
    const bool creates = phase == Phase::kCreate;
    BRAID_CO_TRY(const auto file,
                 co_await tree_->open(
                     layout.path(creates ? index : order_[index], phase),
                     creates ? wire::Access::kFileGenericWrite : wire::Access::kFileGenericRead,
                     creates ? wire::CreateDisposition::kCreate : wire::CreateDisposition::kOpen));
    BRAID_CO_CHECK(co_await file->close());
    co_return Result<void>();
  }

  const client::TreePtr tree_;
  const Target& target_;
  const NamesOptions options_;
  std::vector<size_t> order_;
};

double micros_per_file(std::chrono::duration<double> time, size_t files) {
  return time.count() * 1e6 / static_cast<double>(files);
}

Task<Outcome<bool>> compare(client::TreePtr tree, const Target& target, NamesOptions options) {
  Names names(std::move(tree), target, options);
  const Layout small{"small", options.small};
  const Layout large{"large", options.files};
  // What a server does once per user and process is not a matter of names.
  const Layout warm_up{"warm-up", options.files};
  BRAID_CO_CHECK(co_await names.make_directories(small));
  BRAID_CO_CHECK(co_await names.make_directories(large));
  BRAID_CO_CHECK(co_await names.make_directories(warm_up));
  BRAID_CO_CHECK(
      co_await names.measure(warm_up, Phase::kCreate, 0, std::min(options.files, kWarmUp)));

  fmt::print("{} files, {} at a time; microseconds per file (CREATE and CLOSE)\n", options.files,
             options.in_flight);
  fmt::print("{:<18}{:>14}{:>14}{:>8}{:>14}{:>14}{:>8}\n", "", fmt::format("{}/dir", options.small),
             "one dir", "ratio", "CPU", "CPU one dir", "ratio");
  bool within = true;
  for (const Phase phase : kPhases) {
    Cost in_small;
    Cost in_large;
    for (size_t round = 0; round < kRounds; ++round) {
      const size_t first = options.files * round / kRounds;
      const size_t last = options.files * (round + 1) / kRounds;
      BRAID_CO_TRY(const Cost small_cost, co_await names.measure(small, phase, first, last));
      BRAID_CO_TRY(const Cost large_cost, co_await names.measure(large, phase, first, last));
      in_small += small_cost;
      in_large += large_cost;
    }
    const double ratio = in_large.wall / in_small.wall;
    fmt::print("{:<18}{:>14.1f}{:>14.1f}{:>8.2f}", name_of(phase),
               micros_per_file(in_small.wall, options.files),
               micros_per_file(in_large.wall, options.files), ratio);
    double worst = ratio;
    if (!target.server_pids.empty() && in_small.server_cpu.count() > 0) {
      const double cpu_ratio = in_large.server_cpu / in_small.server_cpu;
      fmt::print("{:>14.1f}{:>14.1f}{:>8.2f}", micros_per_file(in_small.server_cpu, options.files),
                 micros_per_file(in_large.server_cpu, options.files), cpu_ratio);
      worst = std::max(worst, cpu_ratio);
    }
    fmt::print("\n");
    std::fflush(stdout);
    if (options.ratio_max > 0 && worst > options.ratio_max) within = false;
  }
  if (!within) fmt::print("a ratio is above {}\n", options.ratio_max);
  co_return within;
}

}  // namespace

Task<Outcome<bool>> run_names(Reactor& reactor, const Target& target, NamesOptions options) {
  BRAID_CO_TRY(const Mount mounted, co_await mount(reactor, target));
  auto within = co_await compare(mounted.tree, target, options);
  co_await mounted.close();
  co_return std::move(within);
}

}  // namespace braid::bench

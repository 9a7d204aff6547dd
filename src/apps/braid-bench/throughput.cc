#include "apps/braid-bench/throughput.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "apps/braid-bench/in_flight.h"

namespace braid::bench {
namespace {

constexpr uint64_t kMebibyte = 1'048'576;
constexpr const char* kFileName = "throughput.dat";

// The bytes of the file, as often as it takes for a request.
Bytes bytes_of(const std::string& path, size_t size_min) {
  if (path.empty()) return Bytes(size_min, 0x5A);
  std::ifstream file(path, std::ios::binary);
  const std::string once((std::istreambuf_iterator<char>(file)), {});
  Bytes bytes;
  do {
    bytes.insert(bytes.end(), once.begin(), once.end());
  } while (bytes.size() < size_min && !once.empty());
  bytes.resize(std::max(bytes.size(), size_min));
  return bytes;
}

void print(const char* what, const Cost& cost, double mebibytes) {
  fmt::print("{:<8}{:>10.0f} MiB/s", what, mebibytes / cost.wall.count());
  if (cost.server_cpu.count() > 0) {
    fmt::print("{:>10.0f} us of server CPU per MiB", cost.server_cpu.count() * 1e6 / mebibytes);
  }
  fmt::print("\n");
  std::fflush(stdout);  // others take the time of a phase by its line
}

Task<Result<void>> write_and_read(client::TreePtr tree, const Target& target,
                                  ThroughputOptions options) {
  const auto& connection = tree->session().connection();
  const uint32_t size =
      std::min({options.request_size, connection.max_read_size(), connection.max_write_size()});
  const size_t requests = options.mebibytes * kMebibyte / size;
  const double mebibytes = static_cast<double>(requests) * size / kMebibyte;
  BRAID_CO_TRY(const auto file,
               co_await tree->open(kFileName,
                                   wire::Access::kFileGenericRead | wire::Access::kFileGenericWrite,
                                   wire::CreateDisposition::kOverwriteIf));
  const Bytes bytes = bytes_of(options.data, size);
  const auto block = [&](size_t index) {
    const size_t blocks = bytes.size() / size;
    return ByteView(bytes).subspan(index % blocks * size, size);
  };
  {
    const Meter meter(target.server_pids);
    BRAID_CO_CHECK(co_await for_each_in_flight(
        requests, options.in_flight, [&](size_t index) -> Task<Result<void>> {
          BRAID_CO_CHECK(co_await file->write(uint64_t{index} * size, block(index)));
          co_return Result<void>();
        }));
    print("write", meter.so_far(), mebibytes);
  }
  {
    const Meter meter(target.server_pids);
    BRAID_CO_CHECK(co_await for_each_in_flight(
        requests, options.in_flight, [&](size_t index) -> Task<Result<void>> {
          BRAID_CO_CHECK(co_await file->read(uint64_t{index} * size, size));
          co_return Result<void>();
        }));
    print("read", meter.so_far(), mebibytes);
  }
  BRAID_CO_CHECK(co_await file->close());
  co_return co_await tree->unlink(kFileName);
}

}  // namespace

Task<Outcome<void>> run_throughput(Reactor& reactor, const Target& target,
                                   ThroughputOptions options) {
  BRAID_CO_TRY(const Mount mounted, co_await mount(reactor, target));
  auto result = co_await write_and_read(mounted.tree, target, options);
  co_await mounted.close();
  co_return std::move(result);
}

}  // namespace braid::bench

#include "apps/braid-bench/limits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <deque>
#include <nlohmann/json.hpp>
#include <span>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/unique_fd.h"
#include "crypto/sealing.h"

namespace braid::bench {
namespace {

using std::chrono::steady_clock;

constexpr size_t kPiece = 1 << 20;
constexpr size_t kFileBytes = 64 << 20;

double thread_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

Result<UniqueFd> make_sent_file(const std::string& folder) {
  UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return fail_last_os();
  const Bytes piece(kPiece, 0x5A);
  for (size_t written = 0; written < kFileBytes; written += kPiece) {
    const ssize_t count =
        ::pwrite(file.get(), piece.data(), piece.size(), static_cast<off_t>(written));
    if (count < 0) return fail_last_os();
    if (static_cast<size_t>(count) != piece.size()) return fail_os(ENOSPC);
  }
  return file;
}

// Both ends of a TCP connection.
struct Pipe {
  UniqueFd sender;
  UniqueFd receiver;
};
Result<Pipe> make_pipe() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  Pipe pipe{.sender = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), .receiver = {}};
  if (!listener || !pipe.sender || ::bind(listener.get(), any, size) != 0 ||
      ::listen(listener.get(), 1) != 0 || ::getsockname(listener.get(), any, &size) != 0 ||
      ::connect(pipe.sender.get(), any, size) != 0) {
    return fail_last_os();
  }
  pipe.receiver = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!pipe.receiver) return fail_last_os();
  return pipe;
}

// What one thread sent.
struct Sent {
  uint64_t bytes = 0;
  double cpu_seconds = 0;
  int error = 0;
};

void send_until(steady_clock::time_point end, int file, int socket, Sent& sent) {
  const double cpu_before = thread_cpu_seconds();
  do {
    off_t offset = static_cast<off_t>(sent.bytes % kFileBytes);
    const size_t left = kFileBytes - static_cast<size_t>(offset);
    const ssize_t count = ::sendfile(socket, file, &offset, std::min(kPiece, left));
    if (count <= 0) {
      sent.error = count < 0 ? errno : EIO;
      break;
    }
    sent.bytes += static_cast<uint64_t>(count);
  } while (steady_clock::now() < end);
  sent.cpu_seconds = thread_cpu_seconds() - cpu_before;
  // The receiver sees the end.
  ::shutdown(socket, SHUT_WR);
}

void receive_all(int socket) {
  Bytes buffer(kPiece);
  while (::recv(socket, buffer.data(), buffer.size(), 0) > 0) continue;
}

Outcome<void> measure_sendfile(const LimitsOptions& options, Limits& limits) {
  const auto file = make_sent_file(options.folder);
  if (!file) {
    return failure(fmt::format("no file to send can be made in {}", options.folder), file.error());
  }
  std::vector<Pipe> pipes;
  for (size_t i = 0; i < options.connections; ++i) {
    auto pipe = make_pipe();
    if (!pipe) return failure("no connection over the loopback interface", pipe.error());
    pipes.push_back(*std::move(pipe));
  }
  std::deque<Sent> sent(options.connections);
  const auto start = steady_clock::now();
  const auto end = start + std::chrono::duration_cast<steady_clock::duration>(options.measured);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < pipes.size(); ++i) {
      threads.emplace_back(receive_all, pipes[i].receiver.get());
      threads.emplace_back(send_until, end, file->get(), pipes[i].sender.get(), std::ref(sent[i]));
    }
  }
  const std::chrono::duration<double> wall = steady_clock::now() - start;
  double bytes = 0;
  double cpu_seconds = 0;
  for (const Sent& each : sent) {
    if (each.error != 0) return failure("sendfile", Error::os(each.error));
    bytes += static_cast<double>(each.bytes);
    cpu_seconds += each.cpu_seconds;
  }
  limits.sendfile_bytes_per_second = bytes / wall.count();
  limits.sendfile_bytes_per_cpu_second = bytes / cpu_seconds;
  return {};
}

void measure_gcm(const LimitsOptions& options, Limits& limits) {
  const crypto::CipherKey key(crypto::Cipher::kAes128Gcm,
                              crypto::Secret::random(crypto::key_size(crypto::Cipher::kAes128Gcm)));
  Bytes data(kPiece);
  const Bytes aad(32);
  const std::array<MutableByteView, 1> parts = {data};
  const auto start = steady_clock::now();
  const double cpu_before = thread_cpu_seconds();
  double bytes = 0;
  std::chrono::duration<double> wall{};
  do {
    static_cast<void>(key.seal(key.next_nonce(), aad, parts));
    bytes += kPiece;
    wall = steady_clock::now() - start;
  } while (wall < options.measured);
  limits.gcm_bytes_per_second = bytes / wall.count();
  limits.gcm_bytes_per_cpu_second = bytes / (thread_cpu_seconds() - cpu_before);
}

}  // namespace

Outcome<Limits> measure_limits(const LimitsOptions& options) {
  Limits limits;
  BRAID_CHECK(measure_sendfile(options, limits));
  measure_gcm(options, limits);
  return limits;
}

std::string limits_table(const Limits& limits) {
  constexpr double kMebibytes = 1 << 20;
  return fmt::format(
      "{:<14}{:>14}{:>22}\n{:<14}{:>14.0f}{:>22.0f}\n{:<14}{:>14.0f}{:>22.0f}\n", "", "MiB/s",
      "MiB/s of CPU time", "sendfile", limits.sendfile_bytes_per_second / kMebibytes,
      limits.sendfile_bytes_per_cpu_second / kMebibytes, "AES-128-GCM",
      limits.gcm_bytes_per_second / kMebibytes, limits.gcm_bytes_per_cpu_second / kMebibytes);
}

nlohmann::json limits_json(const Limits& limits) {
  return {{"sendfile_bytes_per_second", limits.sendfile_bytes_per_second},
          {"sendfile_bytes_per_cpu_second", limits.sendfile_bytes_per_cpu_second},
          {"gcm_bytes_per_second", limits.gcm_bytes_per_second},
          {"gcm_bytes_per_cpu_second", limits.gcm_bytes_per_cpu_second}};
}

}  // namespace braid::bench

// Result<T>: a value or an Error. Used everywhere below the commands; smb2/common/error_status.cc
// is the one place that turns an Error into the NTSTATUS a client sees.
#pragma once

#include <cerrno>
#include <cstdint>
#include <expected>
#include <string>

#include "base/nt_status.h"

namespace braid {

// What kind of thing went wrong. The three wire faults are kept apart because the protocol answers
// them differently: a truncated message ends a connection where a malformed field only fails a
// request, and an unsupported one is often ignored.
enum class Fault : uint8_t {
  kTruncated,    // fewer bytes than the structure needs
  kMalformed,    // bytes that no valid sender would produce
  kUnsupported,  // well formed, but nothing here speaks it
  kOs,           // a system call failed; code() is errno
  kStatus,       // a rule of the protocol decided; code() is the NTSTATUS
};

class [[nodiscard]] Error {
 public:
  static constexpr Error truncated() { return {Fault::kTruncated, 0}; }
  static constexpr Error malformed() { return {Fault::kMalformed, 0}; }
  static constexpr Error unsupported() { return {Fault::kUnsupported, 0}; }
  static constexpr Error os(int error_number) {
    return {Fault::kOs, static_cast<uint32_t>(error_number)};
  }
  static Error last_os_error() { return os(errno); }
  constexpr Error(NtStatus status) : Error(Fault::kStatus, static_cast<uint32_t>(status)) {}

  constexpr Fault fault() const { return fault_; }
  constexpr bool is_os(int error_number) const {
    return fault_ == Fault::kOs && code_ == static_cast<uint32_t>(error_number);
  }
  // errno; 0 unless fault() is kOs.
  constexpr int os_error() const { return fault_ == Fault::kOs ? static_cast<int>(code_) : 0; }
  // The status; kSuccess unless fault() is kStatus.
  constexpr NtStatus status() const {
    return fault_ == Fault::kStatus ? static_cast<NtStatus>(code_) : NtStatus::kSuccess;
  }
  // One line for logs and tools: "No such file or directory", "STATUS_ACCESS_DENIED", "truncated".
  std::string message() const;

  friend constexpr bool operator==(const Error&, const Error&) = default;

 private:
  constexpr Error(Fault fault, uint32_t code) : fault_(fault), code_(code) {}

  Fault fault_;
  uint32_t code_;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected(error); }
inline std::unexpected<Error> fail_os(int error_number) { return fail(Error::os(error_number)); }
inline std::unexpected<Error> fail_last_os() { return fail(Error::last_os_error()); }

// Evaluates a Result expression and returns its error to the caller, or binds its value:
//   BRAID_TRY(auto header, Header::decode(reader));
//   BRAID_CHECK(reader.skip(4));
// CO_ forms are the same inside a coroutine.
#define BRAID_JOIN_(a, b) a##b
#define BRAID_JOIN(a, b) BRAID_JOIN_(a, b)
#define BRAID_TRY_(tmp, ret, decl, ...) \
  auto&& tmp = (__VA_ARGS__);           \
  if (!tmp) [[unlikely]]                \
    ret std::unexpected(tmp.error());   \
  decl = *std::move(tmp)
#define BRAID_TRY(decl, ...) \
  BRAID_TRY_(BRAID_JOIN(try_result_, __COUNTER__), return, decl, __VA_ARGS__)
#define BRAID_CO_TRY(decl, ...) \
  BRAID_TRY_(BRAID_JOIN(try_result_, __COUNTER__), co_return, decl, __VA_ARGS__)
#define BRAID_CHECK_(ret, ...)                                           \
  do {                                                                   \
    if (auto&& check_result = (__VA_ARGS__); !check_result) [[unlikely]] \
      ret std::unexpected(check_result.error());                         \
  } while (0)
#define BRAID_CHECK(...) BRAID_CHECK_(return, __VA_ARGS__)
#define BRAID_CO_CHECK(...) BRAID_CHECK_(co_return, __VA_ARGS__)

}  // namespace braid

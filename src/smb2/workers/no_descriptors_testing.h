// A process that gets no descriptors.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

#include "base/unique_fd.h"

namespace braid::smb2 {

// While it is there this process gets no descriptor.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    do {
      taken_.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    } while (taken_.back().get() < kAll - 1);
    const rlimit none{.rlim_cur = kAll, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  static constexpr int kAll = 64;  // more than poll() is asked for at once
  rlimit before_{};
  std::vector<UniqueFd> taken_;
};

}  // namespace braid::smb2

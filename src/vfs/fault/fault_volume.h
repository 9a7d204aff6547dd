// A Volume that fails on demand, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "vfs/volume.h"

namespace braid::vfs {

// When the operations of a FaultVolume fail. Shared between the test and the volume. Thread: any.
class FaultPlan {
 public:
  virtual ~FaultPlan() = default;
  // The `nth` call from now (1: the next) fails with `error_number` without reaching the volume
  // below; 0 takes the order back.
  virtual void fail_call(uint64_t nth, int error_number) = 0;
  // Every call of one operation ("write", "lookup", "flush", ... as the method is named) fails.
  virtual void fail_operation(std::string_view operation, int error_number) = 0;
  // Every write and copy_range does the first half of what it is asked for, and then fails.
  virtual void fail_half_way(int error_number) = 0;
  virtual void clear() = 0;
  // Every call of one operation waits until let_go(), as for a disk that does not answer;
  // let_pass() lets so many go on. await_held() returns when so many wait. "stream_name", which
  // cannot fail, may be held like the others.
  virtual void hold_operation(std::string_view operation) = 0;
  // Only the next of them, until let_go().
  virtual void hold_next(std::string_view operation) = 0;
  virtual void let_pass(uint64_t calls) = 0;
  virtual void let_go() = 0;
  virtual void await_held(uint64_t calls) = 0;
  virtual uint64_t calls() const = 0;  // so far, those that wait left out
  virtual uint64_t calls_of(std::string_view operation) const = 0;
  // What the file was told that was told last; nothing yet: those of the system.
  virtual TimeRules time_rules() const = 0;
};

std::shared_ptr<FaultPlan> make_fault_plan();
std::unique_ptr<Volume> make_fault_volume(std::shared_ptr<Volume> below,
                                          std::shared_ptr<FaultPlan> plan);

}  // namespace braid::vfs

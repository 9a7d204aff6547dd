// OwnChanges: recognises what inotify says of changes this process made.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>

#include "smb2/notify/local_changes.h"

namespace braid::smb2 {

// inotify does not say who made a change. So commands note what they did, and an event with a note
// is an echo. Either may come first, the kernel's event or the note, so events wait for kSettle
// before they are judged. Paths are those of the watch table. Pure. Thread: under its owner's lock.
class OwnChanges {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // From the system call that changes something to the note of the command that made it: a moment,
  // unless the processor has much else to do.
  static constexpr std::chrono::milliseconds kSettle{100};
  // How long a note counts. A modification by a local program within this time after one of ours to
  // the same file goes untold.
  static constexpr std::chrono::milliseconds kLife{2000};
  // Notes kept; the oldest go first.
  static constexpr size_t kNotesMax = 65536;

  void note_name(const std::string& path, Time now) { note(path, now, true); }
  void note_modification(const std::string& path, Time now) { note(path, now, false); }

  // Whether `change`, heard of at `heard`, is ours. A note of a name answers for one event.
  bool is_echo(const LocalChange& change, Time heard);

 private:
  struct Notes {
    size_t names = 0;  // changes of the name not heard of yet
    Time last;
  };
  struct Due {
    std::string path;
    Time at;
  };

  void note(const std::string& path, Time now, bool is_name);
  void forget_before(Time time);
  bool take_name(const std::string& path);

  std::unordered_map<std::string, Notes> notes_;
  std::deque<Due> order_;
};

}  // namespace braid::smb2

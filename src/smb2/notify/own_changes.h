// OwnChanges: recognises what inotify says of changes this process made.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/guarded.h"
#include "base/sip_hash.h"
#include "smb2/notify/local_changes.h"

namespace braid::smb2 {

// inotify does not say who made a change. So commands note what they did, and an event with a note
// is an echo. Either may come first, the kernel's event or the note, so events wait for kSettle
// before they are judged. Paths are those of the watch table; a note has a hash in its place, under
// a key of its own, so that it takes the same room however long the path is. Thread: any.
class OwnChanges {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // From the system call that changes something to the note of the command that made it: a moment,
  // unless the processor has much else to do.
  static constexpr std::chrono::milliseconds kSettle{100};
  // How long a note counts. A modification by a local program within this time after one of ours to
  // the same file goes untold.
  static constexpr std::chrono::milliseconds kLife{2000};
  // Files noted, of 120 bytes each; the oldest go first.
  static constexpr size_t kNotesMax = 65536;

  OwnChanges();
  // True: there was no note before, and expire() is wanted in a kLife.
  bool note_name(std::string_view path, Time now) { return note(path, now, true); }
  bool note_modification(std::string_view path, Time now) { return note(path, now, false); }

  // Whether `change`, heard of at `heard`, is ours. A note of a name answers for one event.
  bool is_echo(const LocalChange& change, Time heard);

  // Forgets what counts no more. False: there is no note left.
  bool expire(Time now);
  size_t size() const { return notes_.lock()->by_path.size(); }

 private:
  struct Note {
    uint64_t path;
    size_t names = 0;  // changes of the name not heard of yet
    Time last{};
  };
  struct Notes {
    std::list<Note> in_order;  // by `last`
    std::unordered_map<uint64_t, std::list<Note>::iterator> by_path;

    void forget_first();
    void forget_before(Time time);
    bool take_name(uint64_t path);
  };

  uint64_t hash_of(std::string_view path) const;
  uint64_t hash_on_disk(std::string_view path) const;
  bool note(std::string_view path, Time now, bool is_name);

  SipKey key_;
  Guarded<Notes> notes_;
};

}  // namespace braid::smb2

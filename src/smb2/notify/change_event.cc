#include "smb2/notify/change_event.h"

#include <algorithm>
#include <utility>

#include "wire/reader.h"
#include "wire/writer.h"

namespace braid::smb2 {
namespace {

// The paths of an event, each once: an event has three at most that are not the same, and one may
// take nearly 100,000 bytes.
class Texts {
 public:
  uint8_t index(const std::string& text) {
    const auto at = std::ranges::find(texts_, text) - texts_.begin();
    if (at == std::ssize(texts_)) texts_.push_back(text);
    return static_cast<uint8_t>(at);
  }
  void encode(wire::Writer& w) const {
    w.u8(static_cast<uint8_t>(texts_.size()));
    for (const std::string& text : texts_) {
      w.u32(static_cast<uint32_t>(text.size()));
      w.bytes(as_bytes(text));
    }
  }
  static Texts decode(wire::Reader& r) {
    Texts texts;
    const uint8_t count = r.u8();
    for (uint8_t i = 0; i < count && r.ok(); ++i) {
      const uint32_t size = r.u32();
      texts.texts_.emplace_back(as_text(r.bytes(size)));
    }
    return texts;
  }
  std::string at(uint8_t index) {
    if (index < texts_.size()) return texts_[index];
    is_missed_ = true;
    return {};
  }
  // at() was asked for one that there is not.
  bool is_missed() const { return is_missed_; }

 private:
  std::vector<std::string> texts_;
  bool is_missed_ = false;
};

}  // namespace

Bytes ChangeEvent::encode() const {
  Texts texts;
  Bytes parts;
  wire::Writer w(parts);
  w.u8(static_cast<uint8_t>(notes.size()));
  for (const Note& note : notes) {
    w.u8(note.is_name);
    w.u8(texts.index(note.path));
  }
  w.u8(static_cast<uint8_t>(changes.size()));
  for (const PathChange& change : changes) {
    w.value(change.action);
    w.u32(change.filter);
    w.u8(texts.index(change.path));
  }
  w.u8(texts.index(moved_from));
  w.u8(texts.index(moved_to));
  w.u8(texts.index(going));
  w.u8(static_cast<uint8_t>(lost.size()));
  for (const Lost& each : lost) {
    w.u32(each.filter);
    w.u8(each.below);
    w.u8(texts.index(each.directory));
  }
  Bytes bytes;
  wire::Writer whole(bytes);
  texts.encode(whole);
  whole.bytes(parts);
  return bytes;
}

Result<ChangeEvent> ChangeEvent::decode(ByteView bytes) {
  wire::Reader r(bytes);
  Texts texts = Texts::decode(r);
  ChangeEvent event;
  const uint8_t note_count = r.u8();
  for (uint8_t i = 0; i < note_count && r.ok(); ++i) {
    const bool is_name = r.u8() != 0;
    event.notes.push_back({is_name, texts.at(r.u8())});
  }
  const uint8_t change_count = r.u8();
  for (uint8_t i = 0; i < change_count && r.ok(); ++i) {
    PathChange change;
    change.action = r.as<wire::FileAction>();
    change.filter = r.u32();
    change.path = texts.at(r.u8());
    event.changes.push_back(std::move(change));
  }
  event.moved_from = texts.at(r.u8());
  event.moved_to = texts.at(r.u8());
  event.going = texts.at(r.u8());
  const uint8_t lost_count = r.u8();
  for (uint8_t i = 0; i < lost_count && r.ok(); ++i) {
    Lost each;
    each.filter = r.u32();
    each.below = r.u8() != 0;
    each.directory = texts.at(r.u8());
    event.lost.push_back(std::move(each));
  }
  if (r.ok() && texts.is_missed()) return fail(Error::malformed());
  return r.finish(std::move(event));
}

}  // namespace braid::smb2

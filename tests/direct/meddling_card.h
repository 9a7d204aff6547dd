// MeddlingCard: a card that changes what it was lent, as somebody who reaches the memory might.
#pragma once

#include <memory>
#include <unordered_map>
#include <utility>

#include "transport/smbdirect/queue_pair.h"

namespace braid::e2e {

// A client's, around another. Thread: as that.
class MeddlingCard final : public transport::smbdirect::QueuePair {
 public:
  enum class Changes : uint8_t {
    kNothing,
    kWhatIsWritten,  // before each message leaves
    kWhatWasRead,    // before each is looked at that has come
  };
  explicit MeddlingCard(std::unique_ptr<QueuePair> card) : card_(std::move(card)) {}

  Changes changes = Changes::kNothing;

  Buffer memory(size_t size) override { return card_->memory(size); }
  bool reaches(ByteView memory) const override { return card_->reaches(memory); }
  void when_memory(size_t size, std::move_only_function<void(Buffer)> callback) override {
    card_->when_memory(size, std::move(callback));
  }
  Result<std::shared_ptr<void>> reach(MutableByteView memory) override {
    return card_->reach(memory);
  }
  Result<void> post_receive(uint64_t id, MutableByteView to) override {
    return card_->post_receive(id, to);
  }
  Result<void> post_send(uint64_t id, ByteView from, std::optional<uint32_t> invalidate) override {
    if (changes == Changes::kWhatIsWritten) change();
    return card_->post_send(id, from, invalidate);
  }
  Result<void> post_read(uint64_t id, MutableByteView to, const Remote& remote) override {
    return card_->post_read(id, to, remote);
  }
  Result<void> post_write(uint64_t id, ByteView from, const Remote& remote) override {
    return card_->post_write(id, from, remote);
  }
  size_t poll(std::span<Completion> into) override {
    const size_t count = card_->poll(into);
    for (size_t i = 0; i < count; ++i) {
      if (into[i].kind == Kind::kReceive && changes == Changes::kWhatWasRead) change();
    }
    return count;
  }
  void when_completed(std::move_only_function<void()> callback) override {
    card_->when_completed(std::move(callback));
  }
  Result<Remote> register_memory(MutableByteView memory, uint8_t access) override {
    auto lent = card_->register_memory(memory, access);
    if (lent) lent_.insert_or_assign(lent->token, memory);
    return lent;
  }
  void unregister(uint32_t token) override {
    lent_.erase(token);
    card_->unregister(token);
  }
  void disconnect() override { card_->disconnect(); }
  size_t receives_max() const override { return card_->receives_max(); }
  size_t requests_max() const override { return card_->requests_max(); }

 private:
  // Another bit each time, in the middle of each, so that two changes do not make none.
  void change() {
    const auto bit = static_cast<uint8_t>(1u << (times_++ % 8));
    for (auto& [token, memory] : lent_) memory[memory.size() / 2] ^= bit;
  }

  const std::unique_ptr<QueuePair> card_;
  std::unordered_map<uint32_t, MutableByteView> lent_;
  unsigned times_ = 0;
};

}  // namespace braid::e2e

#include "base/buffer_memory.h"

#include <array>
#include <bit>
#include <new>
#include <utility>

#include "base/guarded.h"

namespace braid {
namespace {

constexpr size_t octave_of(size_t size) {
  return static_cast<size_t>(std::bit_width(size - 1)) - 1;
}

// Four sizes between a power of two and the next: a frame is a little over one, and with the next
// power up half of the memory would never be used.
struct BlockSize {
  size_t index;
  size_t bytes;
};
constexpr BlockSize size_for(size_t size) {
  const size_t octave = octave_of(size);  // 2^octave < size <= 2^(octave + 1)
  const size_t quarter = (size_t{1} << octave) / 4;
  const size_t quarters = (size + quarter - 1) / quarter;  // 5 to 8
  return {(octave - octave_of(BufferMemory::kKeptMin)) * 4 + quarters - 5, quarters * quarter};
}
constexpr size_t kSizes = size_for(BufferMemory::kBlockMax).index + 1;

// At the start of a block that waits.
struct Kept {
  Kept* next;
};
struct Blocks {
  std::array<Kept*, kSizes> latest{};
  size_t bytes = 0;
};
// Never destroyed: buffers of other static objects may go after it would have.
Guarded<Blocks, LockRank::kBuffers>& blocks() {
  static auto& all = *new Guarded<Blocks, LockRank::kBuffers>;
  return all;
}

constexpr std::align_val_t kAtAPage{BufferMemory::kPage};

bool is_kept(size_t size) { return BufferMemory::kKeeps && size <= BufferMemory::kBlockMax; }

// Of all that are large.
class LargeBlocks final : public BufferOwner {
 public:
  void take_back(uint8_t* block, size_t size) noexcept override {
    if (is_kept(size)) {
      const BlockSize held = size_for(size);
      auto all = blocks().lock();
      if (all->bytes + held.bytes <= BufferMemory::kKeptMax) {
        all->bytes += held.bytes;
        all->latest[held.index] = new (block) Kept{all->latest[held.index]};
        return;
      }
    }
    ::operator delete(block, kAtAPage);
  }
};
constinit LargeBlocks large_blocks;

}  // namespace

BufferMemory::Block BufferMemory::take_large(size_t size) {
  size_t bytes = size;
  if (is_kept(size)) {
    const BlockSize wanted = size_for(size);
    bytes = wanted.bytes;
    auto all = blocks().lock();
    if (Kept* const block = all->latest[wanted.index]) {
      all->latest[wanted.index] = block->next;
      all->bytes -= wanted.bytes;
      return {reinterpret_cast<uint8_t*>(block), &large_blocks};
    }
  }
  return {static_cast<uint8_t*>(::operator new(bytes, kAtAPage)), &large_blocks};
}

size_t BufferMemory::kept() { return blocks().lock()->bytes; }

}  // namespace braid

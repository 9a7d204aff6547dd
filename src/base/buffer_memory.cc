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

bool is_large(size_t size) { return size >= BufferMemory::kKeptMin; }
bool is_kept(size_t size) {
  return BufferMemory::kKeeps && is_large(size) && size <= BufferMemory::kBlockMax;
}

constexpr std::align_val_t kPage{4096};

uint8_t* new_block(size_t bytes) {
  return static_cast<uint8_t*>(::operator new(bytes + BufferMemory::kOffset, kPage)) +
         BufferMemory::kOffset;
}

}  // namespace

uint8_t* BufferMemory::take(size_t size) {
  if (!is_large(size)) return static_cast<uint8_t*>(::operator new(size));
  if (!is_kept(size)) return new_block(size);
  const BlockSize wanted = size_for(size);
  {
    auto all = blocks().lock();
    if (Kept* const block = all->latest[wanted.index]) {
      all->latest[wanted.index] = block->next;
      all->bytes -= wanted.bytes;
      return reinterpret_cast<uint8_t*>(block);
    }
  }
  return new_block(wanted.bytes);
}

void BufferMemory::give_back(uint8_t* block, size_t size) noexcept {
  if (!block || !is_large(size)) {
    ::operator delete(block);
    return;
  }
  if (is_kept(size)) {
    const BlockSize held = size_for(size);
    auto all = blocks().lock();
    if (all->bytes + held.bytes <= kKeptMax) {
      all->bytes += held.bytes;
      all->latest[held.index] = new (block) Kept{all->latest[held.index]};
      return;
    }
  }
  ::operator delete(block - kOffset, kPage);
}

size_t BufferMemory::kept() { return blocks().lock()->bytes; }

}  // namespace braid

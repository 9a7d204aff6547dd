// The limits of compression, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace braid::smb2 {

// Data of a message below this is not compressed: Windows' number. The headers around it would eat
// a good part of what is won.
inline constexpr size_t kCompressedMin = 4096;
// Of one byte, as [MS-SMB2] 3.1.4.4.1 has it, and what is left between two runs is then too short
// for a codec: [MS-SMB2] 3.1.4.4.
inline constexpr size_t kPatternMin = 64;
inline constexpr size_t kCodecMin = 1025;
// Worth sending compressed: by a sixteenth smaller at least. The client has to unpack it.
inline constexpr size_t worth_compressing(size_t size) { return size - size / 16; }

// What is longer is tried with samples first: three pieces of this size, of the beginning, the
// middle and the end. Data that does not shrink then costs a thousandth of what it would.
inline constexpr size_t kSampleSize = 4096;
inline constexpr size_t kSampledMin = 16 * kSampleSize;
// An open whose data did not shrink is not tried for the next 2, 4, 8 and at most so many answers.
inline constexpr uint32_t kUntriedMax = 64;

// Payloads of one chained message: senders make four for each message of a compound at most. Each
// may be a block of LZ77+Huffman whose table takes longer to make than its few bytes to read, so
// that a chain without end would cost a hundred times the time of an honest message.
inline constexpr size_t kPayloadsMax = 256;

// What becomes no longer than this is compressed on the reactor: a fraction of a millisecond. A
// pool thread does what is longer.
inline constexpr size_t kCompressedInlineMax = 32u << 10;
// The same for decompressing, where the bytes that came count as well as those they become (a
// megabyte may become nothing), and each payload for so many: LZ77+Huffman makes a table for it.
inline constexpr size_t kDecompressedInlineMax = 2 * kCompressedInlineMax;
inline constexpr size_t kPayloadWork = 2048;
// Answers that wait to be compressed, or are being compressed, for each processor: what it does in
// a tenth to a fifth of a second. More are sent as they are.
inline constexpr uint64_t kCompressingMaxPerProcessor = 32u << 20;

}  // namespace braid::smb2

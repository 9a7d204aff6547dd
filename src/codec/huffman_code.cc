#include "codec/huffman_code.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace braid::codec {
namespace {

struct Node {
  uint64_t count;
  uint16_t symbol;  // of a leaf
  size_t parent = 0;
  uint8_t depth = 0;
};

// Leaves first, ascending, then what was made of two; the root is last.
std::vector<Node> tree_of(const HuffmanCounts& counts) {
  std::vector<Node> nodes;
  nodes.reserve(2 * kHuffmanSymbols);
  for (size_t i = 0; i < kHuffmanSymbols; ++i) {
    if (counts[i] > 0) nodes.push_back({counts[i], static_cast<uint16_t>(i)});
  }
  std::ranges::sort(nodes, {}, [](const Node& n) { return std::pair(n.count, n.symbol); });
  const size_t leaves = nodes.size();
  size_t next_leaf = 0;
  size_t next_inner = leaves;
  // Both are in order: the inner nodes are made ever larger.
  const auto take_least = [&] {
    if (next_leaf < leaves &&
        (next_inner == nodes.size() || nodes[next_leaf].count <= nodes[next_inner].count)) {
      return next_leaf++;
    }
    return next_inner++;
  };
  while (nodes.size() < 2 * leaves - 1) {
    const size_t a = take_least();
    const size_t b = take_least();
    nodes[a].parent = nodes[b].parent = nodes.size();
    nodes.push_back({nodes[a].count + nodes[b].count, 0});
  }
  for (size_t i = nodes.size() - 1; i-- > 0;) {
    nodes[i].depth = static_cast<uint8_t>(std::min(nodes[nodes[i].parent].depth + 1, 255));
  }
  nodes.resize(leaves);
  return nodes;
}

}  // namespace

HuffmanLengths huffman_lengths(const HuffmanCounts& counts) {
  HuffmanCounts flatter = counts;
  for (;;) {
    const std::vector<Node> leaves = tree_of(flatter);
    if (std::ranges::all_of(leaves, [](const Node& n) { return n.depth <= kHuffmanLengthMax; })) {
      HuffmanLengths lengths{};
      for (const Node& each : leaves) lengths[each.symbol] = each.depth;
      return lengths;
    }
    // Where all are the same it is no deeper than 9.
    for (uint32_t& count : flatter) count = (count + 1) / 2;
  }
}

HuffmanCodes huffman_codes(const HuffmanLengths& lengths) {
  HuffmanCodes codes{};
  uint32_t code = 0;
  for (int length = 1; length <= kHuffmanLengthMax; ++length, code <<= 1) {
    for (size_t i = 0; i < kHuffmanSymbols; ++i) {
      if (lengths[i] == length) codes[i] = static_cast<uint16_t>(code++);
    }
  }
  return codes;
}

// [MS-XCA] 2.2.4 "Processing".
bool HuffmanDecoder::set(const HuffmanLengths& lengths) {
  size_t next = 0;
  for (int length = 1; length <= kHuffmanLengthMax; ++length) {
    const size_t entries = size_t{1} << (kHuffmanLengthMax - length);
    for (size_t i = 0; i < kHuffmanSymbols; ++i) {
      if (lengths[i] != length) continue;
      if (entries > table_.size() - next) return false;
      std::fill_n(table_.begin() + static_cast<ptrdiff_t>(next), entries,
                  static_cast<uint16_t>(i << 4 | static_cast<size_t>(length)));
      next += entries;
    }
  }
  return next == table_.size();
}

}  // namespace braid::codec

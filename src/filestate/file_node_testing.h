// A node's record outside of any store.
#pragma once

#include <map>
#include <vector>

#include "filestate/file_node.h"

namespace braid::filestate {

struct NodeImage {
  Bytes head;
  std::map<uint32_t, Bytes> parts;
  bool operator==(const NodeImage&) const = default;

  void apply(const NodeChanges& changes) {
    head = changes.head;
    for (const store::PartChange& each : changes.parts) {
      if (each.value.empty()) {
        parts.erase(each.part);
      } else {
        parts[each.part] = Bytes(each.value.begin(), each.value.end());
      }
    }
  }
  std::vector<FileNode::PartValue> values() const {
    std::vector<FileNode::PartValue> values;
    for (const auto& [number, value] : parts) values.emplace_back(number, value);
    return values;
  }
};

// All of it, touched or not. Nothing counts as touched afterwards.
inline NodeImage whole(FileNode& node) {
  node.parts->for_each(0, store::kPartsMax, [&](uint32_t number) { node.parts->touch(number); });
  NodeChanges changes;
  node.encode_changes(changes);
  NodeImage image;
  image.apply(changes);
  return image;
}

}  // namespace braid::filestate

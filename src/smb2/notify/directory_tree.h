// DirectoryTree: where watches are, and which of them a change concerns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "filestate/types.h"
#include "wire/fscc/notify.h"

namespace braid::smb2 {

// Paths of the table: absolute, '/' between components, each component as clients see it, nothing
// at the end. "" is the root of the machine.
struct PathChange {
  wire::FileAction action = wire::FileAction::kModified;
  uint32_t filter = 0;  // wire::CompletionFilter: any of these in a watch's filter
  std::string path;     // with ":stream" for a stream

  bool operator==(const PathChange&) const = default;
};

// A node for each component that leads to a watch, so a path is gone through once, however many of
// the directories on it are watched, and watches share the names above them. Neither looking up nor
// moving a directory makes a string of a whole path. Pure. Thread: under its owner's lock.
class DirectoryTree {
 public:
  // Each is told of each change there, by whoever makes it: windows of an Explorer that show one
  // folder are a few.
  static constexpr size_t kWatchesOfUserMax = 128;  // of one directory
  // Components of a path that can be watched, as each takes memory. No path that a client can send
  // has so many; renames make deeper ones.
  static constexpr size_t kDepthMax = 4096;
  static bool is_too_deep(std::string_view path);
  // A component here, its name apart.
  static constexpr size_t kNodeSize = 192;

  struct Node;
  // What a watch is here. All but the first three is the tree's own.
  struct Place {
    filestate::UserId user{};
    bool tree = false;
    uint32_t filter = 0;
    Node* directory = nullptr;  // null: not placed
    bool ended = false;         // never placed again
  };
  using PlaceRef = std::shared_ptr<Place>;

  DirectoryTree();
  ~DirectoryTree();
  DirectoryTree(const DirectoryTree&) = delete;
  DirectoryTree& operator=(const DirectoryTree&) = delete;

  // False: its user watches the directory too often already, or it is too deep. Does nothing for
  // what has ended or has a place.
  bool add(const PlaceRef& place, std::string_view directory);
  // Ends the place.
  void remove(Place& place);

  // Who is to be told of a change: the watches of the directory it is in, and above it those of
  // trees. The name of the change as they are told it begins at `name_at`.
  struct Hit {
    PlaceRef place;
    size_t change;  // which
    size_t name_at;
  };
  // [MS-FSA] 2.1.4.1, but for changes of the watched directory itself, which no server tells.
  // Nobody is told of what the server keeps beside the files.
  std::vector<Hit> find(std::span<const PathChange> changes);
  // The watches of a directory and, with `below`, of all further down.
  std::vector<PlaceRef> places_at(std::string_view directory, bool below) const;
  // Who is to be told that changes in `directory`, any of those of `filter`, cannot be told; with
  // `below` they may have been further down.
  std::vector<PlaceRef> concerned(std::string_view directory, uint32_t filter, bool below) const;
  // A directory has another name now: watches of it and below it go with it. False: there are none.
  bool moved(std::string_view from, std::string_view to);

  // What a watch of `directory` makes the tree hold at most, and what listens in the kernel, which
  // keeps the path three times.
  static size_t cost_of(std::string_view directory);
  struct Costing {
    PlaceRef place;
    size_t cost;
  };
  // Those of a directory and all further down, and what each costs where it is.
  std::vector<Costing> costs_at(std::string_view directory) const;

 private:
  Node* look_up(std::string_view path) const;
  Node& make(std::string_view path);
  // Removes what leads to no watch any more, from `node` upwards.
  void prune(Node* node);
  static void merge(Node& into, std::unique_ptr<Node> from);

  std::unique_ptr<Node> top_;
};

}  // namespace braid::smb2

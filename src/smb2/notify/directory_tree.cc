#include "smb2/notify/directory_tree.h"

#include <algorithm>
#include <utility>

namespace braid::smb2 {
namespace {

// The folder that the server keeps in the roots of shares and hides from clients, of all shares.
constexpr std::string_view kPrivateFolder = "/.braid";

// Where a path has left the last private folder in it; 0 without one.
size_t end_of_private(std::string_view path) {
  for (size_t at = path.rfind(kPrivateFolder); at != path.npos;) {
    const size_t end = at + kPrivateFolder.size();
    if (end == path.size() || path[end] == '/') return end;
    if (at == 0) break;
    at = path.rfind(kPrivateFolder, at - 1);
  }
  return 0;
}

// Of a path: in the tree, and three in what listens in the kernel.
constexpr size_t kCopies = 4;

// The components of a path, each in turn. "" has one, which is empty.
class Components {
 public:
  explicit Components(std::string_view path) : path_(path) {}
  bool done() const { return begin_ > path_.size(); }
  // REQUIRES: !done().
  std::string_view next() {
    const size_t end = std::min(path_.find('/', begin_), path_.size());
    const std::string_view component = path_.substr(begin_, end - begin_);
    begin_ = end + 1;
    return component;
  }

 private:
  std::string_view path_;
  size_t begin_ = 0;
};

}  // namespace

struct DirectoryTree::Node {
  // Of a directory that is watched.
  struct Watches {
    std::vector<PlaceRef> places;
    std::unordered_map<filestate::UserId, size_t> of_user;
  };

  Node* parent = nullptr;
  std::string name;
  std::unordered_map<std::string_view, std::unique_ptr<Node>> children;  // by their names
  std::unique_ptr<Watches> watches;                                      // null: none

  bool leads_nowhere() const { return children.empty() && !watches; }
};

DirectoryTree::DirectoryTree() : top_(std::make_unique<Node>()) {}

// A tree may be deeper than a stack.
DirectoryTree::~DirectoryTree() {
  std::vector<std::unique_ptr<Node>> todo;
  todo.push_back(std::move(top_));
  while (!todo.empty()) {
    const std::unique_ptr<Node> node = std::move(todo.back());
    todo.pop_back();
    for (auto& [name, child] : node->children) todo.push_back(std::move(child));
  }
}

bool DirectoryTree::is_too_deep(std::string_view path) {
  return static_cast<size_t>(std::ranges::count(path, '/')) >= kDepthMax;
}

size_t DirectoryTree::cost_of(std::string_view directory) {
  const auto depth = static_cast<size_t>(std::ranges::count(directory, '/')) + 1;
  return depth * kNodeSize + directory.size() * kCopies;
}

DirectoryTree::Node* DirectoryTree::look_up(std::string_view path) const {
  Node* node = top_.get();
  for (Components components(path); !components.done();) {
    const auto child = node->children.find(components.next());
    if (child == node->children.end()) return nullptr;
    node = child->second.get();
  }
  return node;
}

DirectoryTree::Node& DirectoryTree::make(std::string_view path) {
  Node* node = top_.get();
  for (Components components(path); !components.done();) {
    const std::string_view name = components.next();
    const auto child = node->children.find(name);
    if (child != node->children.end()) {
      node = child->second.get();
      continue;
    }
    auto made = std::make_unique<Node>();
    made->parent = node;
    made->name = name;
    Node* const next = made.get();
    node->children.emplace(next->name, std::move(made));
    node = next;
  }
  return *node;
}

void DirectoryTree::prune(Node* node) {
  while (node->parent && node->leads_nowhere()) {
    Node* const parent = node->parent;
    parent->children.erase(parent->children.find(node->name));
    node = parent;
  }
}

bool DirectoryTree::add(const PlaceRef& place, std::string_view directory) {
  if (place->ended || place->directory) return true;
  if (is_too_deep(directory)) return false;
  Node& node = make(directory);
  if (!node.watches) node.watches = std::make_unique<Node::Watches>();
  size_t& own = node.watches->of_user[place->user];
  if (own >= kWatchesOfUserMax) return false;
  ++own;
  node.watches->places.push_back(place);
  place->directory = &node;
  return true;
}

void DirectoryTree::remove(Place& place) {
  place.ended = true;
  Node* const node = std::exchange(place.directory, nullptr);
  if (!node) return;
  Node::Watches& watches = *node->watches;
  std::erase_if(watches.places, [&](const PlaceRef& each) { return each.get() == &place; });
  const auto own = watches.of_user.find(place.user);
  if (--own->second == 0) watches.of_user.erase(own);
  if (watches.places.empty()) node->watches.reset();
  prune(node);
}

auto DirectoryTree::find(std::span<const PathChange> changes) -> std::vector<Hit> {
  std::vector<Hit> hits;
  for (size_t i = 0; i < changes.size(); ++i) {
    const PathChange& change = changes[i];
    const std::string_view path = change.path;
    const size_t private_end = end_of_private(path);
    Node* node = top_.get();
    for (size_t begin = 0, end = path.find('/'); end != path.npos; end = path.find('/', begin)) {
      const auto child = node->children.find(path.substr(begin, end - begin));
      if (child == node->children.end()) break;
      node = child->second.get();
      begin = end + 1;
      const size_t next = path.find('/', begin);
      // Below it is only who has a share there.
      if (!node->watches || begin <= private_end) continue;
      const bool is_parent = next == path.npos;
      for (const PlaceRef& place : node->watches->places) {
        if (!is_parent && !place->tree) continue;
        if ((change.filter & place->filter) == 0) continue;
        hits.push_back({place, i, begin});
      }
    }
  }
  return hits;
}

auto DirectoryTree::places_at(std::string_view directory, bool below) const
    -> std::vector<PlaceRef> {
  std::vector<PlaceRef> places;
  std::vector<const Node*> todo;
  if (const Node* const node = look_up(directory)) todo.push_back(node);
  while (!todo.empty()) {
    const Node& node = *todo.back();
    todo.pop_back();
    if (node.watches) {
      places.insert(places.end(), node.watches->places.begin(), node.watches->places.end());
    }
    if (!below) continue;
    for (const auto& [name, child] : node.children) todo.push_back(child.get());
  }
  return places;
}

auto DirectoryTree::costs_at(std::string_view directory) const -> std::vector<Costing> {
  std::vector<Costing> costs;
  std::vector<std::pair<const Node*, size_t>> todo;
  if (const Node* const node = look_up(directory)) todo.emplace_back(node, cost_of(directory));
  while (!todo.empty()) {
    const auto [node, cost] = todo.back();
    todo.pop_back();
    if (node->watches) {
      for (const PlaceRef& place : node->watches->places) costs.push_back({place, cost});
    }
    for (const auto& [name, child] : node->children) {
      todo.emplace_back(child.get(), cost + kNodeSize + (1 + name.size()) * kCopies);
    }
  }
  return costs;
}

auto DirectoryTree::concerned(std::string_view directory, uint32_t filter, bool below) const
    -> std::vector<PlaceRef> {
  std::vector<PlaceRef> places;
  const Node* node = top_.get();
  for (Components components(directory); !components.done();) {
    const auto child = node->children.find(components.next());
    if (child == node->children.end()) return places;
    node = child->second.get();
    if (components.done() || !node->watches) continue;
    for (const PlaceRef& place : node->watches->places) {
      if (place->tree && (place->filter & filter) != 0) places.push_back(place);
    }
  }
  for (PlaceRef& place : places_at(directory, below)) {
    if ((place->filter & filter) != 0) places.push_back(std::move(place));
  }
  return places;
}

// Watches of a directory that has the name already, and is another one, stay where they are.
void DirectoryTree::merge(Node& into, std::unique_ptr<Node> from) {
  std::vector<std::pair<Node*, std::unique_ptr<Node>>> todo;
  todo.emplace_back(&into, std::move(from));
  while (!todo.empty()) {
    Node& to = *todo.back().first;
    const std::unique_ptr<Node> old = std::move(todo.back().second);
    todo.pop_back();
    if (old->watches) {
      if (!to.watches) to.watches = std::make_unique<Node::Watches>();
      for (PlaceRef& place : old->watches->places) {
        ++to.watches->of_user[place->user];
        place->directory = &to;
        to.watches->places.push_back(std::move(place));
      }
    }
    for (auto& [name, child] : old->children) {
      const auto there = to.children.find(child->name);
      if (there != to.children.end()) {
        todo.emplace_back(there->second.get(), std::move(child));
        continue;
      }
      child->parent = &to;
      const std::string_view key = child->name;
      to.children.emplace(key, std::move(child));
    }
  }
}

bool DirectoryTree::moved(std::string_view from, std::string_view to) {
  Node* const node = look_up(from);
  const size_t separator = to.rfind('/');
  if (!node || from == to || separator == to.npos) return false;
  if (to.starts_with(from) && to[from.size()] == '/') return false;  // none goes into itself
  Node* const old_parent = node->parent;
  const auto at = old_parent->children.find(node->name);
  std::unique_ptr<Node> owned = std::move(at->second);
  old_parent->children.erase(at);
  Node& parent = make(to.substr(0, separator));
  const std::string_view name = to.substr(separator + 1);
  if (const auto there = parent.children.find(name); there != parent.children.end()) {
    merge(*there->second, std::move(owned));
  } else {
    owned->name = name;
    owned->parent = &parent;
    const std::string_view key = owned->name;
    parent.children.emplace(key, std::move(owned));
  }
  prune(old_parent);
  return true;
}

}  // namespace braid::smb2

// The keys of the configuration file: one row each, read by the parser, the help and the man page.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/value.h"

namespace braid::config {

// What a value has to pass beyond its type.
enum class PathRule : uint8_t { kNone, kDirectoryOrNothing, kReadableFile };

// Stores a value in its section. False: it is not what `Key::accepts` says.
template <class Section>
using Store = bool (*)(Section&, const Value&);

// The value that a section has, as TOML.
template <class Section>
using Shown = std::string (*)(const Section&);

// For a key whose change waits for a restart: compares its value in two sections, and takes it
// over.
template <class Section>
struct AtRestart {
  bool (*is_same)(const Section&, const Section&) = nullptr;
  void (*keep)(Section& into, const Section& started) = nullptr;
  explicit operator bool() const { return keep != nullptr; }
};

template <class Section>
struct Key {
  std::string_view name;
  std::string_view accepts;  // completes "give ..." in a message
  Shown<Section> shown;      // null: the key must be given
  std::string_view doc;      // one sentence or two, for the man page and --config-help
  Store<Section> store;
  PathRule path_rule = PathRule::kNone;
  AtRestart<Section> at_restart{};  // empty: a reload brings a new value into effect

  // What the section's member has by itself, as TOML; empty: the key must be given.
  std::string default_text() const { return shown ? shown(Section{}) : ""; }
};

std::span<const Key<Server>> server_keys();
std::span<const Key<Share>> share_keys();

// The tables as text: what `braidd --config-help` prints.
std::string describe_keys();
// The tables as JSON, for tools: [{"section", "key", "accepts", "default", "doc", "restart"}].
std::string keys_as_json();

// The known name with the fewest edits to `name`; nothing when every one is too far off.
std::optional<std::string_view> nearest(std::string_view name,
                                        std::span<const std::string_view> known);

// "127.0.0.1:445" or "[::1]:445".
std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace braid::config

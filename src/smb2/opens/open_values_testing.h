// Values of an Open for tests of what keeps them all.
#pragma once

#include <gtest/gtest.h>

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "auth/identity.h"
#include "smb2/opens/open_values.h"

namespace braid::smb2 {

// Another value for each, so that none is taken for another or for one that was never set.
struct Filler {
  uint8_t next = 0;

  void fill(bool& value) { value = true; }
  void fill(filestate::Durability& value) { value = filestate::Durability::kResilient; }
  void fill(vfs::TimeRule& value) {
    value = ++next % 2 == 0 ? vfs::TimeRule::kKept : vfs::TimeRule::kMoves;
  }
  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void fill(T& value) {
    value = static_cast<T>(++next);
  }
  template <class Tag>
  void fill(Id128<Tag>& id) {
    id.bytes.fill(++next);
  }
  void fill(FileId& id) { id = {++next, ++next}; }
  void fill(filestate::UserId& user) { fill(user.value); }
  void fill(std::chrono::milliseconds& time) { time = std::chrono::milliseconds(++next); }
  void fill(std::shared_ptr<const auth::Identity>& user) {
    auto identity = std::make_shared<auth::Identity>();
    identity->uid = ++next;
    identity->user_sid = wire::Sid(5, {21, ++next});
    user = std::move(identity);
  }
  void fill(Credentials& credentials) {
    credentials = std::make_shared<const UnixCredentials>(
        UnixCredentials{.uid = ++next, .gid = ++next, .groups = {++next, ++next}});
  }
  void fill(vfs::Path& path) { EXPECT_TRUE(path.append("name " + std::to_string(++next))); }
  template <class T>
  void fill(std::optional<T>& value) {
    fill(value.emplace());
  }
  template <HasMembers Values>
  void fill(Values& values) {
    std::apply([this](auto&... each) { (this->fill(each), ...); }, members(values));
  }
};

template <class T>
bool same(const T& one, const T& other);
inline bool same(const std::shared_ptr<const auth::Identity>& one,
                 const std::shared_ptr<const auth::Identity>& other) {
  return one && other && one->is_same_user(*other);
}
inline bool same(const Credentials& one, const Credentials& other) {
  return one && other && *one == *other;
}
inline bool same(const vfs::Path& one, const vfs::Path& other) {
  return one.text() == other.text();
}

// The place of the first that differs, counted from 1; 0: none does.
template <HasMembers Values>
size_t first_other(const Values& one, const Values& other) {
  size_t place = 0, found = 0;
  const auto look = [&](const auto& a, const auto& b) {
    ++place;
    if (found == 0 && !same(a, b)) found = place;
  };
  std::apply(
      [&](const auto&... a) {
        std::apply([&](const auto&... b) { (look(a, b), ...); }, members(other));
      },
      members(one));
  return found;
}

template <class T>
bool same(const T& one, const T& other) {
  if constexpr (HasMembers<const T>) {
    return first_other(one, other) == 0;
  } else if constexpr (requires { one.has_value(); }) {
    return one.has_value() && other.has_value() && same(*one, *other);
  } else {
    return one == other;
  }
}

}  // namespace braid::smb2

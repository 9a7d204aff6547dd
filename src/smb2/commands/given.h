// Given: a column of a table that every row has to fill.
#pragma once

namespace braid::smb2 {

// Where rows are aggregates, what is left out at their end would be zero.
template <class T>
struct Given {
  constexpr Given(T its_value) : value(its_value) {}
  constexpr operator T() const { return value; }

  T value;
};

}  // namespace braid::smb2

// Columns for a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace braid::braidctl {

// Text of clients, made safe for a terminal: control characters become "?".
std::string printable(std::string_view text);

// Rows below a heading, each column as wide as its widest cell.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }
  // REQUIRES: as many cells as the heading has.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace braid::braidctl

// Columns for a terminal.
#pragma once

#include <string>
#include <vector>

namespace braid::braidctl {

// Rows below a heading, each column as wide as its widest cell.
class Table {
 public:
  explicit Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }
  // The cells may be text of clients: they are shown printable(). REQUIRES: as many as the heading
  // has.
  void add(std::vector<std::string> cells);
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace braid::braidctl

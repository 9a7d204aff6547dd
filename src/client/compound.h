// Compound: several requests in one message.
#pragma once

#include <vector>

#include "client/tree.h"

namespace braid::client {

//   Compound compound(tree);
//   compound.add(Command::kCreate, create)
//       .add_related(Command::kWrite, WriteRequest{.file_id = FileId::all_ones(), ...})
//       .add_related(Command::kClose, CloseRequest{.file_id = FileId::all_ones()});
//   BRAID_CO_TRY(auto responses, co_await compound.send());
// Thread: the tree's.
class Compound {
 public:
  explicit Compound(TreePtr tree) : tree_(std::move(tree)) {}

  template <class Body>
  Compound& add(wire::Command command, const Body& body, uint64_t payload_size = 0) {
    requests_.push_back(make_request(command, body, payload_size));
    return *this;
  }
  // With SMB2_FLAGS_RELATED_OPERATIONS.
  template <class Body>
  Compound& add_related(wire::Command command, const Body& body, uint64_t payload_size = 0) {
    add(command, body, payload_size);
    requests_.back().header.flags |= wire::HeaderFlags::kRelatedOperations;
    return *this;
  }
  // The request added last, to change what add() cannot.
  Request& last() { return requests_.back(); }

  Task<Result<std::vector<ExchangePtr>>> start();
  // All final responses, in order.
  Task<Result<std::vector<Response>>> send();

 private:
  TreePtr tree_;
  std::vector<Request> requests_;
};

}  // namespace braid::client

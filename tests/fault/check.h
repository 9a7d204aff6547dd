// What is on the server in the end, and what should be.
#pragma once

#include "context.h"

namespace braid::fault {

// Reads everything through `tree`, which is a fresh client's, and reports what differs.
Task<void> check_all(Context& context, client::TreePtr tree);
// The expectations as JSON, for a check on the server's disk.
bool write_expectations(const Context& context, const std::string& path);

}  // namespace braid::fault

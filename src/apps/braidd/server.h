// Builds what a worker runs.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "admin/protocol.h"
#include "apps/braidd/worker.h"
#include "config/config.h"
#include "store/worker_group.h"

namespace braid::braidd {

// Opens the state folder, the users and the keys, makes threads, the SMB2 engine and the control
// socket. `router` outlives it and `group` is the other workers; both null where there is one
// worker. `descriptors`: how many it may have open. On failure one line that says what is wrong
// and what to do.
std::expected<std::unique_ptr<WorkerServer>, std::string> make_worker_server(
    config::Snapshot config, admin::WorkerPlace place, ConnectionRouter* router, size_t descriptors,
    std::unique_ptr<store::Group> group = nullptr, store::WorkerGroup* machine = nullptr,
    WorkerBegin begin = WorkerBegin::kServing);

}  // namespace braid::braidd

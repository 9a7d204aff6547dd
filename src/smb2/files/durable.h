// What becomes of the opens of a session whose connection is lost. [MS-SMB2] 3.3.7.1 "Handling Loss
// of a Connection".
#pragma once

#include <memory>

#include "runtime/one_shot.h"
#include "runtime/task.h"
#include "smb2/opens/open_table.h"

namespace braid::smb2 {

class FileServices;

// Keeps the Open for its client's return if it was promised and filestate agrees; closes it if not.
// Waits for the requests that use it. Continues on a thread of the worker pool.
Task<void> lose_open(FileServices& files, std::shared_ptr<Open> open);

// The connections of the open's session are all lost, and not everybody has heard of that: it is
// when this is set, and then look again. They are ended, as their client is back: answers that
// nobody takes would keep them. Null: its client may be there, the open is on its way already, or
// it is of another client or user than those who ask.
std::shared_ptr<OneShot<bool>> loss_under_way(const Open& open, const ClientGuid& client,
                                              filestate::UserId user);

// An open that was to be persistent and is in no log: durable, if it can be, as if that was asked.
void take_promise_back(FileServices& files, Open& open);

// An open nobody came back for, or that another one takes the place of. The caller has claimed it.
Task<void> close_claimed(FileServices& files, PreservedOpen preserved);

// filestate has given the open up.
Task<void> close_purged(FileServices& files, GivenUpOpen purged);

}  // namespace braid::smb2

// log::prepare(): what the log needs of the system, loaded ahead.
#pragma once

namespace braid::log {

// Loads what the first line would otherwise open files for: the time zone. From then on a line
// takes a write() and the clock. For who is about to give up files or system calls. Thread: any.
void prepare();

}  // namespace braid::log

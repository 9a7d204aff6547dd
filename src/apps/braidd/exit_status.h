// What braidd ends with. braidd(8), EXIT STATUS.
#pragma once

namespace braid::braidd {

// The state of the machine: an address, a disk, a limit, memory, another server. It may be another
// one in a moment, so a service manager tries again.
inline constexpr int kCannotRun = 1;
// The command line, or the text of the configuration: it stays wrong until somebody corrects it,
// and the unit has RestartPreventExitStatus=2. For nothing else.
inline constexpr int kBadText = 2;
// Of the process with the network cards, and not the program's: there are none, so it is not
// started again until somebody asks for it.
inline constexpr int kNoCards = 3;
// Of a worker on a node of a cluster, and not the program's: its term is over, as its keeper did
// not make it longer.
inline constexpr int kTermOver = 4;

}  // namespace braid::braidd

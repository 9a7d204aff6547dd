// Load of people at work.
#pragma once

#include <memory>

#include "apps/braid-bench/load.h"

namespace braid::bench {

// Each client has a folder of 100 documents of 64 KiB. By chance, of 100 operations: 35 ask for a
// document's attributes; 25 open one, read it and close it; 10 list the folder; 10 write 4 KiB into
// one; 10 save one as programs do (write a new file, rename it over the old one); 5 lock a range,
// read it and unlock it; 5 make a file of 4 KiB and delete it.
std::unique_ptr<Load> make_office_load();

}  // namespace braid::bench

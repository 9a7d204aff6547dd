// Loads on names: files that are opened, asked about, listed, made and deleted.
#pragma once

#include <memory>

#include "apps/braid-bench/load.h"

namespace braid::bench {

// CREATE and CLOSE of a file that is there.
std::unique_ptr<Load> make_open_load(const LoadOptions& options);
// CREATE, QUERY_INFO (FileAllInformation) and CLOSE in one message, as clients do who are asked for
// a file's attributes.
std::unique_ptr<Load> make_stat_load(const LoadOptions& options);
// CREATE of a directory, QUERY_DIRECTORY to the end, CLOSE.
std::unique_ptr<Load> make_list_load(const LoadOptions& options);
// CREATE of a new file, WRITE, CLOSE; CREATE and CLOSE that delete it.
std::unique_ptr<Load> make_small_files_load(const LoadOptions& options);

}  // namespace braid::bench

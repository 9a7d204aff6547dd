// Files that loads work on. All are in one folder of the share.
#pragma once

#include <functional>
#include <string>

#include "client/file.h"

namespace braid::bench {

inline constexpr const char* kLoadFolder = "braid-bench";
inline constexpr wire::AccessMask kReadAndWrite =
    wire::Access::kFileGenericRead | wire::Access::kFileGenericWrite;

// A file or folder of the folder.
std::string load_path(std::string_view name);
// Makes a folder unless it is there.
Task<Result<void>> make_folder(client::TreePtr tree, std::string path);
// Makes a file of so many bytes, or overwrites it, and leaves it open for reading and writing.
Task<Result<client::FilePtr>> make_file(client::TreePtr tree, std::string path, uint64_t bytes);
// The same, and closes it. One that is there and has the size is left as it is.
Task<Result<void>> need_file(client::TreePtr tree, std::string path, uint64_t bytes);
// need_file() for the names of 0 to count - 1, and their removal, many at a time.
Task<Result<void>> need_files(client::TreePtr tree, size_t count, uint64_t bytes,
                              std::function<std::string(size_t)> path_of);
Task<Result<void>> remove_files(client::TreePtr tree, size_t count,
                                std::function<std::string(size_t)> path_of);
// Removes a file or an empty folder.
Task<Result<void>> remove(client::TreePtr tree, std::string path);

}  // namespace braid::bench

// What most files of this folder read, read once: cmake/braid_folder.cmake.
#pragma once

#include <nlohmann/json.hpp>

#include "smb2/precompiled.h"

// What most files of this folder read, read once: cmake/braid_folder.cmake.
#pragma once

#include "rpc/pipe_registry.h"

// What most files of this folder and above read, read once: cmake/braid_folder.cmake.
#pragma once

#include "base/log.h"
#include "smb2/connections/connection.h"
#include "smb2/files/file_services.h"

// The storage interface as a whole.
#pragma once

#include "vfs/attributes.h"
#include "vfs/file.h"
#include "vfs/names.h"
#include "vfs/path.h"
#include "vfs/quotas.h"
#include "vfs/volume.h"

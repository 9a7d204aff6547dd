#include "filestate/file_state.h"

#include "filestate/file_state_inl.h"

namespace braid::filestate {

template class BasicFileState<Defect::kNone>;

}  // namespace braid::filestate

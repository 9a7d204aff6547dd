// TreeConnect. [MS-SMB2] 3.3.1.9 "Per Tree Connect".
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "auth/id_mapper.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "base/memory_charge.h"
#include "smb2/sessions/session.h"
#include "smb2/shares/share.h"

namespace braid::smb2 {

// Owned by its Session and by the Opens made through it. Thread: any. Life: ends by TREE_DISCONNECT
// or with the session; what still holds it then sees is_closed().
class TreeConnect {
 public:
  // `may_only_read`: whoever made it, whatever others may.
  TreeConnect(TreeId id, std::shared_ptr<const Share> its_share, uint32_t access,
              bool may_only_read = false)
      : tree_id(id),
        share(std::move(its_share)),
        maximal_access(access),
        may_only_read_(may_only_read) {}

  // What opens in a previous version of the share are made through: the client has one tree, and
  // it ends when that one does.
  TreeConnect(std::shared_ptr<TreeConnect> connected, std::shared_ptr<const Share> snapshot,
              uint32_t access)
      : tree_id(connected->tree_id),
        share(std::move(snapshot)),
        maximal_access(access),
        connected_(std::move(connected)),
        may_only_read_(connected_->is_read_only()) {}

  const TreeId tree_id;
  const std::shared_ptr<const Share> share;
  const uint32_t maximal_access;
  MemoryCharge memory;
  FileTime connected_at;  // set before it is in its session

  // Nothing can be changed through it.
  bool is_read_only() const { return may_only_read_ || share->read_only; }
  bool was_made_to_read() const { return may_only_read_; }
  bool is_snapshot() const { return connected_ != nullptr; }
  bool is_pipe() const { return share->type == ShareType::kPipe; }
  // True for the one caller that closes it.
  bool begin_close() { return !closed_.exchange(true); }
  bool is_closed() const { return connected_ ? connected_->is_closed() : closed_.load(); }
  // Who `logged_on` acts as here: the share's forced user, in its forced group, if it has them.
  Principal principal_of(Principal logged_on, const auth::IdMapper& ids);
  // Whether a request that names `tree` may use what was opened through this one.
  bool is_part_of(const TreeConnect& tree) const {
    return this == &tree || connected_.get() == &tree;
  }

 private:
  // The last that principal_of() made, and of whom.
  struct InGroup {
    std::shared_ptr<const auth::Identity> of;
    Principal principal;
  };

  const std::shared_ptr<TreeConnect> connected_;  // of a previous version; else null
  const bool may_only_read_;                      // whoever made it, whatever others may
  std::atomic<bool> closed_ = false;
  Guarded<InGroup> in_group_;
};

}  // namespace braid::smb2

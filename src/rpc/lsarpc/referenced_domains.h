// The domains that the answers of a look-up point to.
#pragma once

#include <string>
#include <vector>

#include "rpc/accounts.h"
#include "wire/ndr/ndr_writer.h"

namespace braid::rpc::lsarpc {

// [MS-LSAT] 2.2.12 "LSAPR_REFERENCED_DOMAIN_LIST", with its pointer.
class ReferencedDomains {
 public:
  static constexpr uint32_t kNone = 0xffffffff;  // DomainIndex -1

  // The index of the domain, added if it is new.
  uint32_t index_of(std::string_view name, const wire::Sid& sid);
  void encode(wire::NdrWriter& out) const;

 private:
  struct Domain {
    std::string name;
    wire::Sid sid;
  };
  std::vector<Domain> domains_;
};

}  // namespace braid::rpc::lsarpc

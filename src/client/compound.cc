#include "client/compound.h"

#include <utility>

namespace braid::client {

Task<Result<std::vector<ExchangePtr>>> Compound::start() {
  return tree_->start_compound(std::exchange(requests_, {}));
}

Task<Result<std::vector<Response>>> Compound::send() {
  BRAID_CO_TRY(const auto exchanges, co_await start());
  std::vector<Response> responses;
  for (const ExchangePtr& exchange : exchanges) {
    BRAID_CO_TRY(Response response, co_await exchange->response());
    responses.push_back(std::move(response));
  }
  co_return std::move(responses);
}

}  // namespace braid::client

// SpnegoInitiator: the client's side of a logon with one mechanism. For this folder only.
#pragma once

#include <memory>

#include "auth/authenticator.h"
#include "auth/mechanism.h"

namespace braid::auth {

// [RFC4178] with one mechanism in the list, so that nothing is ever reselected. Thread: one at a
// time.
class SpnegoInitiator final : public AuthInitiator {
 public:
  explicit SpnegoInitiator(std::unique_ptr<InitiatorMech> mech) : mech_(std::move(mech)) {}
  Result<Step> step(ByteView token) override;
  crypto::Secret session_key() const override;
  crypto::Secret full_session_key() const override;

 private:
  Result<Step> start(ByteView hint);
  Result<Step> on_resp(ByteView token);

  std::unique_ptr<InitiatorMech> mech_;
  Bytes mech_types_der_;
  bool started_ = false;
  bool mech_done_ = false;
  bool mic_sent_ = false;
  bool done_ = false;
};

// The mechanism's tokens as they are.
class RawInitiator final : public AuthInitiator {
 public:
  explicit RawInitiator(std::unique_ptr<InitiatorMech> mech) : mech_(std::move(mech)) {}
  Result<Step> step(ByteView token) override;
  crypto::Secret session_key() const override;
  crypto::Secret full_session_key() const override;

 private:
  std::unique_ptr<InitiatorMech> mech_;
  bool started_ = false;
  bool mech_done_ = false;
};

}  // namespace braid::auth

// Chain<T, &T::link>: a list whose members carry their own links, so that joining it allocates
// nothing and leaving it from the middle searches nothing.
#pragma once

#include <cassert>
#include <utility>

namespace braid {

// A member's place in one chain.
template <class T>
class Link {
 public:
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  bool is_linked() const { return chain_ != nullptr; }

 private:
  template <class U, Link<U> U::* kLink>
  friend class Chain;
  T* before_ = nullptr;
  T* behind_ = nullptr;
  void* chain_ = nullptr;  // the one it is in
};

// Owns nothing: members leave before they go. Thread: whose lock the members have.
template <class T, Link<T> T::* kLink>
class Chain {
 public:
  Chain() = default;
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  bool empty() const { return first_ == nullptr; }
  T* first() const { return first_; }
  static T* behind(const T& member) { return (member.*kLink).behind_; }

  void push_back(T& member) {
    Link<T>& link = member.*kLink;
    assert(!link.is_linked());
    link.chain_ = this;
    link.before_ = last_;
    (last_ ? (last_->*kLink).behind_ : first_) = &member;
    last_ = &member;
  }

  // Null when it is empty.
  T* pop_front() {
    T* const member = first_;
    if (member) remove(*member);
    return member;
  }

  // Takes `member` out of whichever chain of this kind it is in.
  static void remove(T& member) {
    Link<T>& link = member.*kLink;
    assert(link.is_linked());
    auto& chain = *static_cast<Chain*>(std::exchange(link.chain_, nullptr));
    (link.before_ ? (link.before_->*kLink).behind_ : chain.first_) = link.behind_;
    (link.behind_ ? (link.behind_->*kLink).before_ : chain.last_) = link.before_;
    link.before_ = link.behind_ = nullptr;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

}  // namespace braid

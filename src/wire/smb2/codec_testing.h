// Messages and structures to bytes and back, for the tests of this folder.
#pragma once

#include "wire/reader.h"
#include "wire/smb2/header.h"
#include "wire/writer.h"

namespace braid::wire {

// A body, with offsets counted from the header before it.
template <class T>
Result<T> decode_body(ByteView message) {
  Reader r(message, Header::kSize);
  return T::decode(r);
}

template <class T>
Bytes encode_body(const T& body) {
  Bytes out(Header::kSize);
  Writer w(out, 0);
  body.encode(w);
  return out;
}

// What stands alone.
template <class T>
Result<T> decode_payload(ByteView payload) {
  Reader r(payload);
  return T::decode(r);
}

template <class T>
Bytes encode_payload(const T& value) {
  Bytes out;
  Writer w(out);
  value.encode(w);
  return out;
}

}  // namespace braid::wire

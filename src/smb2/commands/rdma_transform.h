// Encryption and signing of data that a network card moves. [MS-SMB2] 2.2.43 "SMB2_RDMA_TRANSFORM".
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "wire/smb2/rdma_transform.h"

namespace braid::smb2 {

class Request;

// Data of a READ, before it goes: encrypted where it is, or signed; and what the answer says of it.
// The nonce of an encryption is the next of the session's key, that of a signature is of the number
// of the request. Takes as long as protecting a message of that size. Thread: any.
// REQUIRES: the request is encrypted, or was verified.
Bytes protect_placed(const Request& request, wire::RdmaTransformType type, MutableByteView data);

// Whether signature and nonce of a WRITE have the sizes of what its data is protected with.
// STATUS_AUTH_TAG_MISMATCH, STATUS_INVALID_SIGNATURE.
Result<void> check_sizes(const Request& request, const wire::RdmaCryptoTransform& transform);
// Data of a WRITE, when it is there: decrypted where it is, or verified. The same errors: it is not
// what the client has protected, and garbage. Thread: any. REQUIRES: check_sizes().
Result<void> unprotect_placed(const Request& request, const wire::RdmaCryptoTransform& transform,
                              MutableByteView data);

}  // namespace braid::smb2

#!/usr/bin/env python3
"""Logons of RPC's own within pipes, and what they sign and seal. The clients are impacket and Samba's
rpcclient."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.dcerpc.v5 import lsad, lsat, samr, srvs, transport, wkst  # noqa: E402
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED  # noqa: E402
from impacket.dcerpc.v5.rpcrt import (DCERPCException, RPC_C_AUTHN_LEVEL_CONNECT,  # noqa: E402
                                      RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
                                      RPC_C_AUTHN_LEVEL_PKT_PRIVACY, RPC_C_AUTHN_WINNT)
from impacket.smbconnection import SessionError  # noqa: E402

import suite  # noqa: E402
from case import ALICE, BOB  # noqa: E402
from pipes_test import ADMIN, PipesCase  # noqa: E402
from server import User  # noqa: E402

LEVELS = (RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
PROTECTED = LEVELS[1:]
ACCESS_DENIED, SEC_PKG_ERROR = 5, 0x721
TRAILER = 8  # bytes before a verifier; NTLM's has 16
PIPE_DISCONNECTED = 0xC00000B0


class SecurityCase(PipesCase):
    def secured(self, name, interface, level, user=ADMIN, session=ALICE, fragments=None):
        """A pipe opened by `session` on which `user` logged on."""
        wire = transport.SMBTransport(self.server.host, filename=name,
                                      smb_connection=self.log_on(session))
        dce = wire.get_dce_rpc()
        dce.set_credentials(user.name, user.password)
        dce.set_auth_type(RPC_C_AUTHN_WINNT)
        dce.set_auth_level(level)
        dce.connect()
        if fragments:
            dce.set_max_fragment_size(fragments)
        dce.bind(interface)
        return dce

    def assert_denied(self, call):
        """By a fault, not by the call."""
        with self.assertRaises(DCERPCException) as refusal:
            call()
        self.assertIn("rpc_s_access_denied", str(refusal.exception))


def count_sessions(dce):
    rows = srvs.hNetrSessionEnum(dce, "\0", "\0", 10)["InfoStruct"]["SessionInfo"]
    return len(rows["Level10"]["Buffer"])


class EachLevel(SecurityCase):
    def test_the_caller_is_who_logged_on_within_the_pipe(self):
        for level in LEVELS:
            with self.subTest(level=level):
                dce = self.secured(r"\srvsvc", srvs.MSRPC_UUID_SRVS, level)
                for _ in range(3):
                    self.assertGreaterEqual(count_sessions(dce), 1)
                dce = self.secured(r"\srvsvc", srvs.MSRPC_UUID_SRVS, level, user=BOB, session=ADMIN)
                with self.assertRaises(DCERPCException) as refusal:
                    count_sessions(dce)
                self.assertEqual(refusal.exception.get_error_code(), ACCESS_DENIED)

    def test_each_interface(self):
        for level in LEVELS:
            with self.subTest(level=level):
                dce = self.secured(r"\wkssvc", wkst.MSRPC_UUID_WKST, level)
                self.assertEqual(wkst.hNetrGetJoinInformation(dce, "\0")["BufferType"], 2)
                dce = self.secured(r"\samr", samr.MSRPC_UUID_SAMR, level)
                handle = samr.hSamrConnect(dce)["ServerHandle"]
                self.assertTrue(samr.hSamrEnumerateDomainsInSamServer(dce, handle)["Buffer"]["Buffer"])

    def test_long_requests_and_answers(self):
        for level in LEVELS:
            for fragments in (None, 900):
                with self.subTest(level=level, fragments=fragments):
                    dce = self.secured(r"\lsarpc", lsat.MSRPC_UUID_LSAT, level, fragments=fragments)
                    policy = lsad.hLsarOpenPolicy2(dce, MAXIMUM_ALLOWED)["PolicyHandle"]
                    # Each length of the last fragment's padding.
                    for count in (1, 2, 3, 400, 401):
                        sids = ["S-1-5-32-544"] * count
                        found = lsat.hLsarLookupSids(dce, policy, sids,
                                                     lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta)
                        names = [row["Name"] for row in found["TranslatedNames"]["Names"]]
                        self.assertEqual(names, ["Administrators"] * count)

    def test_another_context_on_the_same_pipe(self):
        for level in PROTECTED:  # without protection impacket does not say which of them it means
            with self.subTest(level=level):
                dce = self.secured(r"\srvsvc", srvs.MSRPC_UUID_SRVS, level)
                first = count_sessions(dce)
                # impacket logs on anew, under another number, for the context it alters to.
                other = dce.alter_ctx(srvs.MSRPC_UUID_SRVS)
                self.assertGreaterEqual(count_sessions(other), first)
                self.assertGreaterEqual(count_sessions(dce), first)

    def test_rpcclient(self):
        for mechanism in ("ntlm", "spnego"):
            for level in ("connect", "packet", "sign", "seal"):
                with self.subTest(mechanism=mechanism, level=level):
                    binding = f"ncacn_np:{self.server.host}[{mechanism},{level}]"
                    text = self.run_tool("rpcclient", binding, "-c", "lookupsids S-1-5-32-544;"
                                         "netshareenum;enumdomusers")
                    self.assertIn("Administrators", text)
                    self.assertIn("netname: share", text)
                    self.assertIn(f"user:[{ALICE.name}]", text)


    def test_smbtorture_in_both_byte_orders(self):
        for test in ("rpc.bind", "rpc.asyncbind"):
            text = self.run_tool("smbtorture", f"ncacn_np:{self.server.host}", test)
            expected = ["asyncbind"]
            if test == "rpc.bind":
                expected = [f"{order}{mechanism},{level}" for order in ("", "bigendian,")
                            for mechanism in ("ntlm", "spnego") for level in ("sign", "sign,seal")]
            for name in expected:
                self.assertIn(f"success: {name}\n", text)


class WhatIsNotTrusted(SecurityCase):
    """What was changed, sent twice, or comes before a logon, ends the conversation, not the server."""

    def recorded(self, level):
        """A pipe with two calls behind it, and what was sent for the second."""
        dce = self.secured(r"\srvsvc", srvs.MSRPC_UUID_SRVS, level)
        sent = []
        wire = dce.get_rpc_transport()
        send = wire.send
        wire.send = lambda data, *rest, **named: (sent.append(bytes(data)), send(data, *rest, **named))
        count_sessions(dce)
        count_sessions(dce)
        wire.send = send
        return dce, wire, sent[-1]

    def assert_refused(self, dce, wire, pdu, code=SEC_PKG_ERROR):
        wire.send(pdu)
        answer = wire.recv()
        self.assertEqual(answer[2], 3, "a fault")
        self.assertEqual(struct.unpack_from("<I", answer, 24)[0], code)
        with self.assertRaises(SessionError) as end:
            wire.send(pdu)
            wire.recv()
        self.assertEqual(end.exception.getErrorCode(), PIPE_DISCONNECTED)

    def test_sent_twice(self):
        for level in PROTECTED:
            with self.subTest(level=level):
                self.assert_refused(*self.recorded(level))

    def test_changed(self):
        size = None
        # The stub's first byte, its last, the padding's length, the verifier's checksum and number.
        for level in PROTECTED:
            for back in (1, 5, 12, 16, 16 + 6, 16 + TRAILER + 1, None):
                with self.subTest(level=level, back=back):
                    dce, wire, pdu = self.recorded(level)
                    size = len(pdu)
                    changed = bytearray(pdu)
                    changed[24 if back is None else size - back] ^= 1
                    self.assert_refused(dce, wire, bytes(changed))

    def test_of_another_context_level_or_type(self):
        for back, value in ((16 + 8, 9), (16 + 7, 2), (16 + 1, 0x7F)):
            with self.subTest(back=back):
                dce, wire, pdu = self.recorded(RPC_C_AUTHN_LEVEL_PKT_INTEGRITY)
                changed = bytearray(pdu)
                changed[len(pdu) - back] = value
                self.assert_refused(dce, wire, bytes(changed), ACCESS_DENIED)

    def test_without_a_verifier(self):
        for level in PROTECTED:
            with self.subTest(level=level):
                dce, wire, pdu = self.recorded(level)
                bare = bytearray(pdu[:-(16 + TRAILER)])
                struct.pack_into("<HH", bare, 8, len(bare), 0)
                self.assert_refused(dce, wire, bytes(bare), ACCESS_DENIED)

    def test_lengths_wrong_by_one(self):
        for at in (8, 10):
            for by in (-1, 1):
                with self.subTest(at=at, by=by):
                    dce, wire, pdu = self.recorded(RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
                    changed = bytearray(pdu)
                    struct.pack_into("<H", changed, at, struct.unpack_from("<H", pdu, at)[0] + by)
                    # Too long: the rest comes, and is what the next PDU begins with.
                    changed += b"\0" * 16
                    wire.send(bytes(changed))
                    self.assertEqual(wire.recv()[2], 3)
        self.assertGreaterEqual(count_sessions(self.pipe(r"\srvsvc", srvs.MSRPC_UUID_SRVS)), 1)

    def test_wrong_password(self):
        wrong = User(ADMIN.name, "no", ADMIN.unix_user)
        for level in LEVELS:
            with self.subTest(level=level):
                dce = self.secured(r"\srvsvc", srvs.MSRPC_UUID_SRVS, level, user=wrong)
                self.assert_denied(lambda dce=dce: count_sessions(dce))
        self.assertEqual(self.server.log_text().count(f"logon of '{ADMIN.name}' within a pipe failed"),
                         len(LEVELS))

    def test_call_before_the_last_leg(self):
        fresh = transport.SMBTransport(self.server.host, filename=r"\srvsvc",
                                       smb_connection=self.log_on(ALICE))
        dce = fresh.get_dce_rpc()
        dce.set_credentials(ADMIN.name, ADMIN.password)
        dce.set_auth_level(LEVELS[0])
        dce.connect()
        send = fresh.send
        # Everything but the rpc_auth_3.
        fresh.send = lambda data, *rest, **named: None if data[2] == 16 else send(data, *rest, **named)
        dce.bind(srvs.MSRPC_UUID_SRVS)
        self.assert_denied(lambda: count_sessions(dce))


if __name__ == "__main__":
    suite.main()

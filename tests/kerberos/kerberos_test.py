#!/usr/bin/env python3
"""Logins with Kerberos tickets of a throw-away KDC on the loopback, without DNS."""
import dataclasses
import os
import re
import shutil
import struct
import subprocess
import sys
import unittest.mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "witness"))

from impacket.dcerpc.v5 import lsad, lsat, transport  # noqa: E402
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED  # noqa: E402
from impacket.dcerpc.v5.rpcrt import (DCERPCException, RPC_C_AUTHN_GSS_NEGOTIATE,  # noqa: E402
                                      RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
from impacket.smbconnection import SMBConnection  # noqa: E402

import kdc  # noqa: E402
import suite  # noqa: E402
from server import Options, Share, ids_of, test_users  # noqa: E402
from smbclient import SmbClient  # noqa: E402
from suite import ServerCase  # noqa: E402
import witness_client as wc  # noqa: E402
from witness_client import Calls  # noqa: E402

ALICE, BOB = test_users()
HOST = kdc.HOST  # resolved by nobody: smbclient is told the address with -I
REALM = kdc.REALM


def principal():
    """Samba maps names of a ticket to users of the machine by themselves only."""
    return ALICE.unix_user if suite.arguments.smbd and ALICE.unix_user else ALICE.name


class KerberosCase(ServerCase):
    KEYTAB = "server.keytab"
    SIGNING = "required"

    @classmethod
    def options(cls, scratch):
        cls.kdc = kdc.start(scratch, {principal(): ALICE.password, "carol": "Carol-3"},
                            pac=not suite.arguments.smbd)
        cls.env = {"KRB5_CONFIG": os.path.join(cls.kdc, "krb5.conf")}
        cls.root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", cls.root)], [ALICE, BOB], signing=cls.SIGNING,
                       keytab=os.path.join(cls.kdc, cls.KEYTAB), realm=REALM, env=cls.env)

    def ticket(self, name, password, *options, config=None):
        """A credential cache with a ticket-granting ticket; the environment that names it."""
        cache = self.scratch.file(f"ccache-{name}")
        env = self.env | {"KRB5CCNAME": f"FILE:{cache}"}
        if config:
            env["KRB5_CONFIG"] = config
        subprocess.run(["kinit", *options, f"{name}@{REALM}"], input=f"{password}\n", text=True,
                       check=True, env=os.environ | env, capture_output=True)
        return env

    def client(self, env, *options, dialect=None, protection=None, kerberos="required"):
        local = self.scratch.directory("local")
        return SmbClient(self.scratch, self.server, None, dialect, protection, env=env,
                         local_dir=local, extra=("-I", self.server.host, "--realm", REALM,
                                                 f"--use-kerberos={kerberos}", *options))

    def with_ticket(self, env, **how):
        client = self.client(env, **how)
        # -N keeps smbclient from asking for a password; the ticket is enough.
        return client.run("put data; get data back; del data", host=HOST)


class Tickets(KerberosCase):
    def setUp(self):
        with open(os.path.join(self.scratch.directory("local"), "data"), "wb") as out:
            out.write(os.urandom(100_000))

    def test_each_dialect_and_protection(self):
        env = self.ticket(principal(), ALICE.password)
        for dialect in ("SMB3_00", "SMB3_02", "SMB3_11"):
            for protection in ("sign", "encrypt"):
                with self.subTest(dialect=dialect, protection=protection):
                    answer = self.with_ticket(env, dialect=dialect, protection=protection)
                    self.assertTrue(answer.ok, answer.text)

    def test_each_encryption_type(self):
        # AES-256 gives a session key of 32 bytes, of which SMB2 uses the first 16 in places.
        for kind in ("aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96"):
            config = self.scratch.file(f"krb5-{kind}.conf")
            with open(self.env["KRB5_CONFIG"], encoding="utf-8") as old, \
                    open(config, "w", encoding="utf-8") as new:
                new.write(old.read().replace("[libdefaults]", "[libdefaults]\n"
                          f"    default_tgs_enctypes = {kind}\n    default_tkt_enctypes = {kind}\n"
                          f"    permitted_enctypes = {kind}"))
            env = self.ticket(principal(), ALICE.password) | {"KRB5_CONFIG": config}
            for cipher in ("AES-128-GCM", "AES-256-GCM", "AES-256-CCM"):
                with self.subTest(kind=kind, cipher=cipher):
                    client = self.client(env, f"--option=client smb3 encryption algorithms={cipher}",
                                         protection="encrypt")
                    answer = client.run("ls", host=HOST)
                    self.assertTrue(answer.ok, answer.text)

    def test_files_belong_to_the_user_of_the_ticket(self):
        env = self.ticket(principal(), ALICE.password)
        answer = self.client(env).run("put data kept", host=HOST)
        self.assertTrue(answer.ok, answer.text)
        self.assertEqual(os.stat(os.path.join(self.root, "kept")).st_uid, ids_of(ALICE)[0])

    def test_name_that_is_no_user_here(self):
        answer = self.with_ticket(self.ticket("carol", "Carol-3"))
        self.assertIn(answer.nt_status, ("NT_STATUS_LOGON_FAILURE", "NT_STATUS_ACCESS_DENIED",
                                         "NT_STATUS_NO_SUCH_USER"), answer.text)

    def test_no_ticket(self):
        env = self.env | {"KRB5CCNAME": f"FILE:{self.scratch.file('no-such-cache')}"}
        self.assertTrue(self.with_ticket(env).nt_status)

    def test_ntlm_beside_kerberos(self):
        client = SmbClient(self.scratch, self.server, BOB, extra=("--use-kerberos=off",))
        answer = client.run("ls")
        self.assertTrue(answer.ok, answer.text)


class WrongClock(KerberosCase):
    def test_client_whose_clock_is_an_hour_ahead(self):
        env = self.ticket(principal(), ALICE.password)
        subprocess.run(["kvno", f"cifs/{HOST}@{REALM}"], check=True, env=os.environ | env,
                       capture_output=True)
        # The cache says how far the clock is from the KDC's; libraries believe it.
        path = env["KRB5CCNAME"].removeprefix("FILE:")
        with open(path, "rb") as file:
            data = file.read()
        length, = struct.unpack_from(">H", data, 2)
        with open(path, "wb") as out:
            out.write(data[:2] + struct.pack(">HHHiI", 12, 1, 8, 3600, 0) + data[4 + length:])
        answer = self.with_ticket(env)
        self.assertFalse(answer.ok, answer.text)
        if suite.arguments.braidd:
            self.assertRegex(self.server.log_text(), "Kerberos logon refused: .*Clock skew too great")


class LogonsWithinPipes(KerberosCase):
    """What RPC signs and seals with Kerberos: by MIT's library for rpcclient, by its own for impacket."""

    KINDS = ("aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96")

    def ticket_of_kind(self, kind):
        config = self.scratch.file(f"krb5-{kind}.conf")
        with open(self.env["KRB5_CONFIG"], encoding="utf-8") as old, \
                open(config, "w", encoding="utf-8") as new:
            new.write(old.read().replace("[libdefaults]", "[libdefaults]\n"
                      f"    default_tgs_enctypes = {kind}\n    default_tkt_enctypes = {kind}\n"
                      f"    permitted_enctypes = {kind}"))
        return self.ticket(principal(), ALICE.password, config=config)

    def test_rpcclient(self):
        for kind in self.KINDS:
            env = self.ticket_of_kind(kind)
            self.client(env)  # makes the configuration file
            for mechanism in ("krb5", "spnego"):
                for level in ("connect", "packet", "sign", "seal"):
                    with self.subTest(kind=kind, mechanism=mechanism, level=level):
                        done = subprocess.run(
                            ["rpcclient", "-s", self.scratch.file("smbclient.conf"), "-p",
                             str(self.server.port), "-I", self.server.host, "-N", "--realm", REALM,
                             "--use-kerberos=required", f"ncacn_np:{HOST}[{mechanism},{level}]", "-c",
                             "lookupsids S-1-5-32-544;netshareenum 1"], env=os.environ | env,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                            check=False)
                        self.assertIn("Administrators", done.stdout, done.stderr)
                        self.assertIn("netname: share", done.stdout, done.stderr)

    def test_impacket(self):
        for kind in self.KINDS:
            env = self.ticket_of_kind(kind)
            subprocess.run(["kvno", "-q", f"cifs/{HOST}"], env=os.environ | env, check=True,
                           timeout=60)
            with unittest.mock.patch.dict(os.environ, {"KRB5CCNAME": env["KRB5CCNAME"][5:]}):
                # Its GSS_GetMIC, of the level between, fails before it has sent anything.
                for level in (RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
                    with self.subTest(kind=kind, level=level):
                        smb = SMBConnection(HOST, self.server.host, sess_port=self.server.port,
                                            timeout=20)
                        self.addCleanup(smb.getSMBServer().get_socket().close)
                        smb.kerberosLogin(principal(), "", REALM)
                        wire = transport.SMBTransport(HOST, filename=r"\lsarpc", smb_connection=smb)
                        dce = wire.get_dce_rpc()
                        dce.set_credentials(*smb.getCredentials()[:-2])
                        dce.set_auth_type(RPC_C_AUTHN_GSS_NEGOTIATE)
                        dce.set_auth_level(level)
                        dce.connect()
                        dce.bind(lsat.MSRPC_UUID_LSAT)
                        policy = lsad.hLsarOpenPolicy2(dce, MAXIMUM_ALLOWED)["PolicyHandle"]
                        for count in (1, 2, 400):
                            found = lsat.hLsarLookupSids(dce, policy, ["S-1-5-32-544"] * count,
                                                         lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta)
                            names = [row["Name"] for row in found["TranslatedNames"]["Names"]]
                            self.assertEqual(names, ["Administrators"] * count)


class WitnessOverTcp(KerberosCase):
    """RPC without SMB around it. Clients ask for a ticket of host/, not of cifs/."""

    @classmethod
    def options(cls, scratch):
        return dataclasses.replace(super().options(scratch), server_lines=(
            "witness = true", "witness_port = 0", "epm_port = 0", 'name = "fs"'))

    def setUp(self):
        if suite.arguments.smbd:
            self.skipTest("only braid has this")
        self.port, = re.findall(r"listening on [\d.]+:(\d+) for Witness", self.server.log_text())

    def logged_on(self, name, password, level):
        env = self.ticket(name, password)
        subprocess.run(["kvno", "-q", f"host/{HOST}"], env=os.environ | env, check=True, timeout=60)
        wire = transport.DCERPCTransportFactory(f"ncacn_ip_tcp:{self.server.host}[{self.port}]")
        wire.setRemoteName(HOST)
        wire.set_kerberos(True, None)
        dce = wire.get_dce_rpc()
        dce.set_credentials(name, "", REALM)
        dce.set_auth_type(RPC_C_AUTHN_GSS_NEGOTIATE)
        dce.set_auth_level(level)
        dce.connect()
        self.addCleanup(dce.disconnect)
        with unittest.mock.patch.dict(os.environ, {"KRB5CCNAME": env["KRB5CCNAME"][5:]}):
            dce.bind(wc.WITNESS)
        return Calls(dce)

    def test_who_seals_registers(self):
        # Its GSS_GetMIC, of the level between, fails before it has sent anything.
        client = self.logged_on(principal(), ALICE.password, RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        self.assertEqual(client.call(wc.GET_INTERFACE_LIST)[0], wc.NO_MORE_ITEMS)
        result, handle = client.register("fs", "192.0.2.1", "c")
        self.assertEqual(result, wc.SUCCESS)
        self.assertEqual(client.call(wc.UNREGISTER, handle)[0], wc.SUCCESS)

    def test_who_proves_too_little_is_refused(self):
        client = self.logged_on(principal(), ALICE.password, RPC_C_AUTHN_LEVEL_CONNECT)
        self.assertEqual(client.register("fs", "192.0.2.1", "c")[0], wc.ACCESS_DENIED)

    def test_name_that_is_no_user_here(self):
        with self.assertRaises(DCERPCException):
            self.logged_on("carol", "Carol-3", RPC_C_AUTHN_LEVEL_PKT_PRIVACY)
        self.assertIn(f"logon of 'carol@{REALM}' over RPC failed", self.server.log_text())


class NamedLikeSystemUsers(KerberosCase):
    """Principals that are called like users of the machine, and have no account."""

    MIN_UID = None  # as it is left out of a configuration

    @classmethod
    def options(cls, scratch):
        made = super().options(scratch)
        cls.kdc = kdc.start(scratch, {name: "Secret-4" for name in ("root", "games", "nobody")},
                            folder="kdc2")
        cls.env = {"KRB5_CONFIG": os.path.join(cls.kdc, "krb5.conf")}
        return dataclasses.replace(made, shares=[Share("share", scratch.directory("open", mode=0o777))],
                                   users=[], env=cls.env, min_uid=cls.MIN_UID,
                                   keytab=os.path.join(cls.kdc, cls.KEYTAB))

    def setUp(self):
        if os.geteuid() or suite.arguments.smbd:
            self.skipTest("only a braid server that is root takes users of the machine")

    def logon(self, name):
        return self.client(self.ticket(name, "Secret-4")).run("ls", host=HOST)

    def test_are_refused(self):
        for name in ("root", "games", "nobody"):
            answer = self.logon(name)
            self.assertEqual(answer.nt_status, "NT_STATUS_LOGON_FAILURE", answer.text)


class FloorBelowThem(NamedLikeSystemUsers):
    MIN_UID = 1

    def test_are_refused(self):
        for name in ("root", "nobody"):
            answer = self.logon(name)
            self.assertEqual(answer.nt_status, "NT_STATUS_LOGON_FAILURE", answer.text)

    def test_account_that_was_removed_stays_away(self):
        self.assertTrue(self.logon("games").ok)
        for command in ("add", "remove"):
            subprocess.run([self.server.braidctl, "--config", self.server.config, "user", command,
                            "games"], input="Any-5\n", text=True, check=True)
        answer = self.logon("games")
        self.assertEqual(answer.nt_status, "NT_STATUS_LOGON_FAILURE", answer.text)


class WrongKeytab(KerberosCase):
    KEYTAB = "other.keytab"

    def test_ticket_for_a_key_the_server_does_not_have(self):
        with open(os.path.join(self.scratch.directory("local"), "data"), "wb") as out:
            out.write(b"data")
        answer = self.with_ticket(self.ticket(principal(), ALICE.password))
        self.assertIn(answer.nt_status, ("NT_STATUS_LOGON_FAILURE", "NT_STATUS_ACCESS_DENIED"),
                      answer.text)
        if suite.arguments.braidd:  # docs/start.md, section 11
            self.assertRegex(self.server.log_text(),
                             "Kerberos logon refused: .*(not found in keytab|wrong principal|"
                             "No key table entry|Cannot decrypt ticket)")


@unittest.skipUnless(shutil.which("ktutil"), "no ktutil")
class KeytabWithoutAes(WrongKeytab):
    """Of the right service, and made for clients of long ago."""
    KEYTAB = "old.keytab"

    @classmethod
    def options(cls, scratch):
        made = super().options(scratch)
        orders = f"addent -password -p cifs/{HOST}@{REALM} -k 1 -e arcfour-hmac\nsecret\nwkt {made.keytab}\n"
        subprocess.run(["ktutil"], input=orders, text=True, check=True, capture_output=True)
        return made


if __name__ == "__main__":
    suite.main()

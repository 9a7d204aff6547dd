#!/usr/bin/env python3
"""Witness and the endpoint mapper, asked by impacket and rpcclient."""
import json
import os
import re
import resource
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.dcerpc.v5 import epm, transport  # noqa: E402
from impacket.dcerpc.v5.rpcrt import (DCERPCException, RPC_C_AUTHN_LEVEL_CONNECT,  # noqa: E402
                                      RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
                                      RPC_C_AUTHN_LEVEL_PKT_PRIVACY, RPC_C_AUTHN_WINNT)
from impacket import smb3structs  # noqa: E402
from impacket.smbconnection import SMBConnection  # noqa: E402

import networks as nets  # noqa: E402
import server as servers  # noqa: E402
import suite  # noqa: E402
import witness_client as wc  # noqa: E402
from scratch import Scratch  # noqa: E402
from server import Options, Share, User, ids_of, test_users  # noqa: E402
from suite import ServerCase  # noqa: E402
from witness_client import Witness, inside  # noqa: E402

ALICE, BOB = test_users()
ASSOCIATIONS = 100
CLUSTER = 0x40  # SMB2_SHARE_CAP_CLUSTER


def ports_of(server):
    """{"Witness": its port, "the endpoint mapper": its port}"""
    return {purpose: int(port) for port, purpose in
            re.findall(r"listening on [\d.]+:(\d+) for (.+)", server.log_text())}


def share_capabilities(connection, share):
    """What the answer to a TREE_CONNECT says that the share is capable of."""
    client = connection.getSMBServer()
    packets, receive = [], client.recvSMB

    def heard(*arguments):
        packets.append(receive(*arguments))
        return packets[-1]
    client.recvSMB = heard
    connection.connectTree(share)
    return smb3structs.SMB2TreeConnect_Response(packets[-1]["Data"])["Capabilities"]


class OnThisMachine(ServerCase):
    workers = 1

    @classmethod
    def options(cls, scratch):
        root = scratch.directory("share", owner=ids_of(ALICE))
        return Options([Share("share", root)], [ALICE, BOB], workers=cls.workers,
                       server_lines=("witness = true", "witness_port = 0", "epm_port = 0",
                                     'name = "fs"'))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        found = ports_of(cls.server)
        cls.port, cls.mapper_port = found["Witness"], found["the endpoint mapper"]

    def logged_on(self):
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port)
        self.addCleanup(connection.close)
        connection.login(ALICE.name, ALICE.password)
        return connection

    def witness(self, user=ALICE, level=RPC_C_AUTHN_LEVEL_PKT_INTEGRITY):
        client = Witness(self.server.host, self.port, user, level)
        self.addCleanup(client.close)
        return client

    def mapper(self, level=None):
        """Not bound yet: impacket does that itself."""
        wire = transport.DCERPCTransportFactory(
            f"ncacn_ip_tcp:{self.server.host}[{self.mapper_port}]")
        dce = wire.get_dce_rpc()
        if level:
            dce.set_credentials(ALICE.name, ALICE.password)
            dce.set_auth_type(RPC_C_AUTHN_WINNT)
            dce.set_auth_level(level)
        dce.connect()
        self.addCleanup(dce.disconnect)
        return dce


class Mapper(OnThisMachine):
    def test_it_says_where_witness_is(self):
        found = epm.hept_map(self.server.host, wc.WITNESS, protocol="ncacn_ip_tcp",
                             dce=self.mapper())
        self.assertEqual(found, f"ncacn_ip_tcp:127.0.0.1[{self.port}]")

    def test_it_answers_who_logged_on_at_each_level(self):
        for level in (RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
                      RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
            with self.subTest(level=level):
                found = epm.hept_map(self.server.host, wc.WITNESS, protocol="ncacn_ip_tcp",
                                     dce=self.mapper(level))
                self.assertEqual(found, f"ncacn_ip_tcp:127.0.0.1[{self.port}]")

    def test_it_knows_nothing_else(self):
        with self.assertRaises(DCERPCException) as refusal:
            epm.hept_map(self.server.host, epm.MSRPC_UUID_PORTMAP, protocol="ncacn_ip_tcp",
                         dce=self.mapper())
        self.assertEqual(refusal.exception.get_error_code(), 0x16C9A0D6)

    def test_a_lookup_names_it(self):
        entries = epm.hept_lookup(None, dce=self.mapper())
        self.assertEqual(len(entries), 1)
        self.assertEqual(entries[0]["annotation"], b"Service Witness Protocol\0")
        binding = epm.PrintStringBinding(entries[0]["tower"]["Floors"])
        self.assertEqual(binding, f"ncacn_ip_tcp:127.0.0.1[{self.port}]")

    def test_an_interface_that_is_not_there_is_refused_in_the_bind(self):
        with self.assertRaises(DCERPCException) as refusal:
            self.mapper().bind(wc.WITNESS)
        self.assertIn("abstract_syntax_not_supported", str(refusal.exception))


class Levels(OnThisMachine):
    def test_below_integrity_nothing_is_told(self):
        self.assertEqual(self.witness(None).call(wc.GET_INTERFACE_LIST)[0], wc.NOT_AUTHENTICATED)
        client = self.witness(level=RPC_C_AUTHN_LEVEL_CONNECT)
        self.assertEqual(client.call(wc.GET_INTERFACE_LIST)[0], wc.ACCESS_DENIED)
        self.assertEqual(client.register("fs", "192.0.2.1", "c")[0], wc.ACCESS_DENIED)

    def test_integrity_and_privacy_are_enough(self):
        for level in (RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY):
            with self.subTest(level=level):
                client = self.witness(level=level)
                # No address here is for others.
                self.assertEqual(client.call(wc.GET_INTERFACE_LIST)[0], wc.NO_MORE_ITEMS)
                result, handle = client.register("FS", "192.0.2.1", "c")
                self.assertEqual(result, wc.SUCCESS)
                self.assertEqual(client.call(wc.UNREGISTER, handle)[0], wc.SUCCESS)
                self.assertEqual(client.call(wc.UNREGISTER, handle)[0], wc.INVALID_PARAMETER)

    def test_what_is_asked_for_wrongly_is_an_error(self):
        client = self.witness()
        for arguments, result in (
                (("fs", "192.0.2.1", "c", None, 1, 120, wc.VERSION_1), wc.REVISION_MISMATCH),
                (("elsewhere", "192.0.2.1", "c"), wc.INVALID_PARAMETER),
                ((None, "192.0.2.1", "c"), wc.INVALID_PARAMETER),
                (("fs", None, "c"), wc.INVALID_PARAMETER),
                (("fs", "192.0.2.1", None), wc.INVALID_PARAMETER)):
            with self.subTest(arguments=arguments):
                self.assertEqual(client.register(*arguments)[0], result)
        client.ask(b"\1" * 20)
        self.assertEqual(client.notice()[0], wc.NOT_FOUND)

    def test_shares_say_that_there_is_a_witness(self):
        self.assertEqual(share_capabilities(self.logged_on(), "share"), CLUSTER)
        self.assertEqual(share_capabilities(self.logged_on(), "IPC$"), 0)

    def test_an_unknown_call_leaves_the_connection_alive(self):
        client = self.witness()
        with self.assertRaises(DCERPCException) as refusal:
            client.call(6)
        self.assertIn("nca_s_op_rng_error", str(refusal.exception))
        self.assertEqual(client.call(wc.GET_INTERFACE_LIST)[0], wc.NO_MORE_ITEMS)

    def test_a_wrong_password_is_refused(self):
        for _ in range(2):
            client = self.witness(User(ALICE.name, "Wrong-1"))
            with self.assertRaises(DCERPCException):
                client.call(wc.GET_INTERFACE_LIST)
            self.assertTrue(client.is_over())
        self.assertIn("over RPC failed", self.server.log_text())

    def test_a_handle_is_good_on_its_own_connection_only(self):
        _, handle = self.witness().register("fs", "192.0.2.1", "c")
        other = self.witness()
        other.ask(handle)
        self.assertEqual(other.notice()[0], wc.NOT_FOUND)
        self.assertEqual(other.call(wc.UNREGISTER, handle)[0], wc.INVALID_PARAMETER)

    def test_braidctl_shows_registrations_until_their_connection_ends(self):
        client = self.witness()
        client.register("fs", "192.0.2.1", "shown", "data")

        def shown():
            listed = subprocess.run([self.server.braidctl, "-c", self.server.config, "--json",
                                     "witness", "list"], capture_output=True, check=True, timeout=60)
            return [row for row in json.loads(listed.stdout) if row["client"] == "shown"]
        row, = shown()
        self.assertEqual((row["server"], row["share"], row["address"], row["version"], row["state"]),
                         ("fs", "data", "192.0.2.1", 2, "idle"))
        self.assertEqual((row["user"], row["client_address"]), (ALICE.name, "127.0.0.1"))
        client.close()
        end = time.monotonic() + 20
        while shown() and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(shown(), [])

    def braidctl(self, *command):
        return subprocess.run([self.server.braidctl, "-c", self.server.config, *command],
                              capture_output=True, text=True, timeout=60)

    def test_an_administrator_ends_a_connection(self):
        client = self.witness()
        client.ask(client.register("fs", "192.0.2.1", "ended")[1])
        rows = json.loads(self.braidctl("--json", "witness", "list").stdout)
        number, = [row["connection"] for row in rows if row["client"] == "ended"]
        said = self.braidctl("witness", "end", str(number))
        self.assertEqual(said.stdout, f"connection {number} ended; its client may register again\n")
        self.assertTrue(client.is_over())
        end = time.monotonic() + 20
        while (said := self.braidctl("witness", "end", str(number))).returncode == 0:
            self.assertLess(time.monotonic(), end)
        self.assertEqual(said.returncode, 2)
        self.assertIn(f"there is no connection {number} to Witness", said.stderr)

    def test_a_port_that_the_system_chose_waits_for_no_restart(self):
        reloaded = self.braidctl("reload")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.assertNotIn("waits for a restart", self.server.log_text())
        self.assertEqual(epm.hept_map(self.server.host, wc.WITNESS, protocol="ncacn_ip_tcp",
                                      dce=self.mapper()), f"ncacn_ip_tcp:127.0.0.1[{self.port}]")

    def test_many_associations_are_all_told(self):
        clients = [self.witness() for _ in range(ASSOCIATIONS)]
        for client in clients:
            client.ask(client.register("fs", "192.0.2.1", "many")[1])
        moved = subprocess.run([self.server.braidctl, "-c", self.server.config, "witness", "move",
                                "many", "192.0.2.2", "--elsewhere"], capture_output=True, text=True, timeout=60)
        self.assertEqual(moved.stdout, f"{ASSOCIATIONS} told to use 192.0.2.2\n", moved.stderr)
        for client in clients:
            result, notice = client.notice()
            self.assertEqual((result, notice.kind), (wc.SUCCESS, wc.CLIENT_MOVE))
            self.assertEqual(notice.changes[0][0], "192.0.2.2")


class Many(OnThisMachine):
    """10,000 registrations of 1,000 clients, each of which waits for a notice."""

    CLIENTS, EACH = 1000, 10

    def usage(self):
        """(threads, bytes) of the worker that has Witness."""
        supervisor = self.server.process.pid
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/status", encoding="ascii") as status:
                    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
                with open(f"/proc/{entry}/cmdline", "rb") as words:
                    is_worker = b"--role=worker" in words.read().split(b"\0")
            except OSError:
                continue
            if int(fields["PPid"]) == supervisor and is_worker:
                return int(fields["Threads"]), int(fields["VmRSS"].split()[0]) << 10
        return self.fail("there is no worker")

    def test_all_are_told(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        clients = [self.witness() for _ in range(self.CLIENTS)]
        for client in clients:
            self.assertEqual(client.call(wc.GET_INTERFACE_LIST)[0], wc.NO_MORE_ITEMS)
        threads, before = self.usage()
        handles = {}
        for client in clients:
            for _ in range(self.EACH):
                result, handle = client.register("fs", "192.0.2.1", "many", "data")
                self.assertEqual(result, wc.SUCCESS)
            handles[client] = handle
        _, after = self.usage()
        for client, handle in handles.items():
            client.ask(handle)
        # Each further call of a connection is answered behind the one that began to wait.
        for client in clients:
            self.assertEqual(client.call(wc.GET_INTERFACE_LIST)[0], wc.NO_MORE_ITEMS)
        begun = time.monotonic()
        moved = subprocess.run([self.server.braidctl, "-c", self.server.config, "witness", "move",
                                "many", "192.0.2.2", "--elsewhere"], capture_output=True, text=True,
                               timeout=120)
        self.assertEqual(moved.stdout, f"{self.CLIENTS * self.EACH} told to use 192.0.2.2\n", moved.stderr)
        for client in clients:
            self.assertEqual(client.notice()[1].kind, wc.CLIENT_MOVE)
        took = time.monotonic() - begun
        self.assertEqual(self.usage()[0], threads)
        print(f"{self.CLIENTS} notices: {took:.2f} s until the last was read; "
              f"{(after - before) / self.CLIENTS / self.EACH:.0f} bytes a registration, {threads} threads",
              file=sys.stderr)
        if not servers.is_sanitized(self.server.program):
            self.assertLess((after - before) / self.CLIENTS / self.EACH, 4096)


class SeveralWorkers(OnThisMachine):
    workers = 3

    def test_all_clients_meet_in_one_worker(self):
        clients = [self.witness() for _ in range(6)]
        for client in clients:
            client.ask(client.register("fs", "192.0.2.1", "group")[1])
        moved = subprocess.run([self.server.braidctl, "-c", self.server.config, "witness", "move",
                                "group", "192.0.2.2", "--elsewhere"], capture_output=True, text=True, timeout=60)
        self.assertEqual(moved.stdout, "6 told to use 192.0.2.2\n", moved.stderr)
        for client in clients:
            self.assertEqual(client.notice()[1].kind, wc.CLIENT_MOVE)


class Off(ServerCase):
    @classmethod
    def options(cls, scratch):
        return Options([Share("share", scratch.directory("share"))], [ALICE])

    def test_nothing_listens_and_braidctl_says_so(self):
        self.assertEqual(ports_of(self.server), {})
        # Who is served finds a worker that can be asked.
        connection = SMBConnection(self.server.host, self.server.host, sess_port=self.server.port)
        connection.login(ALICE.name, ALICE.password)
        self.assertEqual(share_capabilities(connection, "share"), 0)
        connection.close()
        for command in (("witness", "list"), ("witness", "move", "c", "192.0.2.1"),
                        ("address", "drain", "127.0.0.1")):
            said = subprocess.run([self.server.braidctl, "-c", self.server.config, *command],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(said.returncode, 2)
            self.assertIn("Witness is off; set witness = true", said.stderr)


@unittest.skipIf(nets.missing(), nets.missing())
class TwoAddresses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if suite.arguments.smbd:
            raise unittest.SkipTest("only braid has this")

    def setUp(self):
        scratch = self.enterContext(Scratch(suite.arguments.scratch))
        self.networks = self.enterContext(nets.Networks(2))
        self.first, self.second = self.networks.addresses()
        root = scratch.directory("share", owner=ids_of(ALICE))
        self.server = servers.start(suite.arguments, scratch, Options(
            [Share("data", root)], [ALICE], networks=self.networks,
            server_lines=("witness = true", 'name = "fs"')))
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), []))

    def witness(self, address):
        """At the address that the endpoint mapper there names."""
        with inside(self.networks.client):
            found = epm.hept_map(address, wc.WITNESS, protocol="ncacn_ip_tcp")
        port = re.fullmatch(r"ncacn_ip_tcp:([\d.]+)\[(\d+)\]", found)
        self.assertEqual(port.group(1), address)
        client = Witness(address, int(port.group(2)), ALICE, namespace=self.networks.client)
        self.addCleanup(client.close)
        return client

    def registered(self, name="pc", **more):
        """Watches the first address from the second."""
        client = self.witness(self.second)
        result, handle = client.register("fs", self.first, name, "data", **more)
        self.assertEqual(result, wc.SUCCESS)
        return client, handle

    def braidctl(self, *command):
        return subprocess.run([self.server.braidctl, "-c", self.server.config, *command],
                              capture_output=True, text=True, timeout=120)

    def test_rpcclient_finds_it_and_registers(self):
        def ask(level, command):
            return subprocess.run(
                self.networks.command(self.networks.client, "rpcclient", "-U",
                                      f"{ALICE.name}%{ALICE.password}",
                                      f"ncacn_ip_tcp:{self.first}[{level}]", "-c", command),
                capture_output=True, text=True, timeout=60)
        for mechanism in ("ntlm", "spnego"):
            for level in ("sign", "seal"):
                shown = ask(f"{mechanism},{level}", "GetInterfaceList")
                self.assertEqual(shown.returncode, 0, shown.stdout + shown.stderr)
                for address in (self.first, self.second):
                    self.assertIn(address, shown.stdout)
            for level in ("connect", "packet"):
                refused = ask(f"{mechanism},{level}", "GetInterfaceList")
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn("WERR_ACCESS_DENIED", refused.stdout + refused.stderr)
        for command in (f"RegisterEx -2 -n fs -s data -i {self.first} -c pc",
                        f"Register -n fs -i {self.first} -c pc", f"Register -2 -n fs -i {self.first} -c pc"):
            registered = ask("sign", command)
            said = registered.stdout + registered.stderr
            # A handle, or a word of what is wrong: the version is not that of the call.
            if command.startswith("Register -2"):
                self.assertIn("WERR_REVISION_MISMATCH", said)
            else:
                self.assertEqual(registered.returncode, 0, said)
                self.assertRegex(said, r"[0-9a-f]{8}-[0-9a-f]{4}-")

    def test_the_list_names_both_and_the_other_as_witness(self):
        result, stub = self.witness(self.first).call(wc.GET_INTERFACE_LIST)
        self.assertEqual(result, wc.SUCCESS)
        self.assertEqual({each.address: (each.group, each.state, each.is_witness)
                          for each in wc.interfaces_of(stub)},
                         {self.first: ("FS", wc.AVAILABLE, False),
                          self.second: ("FS", wc.AVAILABLE, True)})

    def test_an_address_that_goes_and_comes_is_told(self):
        client, handle = self.registered()
        client.ask(handle)
        self.networks.run(self.networks.server, "ip", "addr", "del", f"{self.first}/24", "dev", "s0")
        result, notice = client.notice()
        self.assertEqual((result, notice.kind), (wc.SUCCESS, wc.RESOURCE_CHANGE))
        self.assertEqual(notice.changes, [("FS", wc.UNAVAILABLE)])
        client.ask(handle)  # the flag asked for addresses as well
        result, notice = client.notice()
        self.assertEqual((result, notice.kind), (wc.SUCCESS, wc.IP_CHANGE))
        self.assertEqual(notice.changes, [(self.first, 1 | 0x10)])
        # What comes while nobody asks is not lost.
        self.networks.run(self.networks.server, "ip", "addr", "add", f"{self.first}/24", "dev", "s0")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            row, = json.loads(self.braidctl("--json", "witness", "list").stdout)
            if row["untold"]:
                break
            time.sleep(0.05)
        client.ask(handle)
        self.assertEqual(client.notice()[1].changes, [("FS", wc.AVAILABLE)])

    def test_a_link_that_fails_is_told(self):
        client, handle = self.registered(flags=0)
        client.ask(handle)
        self.networks.set_link(self.networks.client, 0, "down")
        self.assertEqual(client.notice()[1], wc.Notice(wc.RESOURCE_CHANGE, [("FS", wc.UNAVAILABLE)]))

    def test_an_administrator_moves_clients_and_shares(self):
        client, handle = self.registered()
        other, other_handle = self.registered("other")
        client.ask(handle)
        self.assertEqual(self.braidctl("witness", "move", "PC", self.second).stdout,
                         f"1 told to use {self.second}\n")
        self.assertEqual(client.notice()[1], wc.Notice(wc.CLIENT_MOVE, [(self.second, 1 | 8)]))
        client.ask(handle)
        other.ask(other_handle)
        self.assertEqual(self.braidctl("witness", "share-move", "data", self.second).stdout,
                         f"2 told to use {self.second}\n")
        for each in (client, other):
            self.assertEqual(each.notice()[1], wc.Notice(wc.SHARE_MOVE, [(self.second, 1)]))
        for command, complaint in (
                (("witness", "move", "nobody", self.second), "no client is registered as nobody"),
                (("witness", "move", "pc", "elsewhere"), "elsewhere is no address"),
                (("witness", "share-move", "none", self.second), "there is no share none; "),
                (("witness", "share-move", "dat", self.second),
                 "there is no share dat; did you mean data?"),
                (("witness", "move", "pc", "192.0.2.9"), "192.0.2.9 is none of the addresses that"),
                (("witness", "move", "pc", "127.0.0.1"), "127.0.0.1 is an address that no client"),
                (("address", "drain", "here"), "here is no address in numbers")):
            said = self.braidctl(*command)
            self.assertEqual(said.returncode, 2)
            self.assertIn(complaint, said.stderr)

    def test_a_drained_address_is_left(self):
        client, handle = self.registered()
        client.ask(handle)
        with inside(self.networks.client):
            obedient = SMBConnection(self.first, self.first, sess_port=445, timeout=30)
            stubborn = SMBConnection(self.first, self.first, sess_port=445, timeout=30)
            elsewhere = SMBConnection(self.second, self.second, sess_port=445, timeout=30)
        for connection in (obedient, stubborn, elsewhere):
            connection.login(ALICE.name, ALICE.password)
        draining = subprocess.Popen(
            [self.server.braidctl, "-c", self.server.config, "address", "drain", self.first,
             "--wait", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(draining.communicate)
        self.assertEqual(client.notice()[1], wc.Notice(wc.CLIENT_MOVE, [(self.second, 1 | 8)]))
        obedient.close()
        self.assertEqual(draining.wait(60), 0)
        self.assertEqual(draining.stdout.read(),
                         "1 told to use another address, 1 connections ended\n")
        with self.assertRaises(Exception):
            stubborn.connectTree("data")
        self.assertTrue(elsewhere.connectTree("data"))
        elsewhere.close()


if __name__ == "__main__":
    suite.main()

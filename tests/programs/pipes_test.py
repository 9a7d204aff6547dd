#!/usr/bin/env python3
"""What administrators' tools ask over pipes: accounts, groups, who is connected; and pipes that are
asked much at once. The clients are Samba's rpcclient and net, and impacket."""
import os
import re
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from impacket.dcerpc.v5 import lsad, lsat, srvs, transport, wkst  # noqa: E402
from impacket.dcerpc.v5.dtypes import MAXIMUM_ALLOWED  # noqa: E402
from impacket.dcerpc.v5.rpcrt import DCERPCException  # noqa: E402
from impacket.smb3structs import (FSCTL_PIPE_TRANSCEIVE, SMB2_0_IOCTL_IS_FSCTL,  # noqa: E402
                                  SMB2_IOCTL, SMB2_READ, SMB2_WRITE, SMB2Ioctl,
                                  SMB2Ioctl_Response, SMB2Read, SMB2Read_Response, SMB2Write)
from impacket.smbconnection import SMBConnection  # noqa: E402

import suite  # noqa: E402
from case import ALICE, BOB, ControlCase  # noqa: E402
from server import User  # noqa: E402
from smbclient import SmbClient  # noqa: E402

ADMIN = User("carol", "Caves-33", ALICE.unix_user)
STAFF_GID = 50  # on every Debian
NO_MORE_ENTRIES, CANCELLED, PIPE_BROKEN = 0x8000001A, 0xC0000120, 0xC000014B
SOME = 50


@unittest.skipUnless(os.geteuid() == 0, "accounts have users of their own as root only")
class PipesCase(ControlCase):
    def setUp(self):
        super().setUp()
        subprocess.run([self.server.braidctl, "--config", self.server.config, "user", "add",
                        ADMIN.name, "--admin", "--unix-user", ADMIN.unix_user],
                       input=f"{ADMIN.password}\n", text=True, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)
        SmbClient(self.scratch, self.server, ALICE)  # makes the configuration file
        self.conf = self.scratch.file("smbclient.conf")

    def run_tool(self, *command, user=ADMIN):
        done = subprocess.run([command[0], "-s", self.conf, "-U", f"{user.name}%{user.password}",
                               "-p", str(self.server.port), *command[1:]], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    def rpc(self, *commands, user=ADMIN):
        return self.run_tool("rpcclient", self.server.host, "-c", ";".join(commands), user=user)

    def net(self, *arguments):
        return self.run_tool("net", "rpc", *arguments, "-S", self.server.host)

    def log_on(self, user):
        connection = SMBConnection(self.server.host, self.server.host,
                                   sess_port=self.server.port, timeout=20)
        self.addCleanup(connection.getSMBServer().get_socket().close)
        connection.login(user.name, user.password)
        return connection

    def pipe(self, name, interface, user=ADMIN):
        wire = transport.SMBTransport(self.server.host, filename=name,
                                      smb_connection=self.log_on(user))
        dce = wire.get_dce_rpc()
        dce.connect()
        dce.bind(interface)
        return dce


class Accounts(PipesCase):
    def setUp(self):
        """Its questions meet threads that have just worked on a user's files."""
        super().setUp()
        for number in range(8):
            SmbClient(self.scratch, self.server, ALICE).run(f"put {self.conf} f{number}; ls")

    def test_unix_groups_have_names(self):
        answer = self.rpc("lookupnames staff")
        self.assertIn("(Domain Group: 2)", answer)
        sid = re.search(r"S-1-5-21\S+", answer).group(0)
        self.assertTrue(sid.endswith(f"-{1001 + 2 * STAFF_GID}"), sid)
        self.assertRegex(self.rpc(f"lookupsids {sid}"), rf"{sid} [^\\]+\\staff \(2\)")
        by_gid = f"S-1-22-2-{STAFF_GID}"
        self.assertIn(f"{by_gid} Unix Group\\staff (2)", self.rpc(f"lookupsids {by_gid}"))
        self.assertIn("Local Group: 4", self.rpc("lookupnames Administrators"))

    def test_accounts_made_meanwhile_have_names(self):
        sid = re.search(r"S-1-5-21\S+", self.rpc(f"lookupnames {BOB.name}")).group(0)
        self.assertRegex(self.rpc(f"lookupsids {sid}"), rf"\\{BOB.name} \(1\)")
        self.assertIn("User: 1", self.rpc(f"lookupnames {ADMIN.name}"))
        self.assertIn("NT_STATUS_NONE_MAPPED", self.rpc("lookupnames nobody-knows-this"))

    def test_display_info(self):
        text = self.rpc("querydispinfo")
        for name in (ALICE.name, BOB.name, ADMIN.name):
            self.assertRegex(text, rf"Account: {name}\s+Name: {name}")
        self.assertIn("Account: nogroup", self.rpc("querydispinfo 3"))
        for level in (2, 4, 5):
            self.assertNotRegex(self.rpc(f"querydispinfo {level}"), "NT_STATUS|result was")
        for call in ("querydispinfo2", "querydispinfo3"):
            self.assertIn(f"Account: {ALICE.name}", self.rpc(call))

    def test_domain_info(self):
        text = self.rpc("querydominfo 2")
        self.assertRegex(text, r"Total Users:\s+3\b")
        self.assertRegex(text, r"Server Role:\s+ROLE_DOMAIN_PDC")
        for level in (1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13):
            self.assertNotRegex(self.rpc(f"querydominfo {level}"), "NT_STATUS|result was",
                                f"level {level}")
        self.assertIn("NT_STATUS_INVALID_INFO_CLASS", self.rpc("querydominfo 10"))

    def test_net_rpc(self):
        self.assertRegex(self.net("info"), r"Num users: 3\b")
        groups = self.net("group", "list")
        self.assertRegex(groups, r"(?m)^nogroup$")
        self.assertRegex(groups, r"(?m)^Administrators$")

    def test_facts(self):
        dce = self.pipe(r"\srvsvc", srvs.MSRPC_UUID_SRVS)
        disks = srvs.hNetrServerDiskEnum(dce, 0)
        self.assertEqual(disks["TotalEntries"], 1)
        self.assertEqual(disks["DiskInfoStruct"]["Buffer"][0]["Disk"], "C:\0")
        for level in (0, 1):
            rows = srvs.hNetrServerTransportEnum(dce, level)["InfoStruct"]["XportInfo"]
            row, = rows[f"Level{level}"]["Buffer"]
            self.assertEqual(row[f"svti{level}_transportname"], "\\Device\\NetbiosSmb\0")
        dce = self.pipe(r"\wkssvc", wkst.MSRPC_UUID_WKST)
        joined = wkst.hNetrGetJoinInformation(dce, "\0")
        self.assertEqual((joined["NameBuffer"], joined["BufferType"]), ("WORKGROUP\0", 2))
        self.assertEqual(wkst.hNetrWkstaTransportEnum(dce, 0)["TotalEntries"], 0)
        self.assertRegex(self.rpc("wkssvc_getjoininformation"), r"WORKGROUP \(2\)")
        dce = self.pipe(r"\lsarpc", lsat.MSRPC_UUID_LSAT)
        policy = lsad.hLsarOpenPolicy2(dce, MAXIMUM_ALLOWED)["PolicyHandle"]
        for opnum in (13, 50):
            dce.call(opnum, policy + struct.pack("<II", 0, 0xFFFF))
            self.assertEqual(struct.unpack("<IIII", dce.recv()), (0, 0, 0, NO_MORE_ENTRIES))


class Activity(PipesCase):
    def open_report(self, user):
        connection = self.log_on(user)
        tree = connection.connectTree("share")
        return connection, tree, connection.openFile(tree, "report.txt", 0x0012019F, shareMode=7)

    def sessions(self, dce, level=10):
        rows = srvs.hNetrSessionEnum(dce, "\0", "\0", level)["InfoStruct"]["SessionInfo"]
        return [(row[f"sesi{level}_cname"], row[f"sesi{level}_username"])
                for row in rows[f"Level{level}"]["Buffer"]]

    def files(self, dce, level=3):
        rows = srvs.hNetrFileEnum(dce, "\0", "\0", level)["InfoStruct"]["FileInfo"]
        return [(row["fi3_path_name"], row["fi3_username"], row["fi3_permissions"],
                 row["fi3_num_locks"]) for row in rows[f"Level{level}"]["Buffer"]]

    def test_sessions_connections_and_files(self):
        connection, tree, file = self.open_report(BOB)
        dce = self.pipe(r"\srvsvc", srvs.MSRPC_UUID_SRVS)
        for level in (1, 2, 10, 502):
            self.assertIn(("127.0.0.1\0", BOB.name + "\0"), self.sessions(dce, level))
        rows = srvs.hNetrConnectionEnum(dce, "share\0", 1)["InfoStruct"]["ConnectInfo"]
        row, = rows["Level1"]["Buffer"]
        self.assertEqual((row["coni1_username"], row["coni1_num_opens"]), (BOB.name + "\0", 1))
        path = os.path.join(self.root, "report.txt") + "\0"
        self.assertIn((path, BOB.name + "\0", 3, 0), self.files(dce))
        self.assertIn("\\PIPE\\srvsvc\0", [row[0] for row in self.files(dce)])
        connection.closeFile(tree, file)
        self.assertNotIn(path, [row[0] for row in self.files(dce)])
        self.assertRegex(self.rpc("netsessenum"), "Received [1-9] entries")

    def test_not_for_everybody(self):
        self.open_report(BOB)
        dce = self.pipe(r"\srvsvc", srvs.MSRPC_UUID_SRVS, user=ALICE)
        for call in (lambda: self.sessions(dce), lambda: self.files(dce),
                     lambda: srvs.hNetrConnectionEnum(dce, "share\0", 1),
                     lambda: srvs.hNetrServerDiskEnum(dce, 0),
                     lambda: srvs.hNetrServerTransportEnum(dce, 0)):
            with self.assertRaises(DCERPCException) as refusal:
                call()
            self.assertEqual(refusal.exception.get_error_code(), 5)


class SeveralWorkers(Activity):
    workers = 3

    def test_all_workers_are_asked(self):
        held = [self.open_report(user) for user in (ALICE, BOB, ALICE, BOB, ALICE, BOB)]
        dce = self.pipe(r"\srvsvc", srvs.MSRPC_UUID_SRVS)
        paths = [row[0] for row in self.files(dce)]
        self.assertEqual(paths.count(os.path.join(self.root, "report.txt") + "\0"), len(held))
        self.assertEqual(len(self.sessions(dce)), len(held) + 1)


class ManyAtOnce(PipesCase):
    """[MS-SMB2] 3.3.5.12: a READ that finds nothing waits for an answer."""

    def setUp(self):
        super().setUp()
        self.smb = self.log_on(ALICE)
        wire = transport.SMBTransport(self.server.host, filename=r"\lsarpc",
                                      smb_connection=self.smb)
        self.dce = wire.get_dce_rpc()
        self.dce.connect()
        self.dce.bind(lsat.MSRPC_UUID_LSAT)
        self.policy = lsad.hLsarOpenPolicy2(self.dce, MAXIMUM_ALLOWED)["PolicyHandle"]
        self.low = self.smb.getSMBServer()
        self.tree = wire._SMBTransport__tid
        self.file = wire._SMBTransport__handle

    def request(self, call_id):
        """A LookupSids for BUILTIN\\\\Administrators, as one PDU."""
        call = lsat.LsarLookupSids()
        call["PolicyHandle"] = self.policy
        item = lsat.LSAPR_SID_INFORMATION()
        item["Sid"].fromCanonical("S-1-5-32-544")
        call["SidEnumBuffer"]["Entries"] = 1
        call["SidEnumBuffer"]["SidInfo"].append(item)
        call["TranslatedNames"]["Entries"] = 0
        call["TranslatedNames"]["Names"] = lsat.NULL
        call["LookupLevel"] = lsat.LSAP_LOOKUP_LEVEL.LsapLookupWksta
        stub = call.getData()
        return struct.pack("<BBBBIHHIIHH", 5, 0, 0, 3, 0x10, 24 + len(stub), 0, call_id, len(stub),
                           0, lsat.LsarLookupSids.opnum) + stub

    def send(self, command, body):
        packet = self.low.SMB_PACKET()
        packet["Command"] = command
        packet["TreeID"] = self.tree
        packet["Data"] = body
        return self.low.sendSMB(packet)

    def write(self, data):
        body = SMB2Write()
        body["FileID"], body["Length"], body["Offset"] = self.file, len(data), 0
        body["WriteChannelInfoOffset"], body["Buffer"] = 0, data
        return self.send(SMB2_WRITE, body)

    def read(self):
        body = SMB2Read()
        body["Padding"], body["FileID"], body["Length"], body["Offset"] = 0x50, self.file, 4280, 0
        return self.send(SMB2_READ, body)

    def transceive(self, data):
        body = SMB2Ioctl()
        body["FileID"], body["CtlCode"] = self.file, FSCTL_PIPE_TRANSCEIVE
        body["MaxOutputResponse"], body["Flags"] = 4280, SMB2_0_IOCTL_IS_FSCTL
        body["InputCount"], body["Buffer"] = len(data), data
        return self.send(SMB2_IOCTL, body)

    def answer(self, message):
        return self.low.recvSMB(message)  # the last one: interim responses it does not show

    def check_answer(self, data):
        self.assertIn("Administrators".encode("utf-16le"), data)
        return struct.unpack_from("<I", data, 12)[0]

    def test_reads_before_and_after_the_writes(self):
        reads = [self.read() for _ in range(SOME)]
        writes = [self.write(self.request(100 + n)) for n in range(SOME)]
        for message in writes:
            self.assertEqual(self.answer(message)["Status"], 0)
        calls = set()
        for message in reads:
            packet = self.answer(message)
            self.assertEqual(packet["Status"], 0)
            calls.add(self.check_answer(SMB2Read_Response(packet["Data"])["Buffer"]))
        self.assertEqual(calls, set(range(100, 100 + SOME)))

    def test_transceives(self):
        messages = [self.transceive(self.request(200 + n)) for n in range(SOME)]
        for n, message in enumerate(messages):
            packet = self.answer(message)
            self.assertEqual(packet["Status"], 0)
            answer = SMB2Ioctl_Response(packet["Data"])["Buffer"]
            self.assertEqual(self.check_answer(answer), 200 + n)

    def test_close_ends_the_wait(self):
        message = self.read()
        self.low.close(self.tree, self.file)
        self.assertEqual(self.answer(message)["Status"], PIPE_BROKEN)

    def test_cancel_ends_the_wait(self):
        message = self.read()
        self.low.cancel(message)
        self.assertEqual(self.answer(message)["Status"], CANCELLED)


if __name__ == "__main__":
    suite.main()

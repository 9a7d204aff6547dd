"""main() for suites written with unittest, and a base class that owns a server."""
import argparse
import functools
import sys
import unittest

import server as servers
from scratch import Scratch

arguments = None  # parsed by main()


def main(extra_arguments=None):
    """Parses --braidd or --smbd; the rest goes to unittest (test names, -v, -f, -k)."""
    global arguments
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    servers.add_arguments(parser)
    if extra_arguments:
        extra_arguments(parser)
    arguments, rest = parser.parse_known_args()
    # impacket leaves sockets to the garbage collector; that is no news.
    ran = unittest.main(module="__main__", argv=[sys.argv[0], *rest], warnings="ignore",
                        exit=False).result
    if not ran.testsRun and not ran.skipped:
        sys.exit("no test was found")
    sys.exit(not ran.wasSuccessful())


def braid_only(test):
    """For what only braid promises, a test or a class of them: skipped in a comparison run."""
    if isinstance(test, type):
        for name in [name for name in vars(test) if name.startswith("test")]:
            setattr(test, name, braid_only(getattr(test, name)))
        return test

    @functools.wraps(test)
    def run(self, *args):
        if arguments.smbd:
            self.skipTest("only braid promises this")
        return test(self, *args)
    return run


class ServerCase(unittest.TestCase):
    """One server for all tests of the class; options() says which."""

    @classmethod
    def options(cls, scratch):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.scratch = Scratch(arguments.scratch)
        cls.scratch.__enter__()
        cls.addClassCleanup(cls.scratch.__exit__)
        cls.server = servers.start(arguments, cls.scratch, cls.options(cls.scratch))
        cls.addClassCleanup(cls._stop_server)

    @classmethod
    def _stop_server(cls):
        trouble = cls.server.stop()
        if trouble:
            raise AssertionError("\n".join(trouble))

    def tearDown(self):
        trouble = self.server.trouble()
        if trouble:
            self.fail("\n".join(trouble))

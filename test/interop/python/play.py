# SPDX-License-Identifier: Apache-2.0
"""What plays in Python have in common, whatever library they are for: where the server is, and a list of checks (Play).

A play is a program. Its first argument is JSON and says where the server is:

    {"host": "localhost", "clients": 5222, "clients_tls": 5223, "web": "http://…", "ca": "FILE", "password": "…",
     "prefix": "…"}

"ca" is the server's certificate, which is checked as any other is. Accounts are made before, with that password and
the prefix before their names, so that plays can run beside each other. What the play finds it prints, a JSON object
a line: {"check": "what", "ok": true} or {"check": "what", "ok": false, "why": "…"}; at {"cue": "…"} the other side
of the play, where it has one, does something, and says on standard input what came of it.

Nothing sleeps: what is expected is waited for, at most PATIENCE seconds.
"""

import asyncio
import inspect
import json
import logging
import os
import sys
import traceback

PATIENCE = 10  # seconds

settings = json.loads(sys.argv[1])
DOMAIN = settings["host"]


def address(name):
    """The bare address of an account of this play."""
    return f"{settings['prefix']}{name}@{DOMAIN}"


def equal(got, want, what):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def cue(text):
    """Tells the other side of the play that it is its turn."""
    print(json.dumps({"cue": text}), flush=True)


def ask(text):
    """Has the other side of the play do something, waits until it is done, and returns what it says."""
    cue(text)
    return sys.stdin.readline().rstrip("\n")


class LoginFailed(Exception):
    """The server refused; the argument is its condition."""


class Play:
    """Checks that run one after the other, each only if those before were good: they build on each other."""

    def __init__(self):
        self.checks = []

    def check(self, f):
        self.checks.append(f)
        return f

    async def _run(self):
        for f in self.checks:
            result = {"check": f.__doc__, "ok": True}
            try:
                async with asyncio.timeout(3 * PATIENCE):
                    pending = f()
                    if inspect.isawaitable(pending):
                        await pending
            except Exception as e:
                where = " ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in traceback.extract_tb(e.__traceback__)[1:])
                result.update(ok=False, why=f"{type(e).__name__}: {e} ({where})")
            print(json.dumps(result), flush=True)
            if not result["ok"]:
                return

    def run(self):
        logging.basicConfig(level=logging.ERROR)
        asyncio.run(self._run())

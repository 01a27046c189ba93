# SPDX-License-Identifier: Apache-2.0
"""Log-in by a certificate (SASL EXTERNAL, XEP-0178), whose files are beside the server's."""

import os

from peer import LoginFailed, Peer, Play, address, equal, settings

play = Play()


def certified(name, certificate):
    p = Peer(name, password="not the password", mechanism="EXTERNAL")
    p.certfile = p.keyfile = os.path.join(os.path.dirname(settings["ca"]), certificate + ".pem")
    return p


@play.check
async def certificate():
    """by a certificate alone, over STARTTLS and direct TLS"""
    for direct in (False, True):
        p = await certified("ann", "ann").login(direct)
        equal((p.mechanism, p.boundjid.bare), ("EXTERNAL", address("ann")), "mechanism, address")
        await p.ping()
        await p.leave()


@play.check
async def refused():
    """a certificate for nobody; and none, for which it is not offered"""
    for p, why in ((certified("nobody", "nobody"), "not-authorized"), (Peer("ann", mechanism="EXTERNAL"), "none")):
        try:
            await p.login()
        except LoginFailed as e:
            equal(str(e), why, "why not")
        else:
            raise AssertionError(f"{p.boundjid} is in")


@play.check
async def password():
    """those without one log in as ever"""
    p = await Peer("ben").login()
    await p.leave()


play.run()

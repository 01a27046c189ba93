# SPDX-License-Identifier: Apache-2.0
"""Ways in, and what must not be one (RFC 6120 §5–§7)."""

import asyncio
import ssl

from peer import PATIENCE, LoginFailed, Peer, Play, address, equal

play = Play()


@play.check
async def starttls():
    """STARTTLS, the best mechanism that it has, resource as asked for"""
    p = await Peer("ann", "desk").login()
    equal(p.mechanism, "SCRAM-SHA-512", "mechanism, after all with a binding that TLS 1.3 does not have")
    equal(p.boundjid.full, address("ann") + "/desk", "address")
    equal(p.peer_default_lang, "en", "xml:lang of the server's header")
    assert p["xep_0199"] and await p.ping()
    await p.leave()


@play.check
async def direct_tls():
    """direct TLS"""
    p = await Peer("ann").login(direct=True)
    await p.ping()
    await p.leave()


@play.check
async def direct_tls_older():
    """TLS 1.2, which slixmpp can bind to, in a way that is not offered"""
    p = Peer("ann")
    p.ssl_context.maximum_version = ssl.TLSVersion.TLSv1_2
    await p.login(direct=True)
    equal(p.socket.version(), "TLSv1.2", "version")
    await p.leave()


@play.check
async def mechanisms():
    """every mechanism of the list alone; PLAIN, DIGEST-MD5 and what else it has are not offered"""
    for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"):
        p = await Peer("ann", mechanism=mechanism).login()
        equal(p.mechanism, mechanism, "mechanism")
        await p.leave()
    for mechanism in ("PLAIN", "DIGEST-MD5", "EXTERNAL", "ANONYMOUS"):
        try:
            await Peer("ann", mechanism=mechanism).login()
        except LoginFailed as e:
            equal(str(e), "none", "why not by " + mechanism)
        else:
            raise AssertionError(f"{mechanism} is offered")


@play.check
async def no_resource():
    """a resource of the server's choice"""
    p = await Peer("ann", "").login()
    assert p.boundjid.resource, p.boundjid
    await p.leave()


@play.check
async def features():
    """session as optional, versions, pre-approval, 0198 and capabilities after authentication"""
    p = await Peer("ann").login()
    have = {child.tag for child in p.offered.xml}
    for wanted in ("{urn:ietf:params:xml:ns:xmpp-bind}bind", "{urn:ietf:params:xml:ns:xmpp-session}session",
                   "{urn:xmpp:features:rosterver}ver", "{urn:xmpp:features:pre-approval}sub",
                   "{urn:xmpp:sm:3}sm", "{http://jabber.org/protocol/caps}c"):
        assert wanted in have, f"{wanted} is not in {have}"
    # RFC 3921 §3: those that ask for a session though it is optional get one.
    iq = p.make_iq_set()
    iq.enable("session")
    equal((await iq.send(timeout=PATIENCE))["type"], "result", "session")
    await p.leave()


@play.check
async def wrong_password():
    """a wrong password, and a name that does not exist: not-authorized"""
    for name in ("ann", "nobody"):
        try:
            await Peer(name, password="not the password", mechanism="SCRAM-SHA-256").login()
        except LoginFailed as e:
            equal(str(e), "not-authorized", "condition for " + name)
        else:
            raise AssertionError(f"{name} is in")


@play.check
async def same_resource():
    """the same resource again: the older session ends with conflict"""
    old = await Peer("ann", "desk").login()
    over = asyncio.get_running_loop().create_future()
    old.add_event_handler("stream_error", lambda e: over.done() or over.set_result(e["condition"]))
    new = await Peer("ann", "desk").login()
    equal(await asyncio.wait_for(over, PATIENCE), "conflict", "stream error")
    equal(new.boundjid.resource, "desk", "resource")
    await new.ping()
    await new.leave()


play.run()

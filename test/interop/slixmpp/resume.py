# SPDX-License-Identifier: Apache-2.0
"""Sessions that go on after their connection broke, and after a restart of the server (XEP-0198 §5)."""

import asyncio

import slixmpp
from peer import PATIENCE, Peer, Play, address, ask, befriend, equal, is_message

play = Play()
ann, ben = address("ann"), address("ben")
who = {}


def is_gone(s):
    return isinstance(s, slixmpp.Presence) and s["type"] == "unavailable"


def bodies(peer):
    """The texts that a peer has got since the last time, in order."""
    got = [s for s in peer.inbox if isinstance(s, slixmpp.Message)]
    peer.inbox = [s for s in peer.inbox if s not in got]
    return [s["body"] for s in got]


@play.check
async def managed():
    """a session that can be resumed"""
    a = who["a"] = await Peer("ann", "phone", plugins=["xep_0198"]).come()
    b = who["b"] = await Peer("ben", "desk", plugins=["xep_0198"]).come()
    await befriend(a, b)
    assert a["xep_0198"].sm_id, "no id"


@play.check
async def cut():
    """a connection that breaks under a chat, ten times: nothing is lost or doubled, and nobody sees anyone leave"""
    a, b = who["a"], who["b"]
    said, answered = [], []
    for n in range(10):
        bound = a.boundjid.full
        for k in range(6):
            said.append(f"{n}.{k} to ann")
            b.send_message(mto=ann if k % 2 else bound, mbody=said[-1], mtype="chat")
            if k == 1:
                answered.append(f"{n} to ben")
                a.send_message(mto=ben, mbody=answered[-1], mtype="chat")
            if k == 2:
                await b.receive("answer", is_message(answered[-1]))  # what it has not sent, slixmpp forgets
                a.abort()
        await a.resume()
        equal(a.boundjid.full, bound, "address")
        await b.ping()
        await a.ping()
    equal(bodies(a), said, "what ann got")
    equal(bodies(b), [], "what ben got twice")
    assert not any(map(is_gone, b.inbox)), "ben saw her leave"


@play.check
async def restart():
    """a restart of the server: both go on, nothing is lost or doubled, and nobody sees anyone leave"""
    a, b = who["a"], who["b"]
    for n in range(3):
        b.send_message(mto=ann, mbody=f"before {n}", mtype="chat")
    await b.ping()
    addresses = a.boundjid.full, b.boundjid.full
    closed = [p.closed() for p in (a, b)]
    await asyncio.to_thread(ask, "restart")
    for c in closed:
        await asyncio.wait_for(c, PATIENCE)
    await b.resume()
    b.send_message(mto=ann, mbody="after 0", mtype="chat")
    await b.ping()
    await a.resume()
    b.send_message(mto=ann, mbody="after 1", mtype="chat")
    await b.ping()
    await a.ping()
    equal((a.boundjid.full, b.boundjid.full), addresses, "addresses")
    equal(bodies(a), ["before 0", "before 1", "before 2", "after 0", "after 1"], "what ann got")
    for p in (a, b):
        assert not any(map(is_gone, p.inbox)), f"{p.boundjid} saw somebody leave"


@play.check
async def ended():
    """a session that was closed cannot be resumed, and contacts see its end"""
    a, b = who["a"], who["b"]
    old = a["xep_0198"].sm_id
    await a.leave()
    await b.receive("unavailable", is_gone)
    c = Peer("ann", "phone", plugins=["xep_0198"])
    c["xep_0198"].sm_id = old
    failed = asyncio.get_running_loop().create_future()
    c.add_event_handler("sm_failed", lambda s: failed.done() or failed.set_result(s))
    await c.login()
    assert failed.done(), "it did not ask to resume"
    assert failed.result().xml.find("{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None, failed.result()
    assert c["xep_0198"].sm_id != old, "it has the old session"
    await c.leave()
    await b.leave()


play.run()

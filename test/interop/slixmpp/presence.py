# SPDX-License-Identifier: Apache-2.0
"""Who is there, and how (RFC 6121 §4)."""

from peer import Peer, Play, address, befriend, equal, is_presence

play = Play()
ann, cat = address("ann"), address("cat")
who = {}


@play.check
async def login():
    """who logs in sees contacts that are there, and is seen"""
    a = who["a"] = await Peer("ann", "desk").come()
    b = await Peer("ben").come()
    await befriend(a, b)
    await b.leave()
    await a.receive("unavailable", is_presence("unavailable", b.boundjid))
    b = who["b"] = await Peer("ben").come()
    await b.receive("presence of who was there", is_presence("available", a.boundjid))
    await a.receive("presence of who came", is_presence("available", b.boundjid))


@play.check
async def status():
    """show, status and priority reach contacts as they were sent"""
    a, b = who["a"], who["b"]
    a.send_presence(pshow="dnd", pstatus="in a meeting <&>", ppriority=7)
    got = await b.receive("dnd", is_presence("dnd", a.boundjid))
    equal((got["show"], got["status"], got["priority"]), ("dnd", "in a meeting <&>", 7), "presence")


@play.check
async def probe():
    """a contact who comes later sees the last presence, as it was sent"""
    a = who["a"]
    phone = await Peer("ben", "phone").come()
    got = await phone.receive("dnd", is_presence("dnd", a.boundjid))
    equal(got["status"], "in a meeting <&>", "status")
    await phone.receive("the other device of the same account", is_presence("available", who["b"].boundjid))
    await who["b"].receive("the new device of the same account", is_presence("available", phone.boundjid))
    await phone.leave()
    for p in (a, who["b"]):
        await p.receive("unavailable", is_presence("unavailable", phone.boundjid))


@play.check
async def directed():
    """presence to somebody who is no contact, and its end with the session"""
    a = who["a"]
    c = who["c"] = await Peer("cat").come()
    a.send_presence(pto=c.boundjid.full, pstatus="just for you")
    got = await c.receive("presence", is_presence("available", a.boundjid))
    equal(got["status"], "just for you", "status")
    a.send_presence(pto=c.boundjid.full, ptype="unavailable")
    await c.receive("unavailable", is_presence("unavailable", a.boundjid))
    a.send_presence(pto=cat)
    await c.receive("presence", is_presence("available", a.boundjid))


@play.check
async def not_for_all():
    """who is no contact sees nothing but that"""
    a, c = who["a"], who["c"]
    a.send_presence(pshow="away")
    await who["b"].receive("away", is_presence("away", a.boundjid))
    await c.nothing("presence that was not for it", is_presence("away", a.boundjid))
    c.send_presence(pto=ann, ptype="probe")  # RFC 6121 §4.6.6: that it is there, which it knows, and no more
    got = await c.receive("answer to a probe", is_presence("available", a.boundjid))
    equal((got["show"], got["status"]), ("", ""), "how it is")


@play.check
async def unavailable():
    """unavailable without leaving: contacts and those it was directed to are told, and the device gets no chat"""
    a, b, c = who["a"], who["b"], who["c"]
    a.send_presence(ptype="unavailable", pstatus="gone")
    got = await b.receive("unavailable", is_presence("unavailable", a.boundjid))
    equal(got["status"], "gone", "status")
    await c.receive("unavailable", is_presence("unavailable", a.boundjid))
    await a.ping()


@play.check
async def lost():
    """a connection that breaks: contacts are told all the same"""
    a, b, c = who["a"], who["b"], who["c"]
    a.send_presence()
    await b.receive("presence", is_presence("available", a.boundjid))
    a.send_presence(pto=cat)
    await c.receive("presence", is_presence("available", a.boundjid))
    a.abort()
    await b.receive("unavailable", is_presence("unavailable", a.boundjid))
    await c.receive("unavailable", is_presence("unavailable", a.boundjid))
    await b.leave()
    await c.leave()


play.run()

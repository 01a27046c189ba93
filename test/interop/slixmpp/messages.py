# SPDX-License-Identifier: Apache-2.0
"""Messages to people who are there, who are away, and who do not exist (RFC 6121 §5, §8)."""

import datetime

import slixmpp
from peer import DOMAIN, PATIENCE, Peer, Play, address, equal, is_message, is_presence, refused

play = Play()
ann, ben = address("ann"), address("ben")
who = {}


def is_error(stanza_id):
    return lambda s: isinstance(s, slixmpp.Message) and s["type"] == "error" and s["id"] == stanza_id


@play.check
async def chat():
    """chat both ways, text and id as they were sent"""
    a = who["a"] = await Peer("ann", "desk", plugins=["xep_0203"]).come()
    b = who["b"] = await Peer("ben", "desk", plugins=["xep_0203"]).come()
    text = "Grüße & <b>küsse</b>, 👋🏽 \"so\"\nzweite Zeile"
    message = a.make_message(mto=ben, mbody=text, mtype="chat")
    message["id"] = "first"
    message.send()
    got = await b.receive("message", is_message(text))
    equal((got["from"], got["id"], got["type"]), (a.boundjid, "first", "chat"), "header")
    b.send_message(mto=got["from"], mbody="to you alone", mtype="chat")
    got = await a.receive("answer", is_message("to you alone"))
    equal(got["to"], a.boundjid, "to")
    equal(got.xml.find("{urn:xmpp:delay}delay"), None, "delay of a message that did not wait")


@play.check
async def all_devices():
    """every device with a priority of 0 or more gets what is for the bare address"""
    a, b = who["a"], who["b"]
    phone = await Peer("ben", "phone").come()
    deaf = await Peer("ben", "deaf").come(ppriority=-1)
    a.send_message(mto=ben, mbody="to all", mtype="chat")
    for p in (b, phone):
        await p.receive("message", is_message("to all"))
    await deaf.nothing("a message", is_message("to all"))
    a.send_message(mto=deaf.boundjid.full, mbody="to it by name", mtype="chat")
    await deaf.receive("message", is_message("to it by name"))
    await phone.leave()
    await deaf.leave()


@play.check
async def offline():
    """messages to who is away come on return, in order, with the time they were sent"""
    a, b = who["a"], who["b"]
    await b.leave()
    begin = datetime.datetime.now(datetime.timezone.utc)
    texts = [f"while you were away {n}" for n in range(5)]
    for text in texts:
        a.send_message(mto=ben, mbody=text, mtype="chat")
    await a.ping()
    b = who["b"] = await Peer("ben", "desk", plugins=["xep_0203"]).come()
    got = [await b.receive("message", lambda s: isinstance(s, slixmpp.Message)) for _ in texts]
    equal([m["body"] for m in got], texts, "messages, in order")
    for m in got:
        stamp = m["delay"]["stamp"]
        assert abs(stamp - begin) < datetime.timedelta(minutes=1), f"sent at {stamp}, now it is {begin}"
        equal(m["delay"]["from"], DOMAIN, "who says so")
    await b.leave()
    b = who["b"] = await Peer("ben", "desk").come()
    await b.nothing("a message a second time", lambda s: isinstance(s, slixmpp.Message))


@play.check
async def to_nobody():
    """a message to an account that does not exist: service-unavailable"""
    a = who["a"]
    for to in (address("nobody"), address("nobody") + "/desk"):
        message = a.make_message(mto=to, mbody="anybody there?", mtype="chat")
        message["id"] = to
        message.send()
        got = await a.receive("error", is_error(to))
        equal((got["error"]["condition"], got["from"]), ("service-unavailable", to), "error")


@play.check
async def to_bad_address():
    """a message to an address that is none: jid-malformed"""
    a = who["a"]
    a.send_raw(f"<message id='bad' type='chat' to='a b@{DOMAIN}'><body>?</body></message>")
    got = await a.receive("error", is_error("bad"))
    equal(got["error"]["condition"], "jid-malformed", "condition")
    await a.ping()  # and the stream goes on


@play.check
async def to_other_server():
    """a message to another server, of which there are none yet: remote-server-not-found"""
    a = who["a"]
    message = a.make_message(mto="somebody@elsewhere.invalid", mbody="?", mtype="chat")
    message["id"] = "far"
    message.send()
    got = await a.receive("error", is_error("far"))
    equal(got["error"]["condition"], "remote-server-not-found", "condition")


@play.check
async def requests():
    """requests to nobody, to an account without an answer, of an unknown kind: service-unavailable"""
    a = who["a"]

    def request(to, namespace="urn:xmpp:ping", name="ping"):
        iq = a.make_iq_get(ito=to)
        iq.xml.append(slixmpp.xmlstream.ET.Element(f"{{{namespace}}}{name}"))
        return iq.send(timeout=PATIENCE)

    for to in (address("nobody"), address("nobody") + "/desk", ben + "/nowhere"):
        equal(await refused(request(to)), "service-unavailable", to)
    for to in (DOMAIN, ann, ben):
        equal(await refused(request(to, "urn:example:unknown", "query")), "service-unavailable", "unknown, " + to)
    for to in (DOMAIN, ann):
        equal((await request(to))["type"], "result", "ping to " + to)


@play.check
async def between_devices():
    """a request to a device of somebody else reaches it if it shares its presence, and its answer comes back"""
    a, b = who["a"], who["b"]

    def request():
        iq = a.make_iq_get(ito=b.boundjid)
        iq.xml.append(slixmpp.xmlstream.ET.Element("{urn:xmpp:ping}ping"))
        return iq.send(timeout=PATIENCE)

    equal(await refused(request()), "service-unavailable", "to who does not")
    b.send_presence(pto=ann)
    await a.receive("presence", is_presence("available", b.boundjid))
    got = await request()
    equal((got["type"], got["from"]), ("result", b.boundjid), "answer")


@play.check
async def headline():
    """headline: to who is there, and dropped for who is not; groupchat to an account: service-unavailable"""
    a, b = who["a"], who["b"]
    a.send_message(mto=ben, mbody="news", mtype="headline")
    await b.receive("headline", is_message("news"))
    message = a.make_message(mto=ben, mbody="all", mtype="groupchat")
    message["id"] = "group"
    message.send()
    got = await a.receive("error", is_error("group"))
    equal(got["error"]["condition"], "service-unavailable", "condition")
    await b.leave()
    a.send_message(mto=ben, mbody="old news", mtype="headline")
    await a.ping()
    b = await Peer("ben").come()
    await b.nothing("an old headline", is_message("old news"))
    await b.leave()


@play.check
async def self():
    """a note to oneself reaches one's other device, once"""
    a = who["a"]
    phone = await Peer("ann", "phone").come()
    a.send_message(mto=ann, mbody="buy milk", mtype="chat")
    await phone.receive("note", is_message("buy milk"))
    await phone.nothing("it again", is_message("buy milk"))
    await phone.leave()


@play.check
async def acknowledged():
    """XEP-0198: what is sent is acknowledged; what a broken connection did not take comes on return"""
    a = who["a"]
    c = Peer("ben", "managed", plugins=["xep_0198"])
    sm = c["xep_0198"]
    sm.allow_resume = False  # a session that can be resumed keeps what it has, see resume.py
    await c.login()
    assert sm.enabled_in and sm.enabled_out
    sm.window = sm.window_counter = 1  # asks after every stanza
    acked = []
    c.add_event_handler("stanza_acked", acked.append)
    c.send_presence()
    for n in range(3):
        c.send_message(mto=ann, mbody=f"counted {n}", mtype="chat")
    for n in range(3):
        await a.receive("message", is_message(f"counted {n}"))
    await c.ping()
    await c.ping()  # the counts of before came with its answer at the latest
    bodies = [s["body"] for s in acked if isinstance(s, slixmpp.Message)]
    equal(bodies, [f"counted {n}" for n in range(3)], "acknowledged")

    sm.send_ack = lambda: None  # from now on nothing is acknowledged
    a.send_message(mto=ben, mbody="into the void", mtype="chat")
    await c.receive("message", is_message("into the void"))
    c.abort()
    d = await Peer("ben", "again", plugins=["xep_0203", "xep_0198"]).come()
    got = await d.receive("message that nobody has acknowledged", is_message("into the void"))
    assert got["delay"]["stamp"], got
    await d.leave()
    await a.leave()


play.run()

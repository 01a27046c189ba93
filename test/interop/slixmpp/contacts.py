# SPDX-License-Identifier: Apache-2.0
"""The contact list and its versions (RFC 6121 §2), and who may see whom (RFC 6121 §3)."""

import slixmpp
from peer import PATIENCE, Peer, Play, address, entry, equal, is_presence, is_push, refused

play = Play()
ann, ben, cat, dan = (address(n) for n in ("ann", "ben", "cat", "dan"))
who = {}


@play.check
async def empty():
    """an empty list, with a version"""
    a = who["a"] = await Peer("ann", "desk").come()
    answer = await a.contacts(ver="")
    assert answer["roster"]["ver"], answer
    equal(len(answer["roster"]["items"]), 0, "entries")


@play.check
async def add():
    """adding with name and groups: result, and a push to every device that asked for the list"""
    a, phone = who["a"], await Peer("ann", "phone").login()
    who["phone"] = phone
    deaf = await Peer("ann", "deaf").login()
    await phone.contacts()
    equal((await a.save(cat, "Cat", ["Friends", "Chess & Go"]))["type"], "result", "answer")
    for p in (a, phone):
        push = await p.receive("push", is_push(cat, name="Cat", subscription="none"))
        assert push["roster"]["ver"], push
    await deaf.nothing("a push", is_push(cat))  # RFC 6121 §2.1.6: only those that asked for the list
    await deaf.leave()
    item = entry(await a.contacts(), cat)
    equal(sorted(g.text for g in item), ["Chess & Go", "Friends"], "groups")


@play.check
async def change():
    """changing name and groups"""
    a = who["a"]
    await a.save(cat, "Catherine", [])
    await a.receive("push", is_push(cat, name="Catherine"))
    item = entry(await a.contacts(), cat)
    equal((item.get("name"), len(item)), ("Catherine", 0), "name, groups")


@play.check
async def versions():
    """versions: nothing when nothing is new, what is new as pushes (RFC 6121 §2.6)"""
    a = who["a"]
    ver = (await a.contacts(ver=""))["roster"]["ver"]
    answer = await a.contacts(ver=ver)
    assert answer.xml.find("{jabber:iq:roster}query") is None, f"not empty: {answer}"
    await who["phone"].save(dan, "Dan")
    await a.receive("push", is_push(dan, name="Dan"))
    answer = await a.contacts(ver=ver)
    if answer.xml.find("{jabber:iq:roster}query") is None:
        await a.receive("push of what is new", is_push(dan, name="Dan"))
        await a.nothing("a push of what is old", is_push(cat))
    else:
        assert entry(answer, dan) is not None, answer


@play.check
async def remove():
    """removing: push with subscription remove, then item-not-found"""
    a = who["a"]
    await a.save(dan, subscription="remove")
    for p in (a, who["phone"]):
        await p.receive("push", is_push(dan, subscription="remove"))
    assert entry(await a.contacts(), dan) is None
    equal(await refused(a.save(dan, subscription="remove")), "item-not-found", "a second time")


@play.check
async def bad():
    """two entries in one request: bad-request"""
    a = who["a"]
    iq = a.make_iq_set()
    iq["roster"]["items"] = {jid: {"name": "", "subscription": "", "groups": []} for jid in (ben, dan)}
    equal(await refused(iq.send(timeout=PATIENCE)), "bad-request", "two entries")


@play.check
async def foreign_list():
    """the list of somebody else, who is a stranger: as if there were none"""
    iq = who["a"].make_iq_get(ito=ben)
    iq.enable("roster")
    equal(await refused(iq.send(timeout=PATIENCE)), "service-unavailable", "somebody else's list")


@play.check
async def subscribe():
    """subscribe: ask=subscribe in a push, and the request waits for who is away, at each log-in until it is answered"""
    a = who["a"]
    a.send_presence(pto=ben, ptype="subscribe", pstatus="It is me")
    await a.receive("push", is_push(ben, subscription="none", ask="subscribe"))
    undecided = await Peer("ben").come()
    got = await undecided.receive("request", is_presence("subscribe", ann))
    equal(got["status"], "It is me", "what the request says")
    await undecided.leave()
    b = who["b"] = await Peer("ben").come()
    await b.receive("request", is_presence("subscribe", ann))
    await b.nothing("an entry for who only asked", is_push(ann))


@play.check
async def subscribed():
    """subscribed: pushes on both sides, and presence"""
    a, b = who["a"], who["b"]
    b.subscription("subscribed", ann)
    await b.receive("push", is_push(ann, subscription="from"))
    await a.receive("consent", is_presence("subscribed", ben))
    await a.receive("push", is_push(ben, subscription="to"))
    await a.receive("presence", is_presence("available", b.boundjid))


@play.check
async def both():
    """the other way: both"""
    a, b = who["a"], who["b"]
    b.subscription("subscribe", ann)
    await a.receive("request", is_presence("subscribe", ben))
    a.subscription("subscribed", ben)
    await b.receive("consent", is_presence("subscribed", ann))
    await b.receive("presence", is_presence("available", a.boundjid))
    await a.receive("push", is_push(ben, subscription="both"))
    await b.receive("push", is_push(ann, subscription="both"))


@play.check
async def unsubscribe():
    """unsubscribe: both lose one direction, and the presence of who is seen no more"""
    a, b = who["a"], who["b"]
    a.subscription("unsubscribe", ben)
    await a.receive("push", is_push(ben, subscription="from"))
    await b.receive("notice", is_presence("unsubscribe", ann))
    await b.receive("push", is_push(ann, subscription="to"))
    await a.receive("unavailable", is_presence("unavailable", b.boundjid))


@play.check
async def unsubscribed():
    """unsubscribed: the other direction goes the same way"""
    a, b = who["a"], who["b"]
    a.subscription("unsubscribed", ben)
    await a.receive("push", is_push(ben, subscription="none"))
    await b.receive("unavailable", is_presence("unavailable", a.boundjid))
    await b.receive("notice", is_presence("unsubscribed", ann))
    await b.receive("push", is_push(ann, subscription="none"))


@play.check
async def declined():
    """unsubscribed in answer to a request"""
    a, b = who["a"], who["b"]
    a.subscription("subscribe", ben)
    await b.receive("request", is_presence("subscribe", ann))
    b.subscription("unsubscribed", ann)
    await a.receive("refusal", is_presence("unsubscribed", ben))
    await a.receive("push", is_push(ben, subscription="none", ask=None))


@play.check
async def nobody():
    """a request to an account that does not exist: an entry that waits, and nothing that tells it from one that does"""
    a, nobody = who["a"], address("nobody")
    a.subscription("subscribe", nobody)
    await a.receive("push", is_push(nobody, subscription="none", ask="subscribe"))
    await a.nothing("an error", lambda s: isinstance(s, slixmpp.Presence) and s["type"] == "error")
    await a.save(nobody, subscription="remove")
    await a.receive("push", is_push(nobody, subscription="remove"))


@play.check
async def approved():
    """consent given before it is asked for (RFC 6121 §3.4)"""
    a, b = who["a"], who["b"]
    b.subscription("subscribed", ann)
    await b.receive("push", is_push(ann, approved="true"))
    a.subscription("subscribe", ben)
    await a.receive("consent", is_presence("subscribed", ben))
    await a.receive("presence", is_presence("available", b.boundjid))
    await a.receive("push", is_push(ben, subscription="to"))
    await b.receive("push", is_push(ann, subscription="from"))
    await b.nothing("a request that was answered before", is_presence("subscribe", ann))


@play.check
async def removed():
    """removing who is subscribed both ways: the other sees unsubscribe, unsubscribed and unavailable"""
    a, b = who["a"], who["b"]
    b.subscription("subscribe", ann)
    await a.receive("request", is_presence("subscribe", ben))
    a.subscription("subscribed", ben)
    await b.receive("push", is_push(ann, subscription="both"))
    await b.receive("presence", is_presence("available", a.boundjid))
    await a.save(ben, subscription="remove")
    await a.receive("push", is_push(ben, subscription="remove"))
    await a.receive("unavailable", is_presence("unavailable", b.boundjid))
    await b.receive("notice", is_presence("unsubscribe", ann))
    await b.receive("notice", is_presence("unsubscribed", ann))
    await b.receive("unavailable", is_presence("unavailable", a.boundjid))
    await b.receive("push", is_push(ann, subscription="none"))
    for p in (a, b, who["phone"]):
        await p.leave()


play.run()

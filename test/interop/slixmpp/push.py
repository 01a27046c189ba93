# SPDX-License-Identifier: Apache-2.0
"""An app's push service (XEP-0357) behind a domain of its own, and people whose app is closed.

slixmpp has no plugin for 0357: what is said of it is written and read here.
"""

import asyncio
from xml.etree import ElementTree

from peer import DOMAIN, PATIENCE, Peer, Play, Service, address, ask, equal, is_message, refused
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

play = Play()
SERVICE = "push." + DOMAIN
NS = "urn:xmpp:push:0"
PUBSUB = "http://jabber.org/protocol/pubsub"
OPTIONS = PUBSUB + "#publish-options"
DATA = "jabber:x:data"
OURS = "https://kith.im/ns/webpush/0"  # where the health of registrations is told
ann, ben = address("ann"), address("ben")
who = {}


class AppServer(Service):
    """Keeps what is published to it, and answers with the next of answers: None, or a type and condition of an error."""

    def __init__(self, secret):
        super().__init__(SERVICE, secret, int(ask("port")))
        self.published = asyncio.Queue()
        self.answer = None
        self.register_handler(Callback("publish", MatchXPath(f"{{jabber:component:accept}}iq/{{{PUBSUB}}}pubsub"), self.take))

    def take(self, iq):
        self.published.put_nowait(iq)
        answer = iq.reply()
        if self.answer:
            answer["type"] = "error"
            answer["error"]["type"], answer["error"]["condition"] = self.answer
        answer.send()

    async def next(self):
        return Publish(await asyncio.wait_for(self.published.get(), PATIENCE))


class Publish:
    """What a publish says."""

    def __init__(self, iq):
        self.iq, self.text = iq, str(iq)
        publish = iq.xml.find(f"{{{PUBSUB}}}pubsub/{{{PUBSUB}}}publish")
        self.node = publish.get("node")
        self.summary = fields(publish.find(f"{{{PUBSUB}}}item/{{{NS}}}notification/{{{DATA}}}x"))
        self.options = fields(iq.xml.find(f"{{{PUBSUB}}}pubsub/{{{PUBSUB}}}publish-options/{{{DATA}}}x"))


def fields(form):
    """The values of a form, by the names of its fields."""
    if form is None:
        return {}
    return {f.get("var"): f.findtext(f"{{{DATA}}}value") for f in form.iterfind(f"{{{DATA}}}field")}


async def enable(peer, node, secret=None):
    """Has the account publish to a node of the service."""
    e = ElementTree.Element(f"{{{NS}}}enable", jid=SERVICE, node=node)
    if secret:
        x = ElementTree.SubElement(e, f"{{{DATA}}}x", type="submit")
        for var, value in (("FORM_TYPE", OPTIONS), ("secret", secret)):
            ElementTree.SubElement(ElementTree.SubElement(x, f"{{{DATA}}}field", var=var), f"{{{DATA}}}value").text = value
    await request(peer, "set", e)


async def disable(peer, **which):
    await request(peer, "set", ElementTree.Element(f"{{{NS}}}disable", jid=SERVICE, **which))


async def request(peer, kind, payload):
    iq = peer.make_iq(itype=kind)
    iq.append(payload)
    return await iq.send(timeout=PATIENCE)


async def registrations(peer):
    """How many times each registration has failed since it last did not."""
    answer = await request(peer, "get", ElementTree.Element(f"{{{OURS}}}registrations"))
    return [int(r.get("failures", 0)) for r in answer.xml.iter(f"{{{OURS}}}registration")]


def calls(peer, to, call):
    """Has to's devices ring (XEP-0353 §3.1)."""
    m = peer.make_message(mto=to, mtype="chat")
    propose = ElementTree.Element("{urn:xmpp:jingle-message:0}propose", id=call)
    ElementTree.SubElement(propose, "{urn:xmpp:jingle:apps:rtp:1}description", media="audio")
    m.append(propose)
    m.send()


@play.check
async def registration():
    """the account offers it, and takes a service with what it wants to be shown"""
    app = who["app"] = AppServer(ask("secret"))
    equal(await app.come(), True, "let in")
    who["ben"] = await Peer("ben").come()
    a = who["phone"] = await Peer("ann", "phone").come()
    info = (await a["xep_0030"].get_info(jid=ann, timeout=PATIENCE))["disco_info"]
    assert NS in info["features"], info
    await enable(a, "phone-1", secret="open sesame")
    equal(await registrations(a), [0], "registrations")


@play.check
async def closed():
    """the app is closed: a message is published at once, by the account, with the options, and says neither who nor what"""
    await who["phone"].leave()
    who["ben"].send_message(mto=ann, mbody="the king doth wake tonight", mtype="chat")
    got = await who["app"].next()
    equal((got.iq["type"], str(got.iq["from"]), str(got.iq["to"]), got.node), ("set", ann, SERVICE, "phone-1"), "publish")
    equal(got.summary, {"FORM_TYPE": "urn:xmpp:push:summary", "message-count": "1", "last-message-body": "New message"}, "summary")
    equal(got.options, {"FORM_TYPE": OPTIONS, "secret": "open sesame"}, "options")
    assert ben not in got.text and "king" not in got.text, got.text
    who["ben"].send_message(mto=ann, mbody="and takes his rouse", mtype="chat")
    equal((await who["app"].next()).summary["message-count"], "2", "the count")


@play.check
async def there():
    """who has it open is not woken, and who has closed it again is, from one on"""
    a, b, app = who["phone"], who["ben"], who["app"]
    a = who["phone"] = await Peer("ann", "phone").come()
    b.send_message(mto=ann, mbody="open", mtype="chat")
    await a.receive("message", is_message("open"))
    await a.leave()
    b.send_message(mto=ann, mbody="closed", mtype="chat")
    equal((await app.next()).summary["message-count"], "1", "the count")
    equal(app.published.qsize(), 0, "what else was published")


@play.check
async def broken():
    """a connection that breaks, of a session that can be resumed: woken, and the message is there on return"""
    a = await Peer("ann", "phone", plugins=["xep_0198"]).come()
    a.abort()
    who["ben"].send_message(mto=ann, mbody="while you slept", mtype="chat")
    equal((await who["app"].next()).node, "phone-1", "node")
    await a.resume()
    await a.receive("message", is_message("while you slept"))
    who["phone"] = a


@play.check
async def ringing():
    """a call rings on the phone at once, though a message would wait while another device is in use"""
    await who["phone"].leave()
    desk = who["desk"] = await Peer("ann", "desk").come()
    who["ben"].send_message(mto=ann, mbody="for the desk", mtype="chat")
    await desk.receive("message", is_message("for the desk"))
    calls(who["ben"], ann, "ca11")
    async with asyncio.timeout(PATIENCE / 2):  # a message waits for ten seconds
        equal((await who["app"].next()).node, "phone-1", "node")


@play.check
async def refusals():
    """a service that refuses is asked fifteen times more, counted anew when it takes one, and dropped after sixteen"""
    desk, app = who["desk"], who["app"]
    m = desk.make_message(mto=ben, mtype="chat", mbody="I have read it")  # so nothing waits
    m.send()
    turn = 0

    async def ring(answer, times):
        nonlocal turn
        app.answer = answer
        for _ in range(times):
            turn += 1
            calls(who["ben"], ann, f"call-{turn}")
            await app.next()

    await ring(("cancel", "item-not-found"), 15)
    await until(lambda: registrations(desk), [15])
    await ring(None, 1)
    await until(lambda: registrations(desk), [0])
    await ring(("cancel", "item-not-found"), 16)
    await until(lambda: registrations(desk), [])
    calls(who["ben"], ann, "call-last")
    await desk.ping()
    equal(app.published.qsize(), 0, "what is published to one that was dropped")
    app.answer = None


async def until(f, want):
    """Waits until f says what is wanted: the answers of a service are noted a moment after they were given."""
    got = None
    try:
        async with asyncio.timeout(PATIENCE):
            while (got := await f()) != want:
                pass
    except TimeoutError:
        raise AssertionError(f"got {got!r}, want {want!r}") from None


@play.check
async def disabled():
    """two devices, of which one is disabled by its node and then all of the service"""
    desk, app = who["desk"], who["app"]
    phone = await Peer("ann", "phone").come()
    tablet = await Peer("ann", "tablet").come()
    await enable(phone, "phone-2")
    await enable(tablet, "tablet-1")
    calls(who["ben"], ann, "both")
    equal({(await app.next()).node, (await app.next()).node}, {"phone-2", "tablet-1"}, "nodes")
    await disable(phone, node="phone-2")
    equal(await registrations(desk), [0], "registrations")
    calls(who["ben"], ann, "one")
    equal((await app.next()).node, "tablet-1", "node")
    await disable(desk)
    equal(await registrations(desk), [], "registrations")
    calls(who["ben"], ann, "none")
    await phone.receive("call", lambda s: s.xml.find("{urn:xmpp:jingle-message:0}propose[@id='none']") is not None)
    await app["xep_0199"].ping(jid=DOMAIN, ifrom=SERVICE, timeout=PATIENCE)
    equal(app.published.qsize(), 0, "what is published after the end")


@play.check
async def others():
    """nobody enables it for another, and what names no service is refused"""
    b = who["ben"]
    iq = b.make_iq_set(ito=ann)
    iq.append(ElementTree.Element(f"{{{NS}}}enable", jid=SERVICE, node="x"))
    equal(await refused(iq.send(timeout=PATIENCE)), "service-unavailable", "for another")
    equal(await refused(request(b, "set", ElementTree.Element(f"{{{NS}}}enable", node="x"))), "bad-request", "without service")
    await b.leave()
    await who["app"].leave()


play.run()

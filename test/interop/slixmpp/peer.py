# SPDX-License-Identifier: Apache-2.0
"""What the plays here have in common: a client (Peer) that keeps what it receives. See python/play.py.

That nothing comes is checked with a ping to the server, whose answer follows all that was on the way (Peer.nothing).
"""

import asyncio

import slixmpp
from play import DOMAIN, PATIENCE, LoginFailed, Play, address, ask, cue, equal, settings  # the plays take them from here
from slixmpp.exceptions import IqError


class Peer(slixmpp.ClientXMPP):
    """A client of an account. What it receives waits in inbox until it is taken."""

    def __init__(self, name, resource="slixmpp", password=None, mechanism=None, plugins=()):
        jid = f"{address(name)}/{resource}" if resource else address(name)
        super().__init__(jid, password or settings["password"], sasl_mech=mechanism)
        self.inbox = []
        self.changed = asyncio.Event()
        self.use_ipv6 = False
        self.use_aiodns = False
        self.ca_certs = settings["ca"]
        self.roster.auto_authorize = None  # a person answers requests
        self.roster.auto_subscribe = False
        self.offered = None  # the last stream features
        for plugin in ("xep_0030", "xep_0199", *plugins):
            self.register_plugin(plugin)
        self.add_filter("in", self._keep)

    def _keep(self, stanza):
        if isinstance(stanza, slixmpp.stanza.StreamFeatures):
            self.offered = stanza
        else:
            self.inbox.append(stanza)
            self.changed.set()
        return stanza

    @property
    def mechanism(self):
        return self["feature_mechanisms"].mech.name

    async def login(self, direct=False):
        """Connects and binds, over STARTTLS or with TLS at once; LoginFailed if the password is not right."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def finish(error=None):
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self.add_event_handler("stream_negotiated", lambda _: finish())
        # It tries one mechanism after the other, and what counts is why the last one was refused.
        refusals = []
        self.add_event_handler("failed_auth", lambda failure: refusals.append(failure["condition"]))
        self.add_event_handler("failed_all_auth", lambda _: finish(LoginFailed(refusals[-1] if refusals else "none")))
        self.add_event_handler("ssl_invalid_chain", lambda e: finish(LoginFailed(f"certificate: {e}")))
        self.add_event_handler("connection_failed", lambda e: finish(LoginFailed(f"connection: {e}")))
        self.add_event_handler("disconnected", lambda why: finish(LoginFailed(f"disconnected: {why}")))
        # slixmpp 1.8.3 asks for the address behind a name with the default port, whatever port it was given.
        self.default_port = settings["clients_tls" if direct else "clients"]
        self.connect((DOMAIN, self.default_port), use_ssl=direct)
        await asyncio.wait_for(done, PATIENCE)
        return self

    def closed(self):
        """A future that is done when the connection is gone."""
        gone = asyncio.get_running_loop().create_future()
        self.add_event_handler("disconnected", lambda _: gone.done() or gone.set_result(None))
        return gone

    async def resume(self):
        """Connects again and goes on with the session; LoginFailed if that cannot be."""
        over = asyncio.get_running_loop().create_future()

        def failed(_):
            if not over.done():
                over.set_exception(LoginFailed("not resumed"))

        handlers = {"session_resumed": lambda _: over.done() or over.set_result(None), "sm_failed": failed,
                    "stream_negotiated": failed}
        for event, handler in handlers.items():
            self.add_event_handler(event, handler)
        self.connect((DOMAIN, self.default_port))
        try:
            await asyncio.wait_for(over, PATIENCE)
        finally:
            for event, handler in handlers.items():
                self.del_event_handler(event, handler)

    async def come(self, **presence):
        """Logs in, asks for the contact list and becomes available, as apps do."""
        await self.login()
        await self.contacts()
        self.send_presence(**presence)
        await self.receive(f"own presence of {self.boundjid}", is_presence("available", self.boundjid))
        return self

    async def leave(self):
        """Ends the stream as it should be."""
        gone = self.closed()
        self.disconnect()
        await asyncio.wait_for(gone, PATIENCE)

    async def receive(self, what, matches):
        """Takes the first stanza that matches out of the inbox, and waits for it if it is not there yet."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for stanza in self.inbox:
                        if matches(stanza):
                            self.inbox.remove(stanza)
                            return stanza
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            have = "\n".join(str(s) for s in self.inbox)
            raise AssertionError(f"{self.boundjid} waited for {what} in vain; it has\n{have}") from None

    async def nothing(self, what, matches):
        """Checks that nothing such has come of what was sent before."""
        await self.ping()
        for stanza in self.inbox:
            assert not matches(stanza), f"{self.boundjid} got {what}: {stanza}"

    async def ping(self):
        iq = self.make_iq_get(ito=DOMAIN)
        iq.xml.append(slixmpp.xmlstream.ET.Element("{urn:xmpp:ping}ping"))
        return await iq.send(timeout=PATIENCE)

    async def contacts(self, ver=None):
        """The answer to a request for the contact list."""
        iq = self.make_iq_get()
        iq.enable("roster")
        if ver is not None:
            iq["roster"]["ver"] = ver
        return await iq.send(timeout=PATIENCE)

    async def save(self, jid, name="", groups=(), subscription=""):
        """Changes one entry of the contact list."""
        iq = self.make_iq_set()
        iq["roster"]["items"] = {jid: {"name": name, "subscription": subscription, "groups": list(groups)}}
        return await iq.send(timeout=PATIENCE)

    def subscription(self, kind, jid):
        self.send_presence(pto=jid, ptype=kind)


class Service(slixmpp.ComponentXMPP):
    """A component (XEP-0114), whose plugins let it answer what services are asked."""

    def __init__(self, domain, secret, port):
        super().__init__(domain, secret, "localhost", port)
        self.use_ipv6 = False
        self.use_aiodns = False
        for plugin in ("xep_0030", "xep_0199"):
            self.register_plugin(plugin)

    async def come(self):
        """Connects; False if the server refuses."""
        done = asyncio.get_running_loop().create_future()
        for event, result in (("session_start", True), ("stream_error", False), ("disconnected", False)):
            self.add_event_handler(event, lambda _, result=result: done.done() or done.set_result(result))
        self.connect()
        return await asyncio.wait_for(done, PATIENCE)

    async def leave(self):
        """Ends the stream as it should be."""
        gone = asyncio.get_running_loop().create_future()
        self.add_event_handler("disconnected", lambda _: gone.done() or gone.set_result(None))
        self.disconnect()
        await asyncio.wait_for(gone, PATIENCE)


async def befriend(one, other):
    """Two who are there see each other from now on."""
    for a, b in ((one, other), (other, one)):
        a.subscription("subscribe", b.boundjid.bare)
        await b.receive("request", is_presence("subscribe", a.boundjid.bare))
        b.subscription("subscribed", a.boundjid.bare)
        await a.receive("consent", is_presence("subscribed", b.boundjid.bare))
        await a.receive("presence", is_presence("available", b.boundjid))
    for peer, jid in ((one, other.boundjid.bare), (other, one.boundjid.bare)):
        await peer.receive("push", is_push(jid, subscription="both"))


def is_presence(kind, who):
    """Presence of that type from who: an address, full or bare as it is given."""
    return lambda s: isinstance(s, slixmpp.Presence) and s["type"] == kind and s["from"] == who


def is_message(body):
    return lambda s: isinstance(s, slixmpp.Message) and s["body"] == body


def is_push(jid, **wanted):
    """A push of the entry for jid that has what is wanted: subscription, ask, name, approved."""

    def matches(s):
        if not isinstance(s, slixmpp.Iq) or s["type"] != "set":
            return False
        item = s.xml.find("{jabber:iq:roster}query/{jabber:iq:roster}item")
        if item is None or item.get("jid") != jid:
            return False
        return all(item.get(k) == v for k, v in wanted.items())

    return matches


def entry(answer, jid):
    """The entry for jid in an answer with the contact list, None if there is none."""
    for item in answer.xml.iterfind("{jabber:iq:roster}query/{jabber:iq:roster}item"):
        if item.get("jid") == jid:
            return item
    return None


async def refused(request):
    """The condition of the error by which a request is answered."""
    try:
        result = await request
    except IqError as e:
        return e.iq["error"]["condition"]
    raise AssertionError(f"not refused: {result}")

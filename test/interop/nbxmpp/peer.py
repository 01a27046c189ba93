# SPDX-License-Identifier: Apache-2.0
"""What the plays here have in common: a client (Peer) that keeps what it receives. See python/play.py.

The library runs in GLib's loop, in which until() turns while it waits. Nothing else does: between two lines of a play
that do not wait, nothing is received.
"""

import nbxmpp.client
from gi.repository import Gio, GLib
from nbxmpp.const import ConnectionProtocol, ConnectionType, Mode
from nbxmpp.errors import StanzaError
from nbxmpp.namespaces import Namespace
from nbxmpp.protocol import Iq, Message, Presence
from nbxmpp.simplexml import Node
from play import DOMAIN, PATIENCE, LoginFailed, Play, address, ask, cue, equal, settings  # the plays take them from here

STARTTLS = (f"{DOMAIN}:{settings['clients']}", ConnectionProtocol.TCP, ConnectionType.START_TLS)
DIRECT = (f"{DOMAIN}:{settings['clients_tls']}", ConnectionProtocol.TCP, ConnectionType.DIRECT_TLS)
# A proxy in front of a server for people makes this wss:, so the library is told that it is.
WEBSOCKET = (settings["web"].replace("http", "ws", 1) + "/xmpp-websocket", ConnectionProtocol.WEBSOCKET,
             ConnectionType.DIRECT_TLS)


def until(what, condition):
    """Turns in GLib's loop until condition returns something, and returns that."""
    late = []
    timer = GLib.timeout_add_seconds(PATIENCE, lambda: late.append(True))  # once, since it returns None
    try:
        while not (got := condition()):
            assert not late, f"waited for {what() if callable(what) else what} in vain"
            GLib.MainContext.default().iteration(True)
        return got
    finally:
        if not late:
            GLib.source_remove(timer)


def keep(node):
    """A copy of what came: the library's parser uses the same node again for what comes next."""
    return {"message": Message, "presence": Presence, "iq": Iq}.get(node.getName(), Node)(node=node)


class Peer:
    """A client of an account. What it receives waits in inbox until it is taken."""

    def __init__(self, name, resource="nbxmpp", password=None, road=STARTTLS, mechanisms=None, trusted=True):
        self.bare = address(name)
        self.inbox = []
        self.signals = []
        self.lost = None  # why the connection ended
        self.mechanism = None
        c = self.client = nbxmpp.client.Client(log_context=name)
        c.set_domain(DOMAIN)
        c.set_username(self.bare.split("@")[0])
        c.set_resource(resource)
        c.set_password(password or settings["password"])
        c.set_custom_host(*road)
        if trusted:
            c.set_accepted_certificates([Gio.TlsCertificate.new_from_file(settings["ca"])])
        if mechanisms is not None:
            c.set_mechs(set(mechanisms))
        for signal in ("connected", "resume-successful", "resume-failed", "connection-failed", "disconnected"):
            c.subscribe(signal, self._signal)
        c.subscribe("stanza-received", lambda _client, _signal, node: self.inbox.append(keep(node)))
        c.subscribe("stanza-sent", self._sent)

    def _signal(self, client, signal):
        self.signals.append(signal)
        if signal in ("disconnected", "connection-failed"):
            domain, error, text = client.get_error()
            self.lost = f"{domain.name}: {error}" if domain else "no error"

    def _sent(self, _client, _signal, nonza):
        if isinstance(nonza, Node) and nonza.getName() == "auth":
            self.mechanism = nonza.getAttr("mechanism")

    def login(self, wanted=("connected",)):
        """Connects until it is bound or resumed, or (Mode.REGISTER) may register; LoginFailed if it cannot."""
        self.signals, self.lost = [], None
        self.client.connect()
        until("log-in", lambda: self.lost or any(s in self.signals for s in ("connected", "resume-successful")))
        if self.lost:
            raise LoginFailed(self.lost)
        assert any(s in self.signals for s in wanted), f"got {self.signals}, want {wanted}"
        return self

    def resume(self):
        """Connects again and goes on with the session."""
        return self.login(wanted=("resume-successful",))

    def come(self):
        """Logs in, asks for the contact list and becomes available, as apps do."""
        self.login()
        self.contacts()
        self.client.get_module("BasePresence").send()
        self.receive("own presence", is_presence(None, self.full))
        return self

    @property
    def full(self):
        return str(self.client.get_bound_jid())

    def leave(self):
        """Ends the stream as it should be."""
        self.client.disconnect()
        until("the end", lambda: self.lost)

    def cut(self):
        """Lets the connection fall without a word."""
        self.client.disconnect(immediate=True)
        until("the end", lambda: self.lost)

    def receive(self, what, matches):
        """Takes the first stanza that matches out of the inbox, and waits for it if it is not there yet."""
        def find():
            return next((s for s in self.inbox if matches(s)), None)

        have = lambda: f"{what} for {self.bare}, which has\n" + "\n".join(map(str, self.inbox))  # noqa: E731
        found = until(have, find)
        self.inbox = [s for s in self.inbox if s is not found]
        return found

    def ask(self, task):
        """The result of a request of the library, or the error that it raises."""
        answers = []

        def done(task):  # which forgets its result behind this
            try:
                answers.append((task.finish(), None))
            except StanzaError as e:
                answers.append((None, e))

        task.add_done_callback(done, weak=False)
        result, error = until("an answer", lambda: answers and answers[0])
        if error:
            raise error
        return result

    def module(self, name):
        return self.client.get_module(name)

    def request(self, iq):
        """The answer to a request."""
        answers = []
        # Without a timeout: nbxmpp 4.2.2 takes that of a second request for a time long ago.
        self.client.send_stanza(iq, callback=lambda _client, answer: answers.append(answer))
        return until(f"an answer to {iq}", lambda: answers and answers[0])

    def ping(self):
        """The server has got all that was sent, and what it had sent is here."""
        iq = Iq("get", to=DOMAIN)
        iq.addChild("ping", namespace=Namespace.PING)
        return self.request(iq)

    def contacts(self):
        """The contact list: the subscription for each address."""
        return {str(i.jid): i.subscription for i in self.ask(self.module("Roster").request_roster()).items or ()}

    def write(self, to, body):
        self.client.send_stanza(Message(to=to, body=body, typ="chat"))

    def bodies(self):
        """The texts that have come since the last time, in order."""
        got = [s for s in self.inbox if s.getName() == "message" and s.getBody()]
        self.inbox = [s for s in self.inbox if s.getName() != "message"]
        return [s.getBody() for s in got]


def befriend(one, other):
    """Two who are there see each other from now on."""
    for a, b in ((one, other), (other, one)):
        a.module("BasePresence").subscribe(b.bare)
        b.receive("request", is_presence("subscribe", a.bare))
        b.module("BasePresence").subscribed(a.bare)
        a.receive("consent", is_presence("subscribed", b.bare))
        a.receive("presence", is_presence(None, b.full))


def is_presence(kind, who):
    """Presence of that type (None: available) from who: an address, full or bare as it is given."""
    return lambda s: s.getName() == "presence" and s.getType() == kind and str(s.getFrom()) == who


def is_gone(s):
    return s.getName() == "presence" and s.getType() == "unavailable"


def is_message(body):
    return lambda s: s.getName() == "message" and s.getBody() == body


def refused(answer):
    """Condition and words of an error."""
    assert answer.getType() == "error", f"not refused: {answer}"
    return answer.getError(), answer.getErrorMsg()

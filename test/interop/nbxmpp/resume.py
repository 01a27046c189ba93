# SPDX-License-Identifier: Apache-2.0
"""Sessions that go on after their connection broke, and after a restart of the server (XEP-0198 §5)."""

from peer import WEBSOCKET, Peer, Play, ask, befriend, equal, is_gone, until

play = Play()
who = {}


@play.check
def managed():
    """a session that can be resumed"""
    a = who["a"] = Peer("ann").come()
    b = who["b"] = Peer("ben").come()
    befriend(a, b)
    for p in (a, b):
        p.ping()
        assert p.client.resumeable, f"the session of {p.bare} cannot be resumed"


def cuts(a, b):
    """A chat under which the connection of a breaks ten times."""
    b.inbox.clear()
    to_a, to_b, full = [], [], a.full
    for n in range(10):
        for k in range(6):
            to_a.append(f"{n}.{k} to a")
            b.write(a.bare if k % 2 else full, to_a[-1])
            if k < 4:
                to_b.append(f"{n}.{k} to b")
                a.write(b.bare, to_b[-1])
            if k == 1:
                b.ping()
            if k == 3:
                a.cut()
        a.resume()
        equal(a.full, full, "address")
    b.ping()
    a.ping()
    b.ping()
    equal(a.bodies(), to_a, "what the one got")
    equal(b.bodies(), to_b, "what the other got")
    assert not any(map(is_gone, b.inbox)), "the other saw it leave"


@play.check
def cut():
    """a connection that breaks under a chat, ten times: nothing is lost or doubled, and nobody sees anyone leave"""
    cuts(who["a"], who["b"])


@play.check
def websocket():
    """the same over a WebSocket"""
    who["a"].module("BasePresence").send(typ="unavailable")  # the other device does not take what is for both
    a = Peer("ann", "web", road=WEBSOCKET).come()
    a.ping()
    who["b"].ping()
    cuts(a, who["b"])
    a.leave()
    who["a"].receive("its end", is_gone)
    who["a"].module("BasePresence").send()


@play.check
def restart():
    """a restart of the server: both go on, nothing is lost or doubled, and nobody sees anyone leave"""
    a, b = who["a"], who["b"]
    for p in (a, b):
        p.ping()
        p.inbox.clear()
        p.lost = None
    full = a.full, b.full
    for n in range(3):
        b.write(a.bare, f"before {n}")
    b.ping()
    ask("restart")
    until("the end", lambda: a.lost and b.lost)
    b.resume()
    b.write(a.bare, "after 0")
    b.ping()
    a.resume()
    b.write(a.bare, "after 1")
    b.ping()
    a.ping()
    equal((a.full, b.full), full, "addresses")
    equal(a.bodies(), ["before 0", "before 1", "before 2", "after 0", "after 1"], "what ann got")
    for p in (a, b):
        assert not any(map(is_gone, p.inbox)), f"{p.bare} saw somebody leave"
    a.leave()
    b.leave()


play.run()

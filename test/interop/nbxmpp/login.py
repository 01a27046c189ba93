# SPDX-License-Identifier: Apache-2.0
"""Ways in, what must not be one, and a chat on each."""

from peer import (DIRECT, STARTTLS, WEBSOCKET, LoginFailed, Peer, Play, address, befriend, equal, is_gone, is_message,
                  is_presence)

play = Play()
ROADS = {"STARTTLS": STARTTLS, "direct TLS": DIRECT, "a WebSocket": WEBSOCKET}


@play.check
def roads():
    """STARTTLS, direct TLS and WebSocket: the contact list, a chat both ways, and the end"""
    ben = Peer("ben").come()
    for n, (name, road) in enumerate(ROADS.items()):
        ann = Peer("ann", road=road).come()
        equal(ann.mechanism, "SCRAM-SHA-512", "mechanism over " + name)
        if n == 0:
            befriend(ann, ben)
        else:
            ben.receive("presence over " + name, is_presence(None, ann.full))
            equal(ann.contacts(), {ben.bare: "both"}, "contacts over " + name)
        ann.write(ben.bare, f"Grüße & <küsse> over {name} 👋🏽")
        got = ben.receive("message", is_message(f"Grüße & <küsse> over {name} 👋🏽"))
        equal(str(got.getFrom()), ann.full, "from")
        ben.write(ann.full, "back")
        ann.receive("answer", is_message("back"))
        ann.leave()
        ben.receive("unavailable", lambda s, full=ann.full: is_gone(s) and str(s.getFrom()) == full)
    ben.leave()


@play.check
def mechanisms():
    """every mechanism of the list alone, and nothing weaker"""
    for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"):
        p = Peer("ann", mechanisms=[mechanism]).login()
        equal(p.mechanism, mechanism, "mechanism")
        p.leave()
    for mechanism in ("PLAIN", "EXTERNAL"):
        equal(failure(Peer("ann", mechanisms=[mechanism])), "SASL: invalid-mechanism", mechanism)


@play.check
def wrong_password():
    """a wrong password, and a name that does not exist: not-authorized, on every road"""
    for road in ROADS.values():
        equal(failure(Peer("ann", password="not the password", road=road)), "SASL: not-authorized", "ann")
        equal(failure(Peer("nobody", road=road)), "SASL: not-authorized", "nobody")


@play.check
def stranger():
    """a certificate that nobody trusts: the client goes"""
    assert failure(Peer("ann", trusted=False)).startswith("BAD_CERTIFICATE"), "it stayed"


@play.check
def same_resource():
    """the same resource again: the older session ends with conflict"""
    old = Peer("ann", "desk").login()
    new = Peer("ann", "desk").login()
    old.receive("error", lambda s: s.getName() == "error" and s.getTag("conflict") is not None)
    equal(new.full, address("ann") + "/desk", "address")
    new.ping()
    new.leave()


def failure(peer):
    """Why a log-in fails."""
    try:
        peer.login()
    except LoginFailed as e:
        return str(e)
    raise AssertionError(f"{peer.bare} is in")


play.run()

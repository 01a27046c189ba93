# SPDX-License-Identifier: Apache-2.0
"""Accounts by invitation over XMPP (XEP-0077, XEP-0401, XEP-0445), and contacts by invitation (XEP-0379)."""

import slixmpp
from peer import DOMAIN, PATIENCE, Peer, Play, address, entry, equal, is_presence, is_push
from slixmpp.exceptions import IqError

play = Play()
ann, ben, eve = (address(n) for n in ("ann", "ben", "eve"))
who = {}
INVITE = "urn:xmpp:invite#invite"
PREAUTH = "urn:xmpp:pars:0"


async def invitation():
    """The token of an invitation of ann's."""
    answer = await who["a"]["xep_0050"].send_command(DOMAIN, INVITE, timeout=PATIENCE)
    uri = answer["command"]["form"].get_values()["uri"]
    assert uri.startswith(f"xmpp:{ann}?"), uri
    parameters = dict(p.partition("=")[::2] for p in uri.partition("?")[2].split(";"))
    equal(parameters.get("ibr"), "y", "whether apps may register with it")
    return parameters["preauth"]


def preauth(p, token):
    """Shows a token before the log-in (XEP-0445 §4)."""
    iq = p.make_iq_set(ito=DOMAIN)
    iq.append(slixmpp.xmlstream.ET.Element(f"{{{PREAUTH}}}preauth", token=token))
    return iq.send(timeout=PATIENCE)


def sign_up(p, name, password):
    iq = p.make_iq_set(ito=DOMAIN)
    iq["register"]["username"] = name
    iq["register"]["password"] = password
    return iq.send(timeout=PATIENCE)


async def words(request):
    """Condition and words of a refusal."""
    try:
        result = await request
    except IqError as e:
        return e.iq["error"]["condition"], e.iq["error"]["text"]
    raise AssertionError(f"not refused: {result}")


async def register(p, steps):
    """Logs p in, with steps before it that take the form which the server has for everybody."""
    outcome = []

    async def handler(form):
        try:
            await steps(form)
            outcome.append(None)
        except Exception as e:
            outcome.append(e)
            p.abort()

    # slixmpp 1.8.3 keeps its own request for the form back until there is a session.
    p._always_send_everything = True
    p.add_event_handler("register", handler)
    try:
        await p.login()
    finally:
        if outcome and outcome[0]:
            raise outcome[0]
    assert outcome, "registration was not offered"
    return p


@play.check
async def account():
    """an account by invitation: refused in words without one and with a bad one; then in on the same stream"""
    who["a"] = await Peer("ann", plugins=["xep_0050"]).come()
    e = who["e"] = Peer("eve", plugins=["xep_0077"])
    name, token = eve.split("@")[0], await invitation()

    async def steps(form):
        assert "by invitation" in form["register"]["instructions"], form
        condition, text = await words(sign_up(e, name, "a good password"))
        equal(condition, "not-acceptable", "without a token")
        assert "by invitation" in text, text
        condition, text = await words(preauth(e, "nonsense"))
        equal(condition, "item-not-found", "with a bad token")
        assert text, "no words"
        await preauth(e, token)
        form = await e["xep_0077"].get_registration(jid=DOMAIN, timeout=PATIENCE)
        equal(form["register"]["fields"], {"username", "password"}, "fields")
        condition, text = await words(sign_up(e, ann.split("@")[0], "a good password"))
        equal(condition, "conflict", "somebody's name")
        condition, text = await words(sign_up(e, name, "short"))
        equal(condition, "not-acceptable", "a bad password")
        assert text, "no words"
        await sign_up(e, name, e.password)

    await register(e, steps)
    equal(e.boundjid.bare, eve, "address")


@play.check
async def friends():
    """who was invited has who invited in the list, and both see each other"""
    a, e = who["a"], who["e"]
    await a.receive("push", is_push(eve, subscription="both"))
    equal(entry(await e.contacts(), ann).get("subscription"), "both", "subscription")
    e.send_presence()
    await a.receive("presence of the new one", is_presence("available", e.boundjid))
    await e.receive("presence of who invited", is_presence("available", a.boundjid))
    await e.leave()
    e = await Peer("eve").come()
    await e.leave()


@play.check
async def used():
    """an invitation that was used makes no second account"""
    token = await invitation()
    names = [address(n).split("@")[0] for n in ("fay", "gus")]

    async def first(_):
        await preauth(f, token)
        await sign_up(f, names[0], f.password)

    async def second(_):
        condition, text = await words(preauth(g, token))
        equal(condition, "item-not-found", "with a token that was used")
        assert text, "no words"

    f, g = (Peer(n, plugins=["xep_0077"]) for n in ("fay", "gus"))
    await register(f, first)
    await f.leave()
    try:
        await register(g, second)
    except slixmpp.exceptions.XMPPError:
        raise
    except Exception as e:
        equal(str(e), "not-authorized", "log-in without an account")
    else:
        raise AssertionError("it is in")


@play.check
async def contact():
    """somebody with an account shows an invitation with the request: contacts at once, and nobody is asked"""
    a, b, token = who["a"], await Peer("ben").come(), await invitation()
    request = b.make_presence(pto=ann, ptype="subscribe")
    request.append(slixmpp.xmlstream.ET.Element(f"{{{PREAUTH}}}preauth", token=token))
    request.send()
    b.subscription("subscribed", ann)  # XEP-0379 §3.4: the way back is granted before it is asked for
    await b.receive("consent", is_presence("subscribed", ann))
    await b.receive("push", is_push(ann, subscription="both"))
    await a.receive("push", is_push(ben, subscription="both"))
    await a.receive("presence", is_presence("available", b.boundjid))
    await b.receive("presence", is_presence("available", a.boundjid))
    for p, jid in ((a, ben), (b, ann)):
        await p.nothing("a request", is_presence("subscribe", jid))
    await b.leave()
    await a.leave()


play.run()

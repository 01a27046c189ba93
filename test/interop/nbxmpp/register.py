# SPDX-License-Identifier: Apache-2.0
"""Accounts by invitation over XMPP: with the token first (XEP-0445), and by the form for apps that know no tokens."""

from nbxmpp.const import Mode
from nbxmpp.errors import StanzaError
from nbxmpp.modules.dataforms import extend_form
from nbxmpp.namespaces import Namespace
from nbxmpp.protocol import Iq
from peer import (DIRECT, DOMAIN, STARTTLS, WEBSOCKET, LoginFailed, Peer, Play, address, equal, is_presence, refused,
                  settings)

play = Play()
ann = address("ann")
who = {}


def invitation():
    """An invitation of ann's: the token and the address of its page."""
    iq = Iq("set", to=DOMAIN)
    iq.addChild("command", namespace=Namespace.COMMANDS, attrs={"node": "urn:xmpp:invite#invite"})
    answer = who["a"].request(iq)
    form = extend_form(node=answer.getTag("command").getTag("x", namespace=Namespace.DATA))
    uri, page = form.vars["uri"].value, form.vars["landing-url"].value
    return dict(p.partition("=")[::2] for p in uri.partition("?")[2].split(";"))["preauth"], page


def newcomer(name, road=STARTTLS):
    """Somebody who has no account yet, before the log-in."""
    p = Peer(name, road=road)
    p.client.set_mode(Mode.REGISTER)
    return p.login()


def preauth(p, token):
    iq = Iq("set", to=DOMAIN)
    iq.addChild("preauth", namespace="urn:xmpp:pars:0", attrs={"token": token})
    return p.request(iq)


def submit(p, form, **fields):
    form = form.get_purged() if not form.is_fake_form() else form
    for name, value in fields.items():
        form.vars[name].value = value
    form.type_ = "submit"
    return p.ask(p.module("Register").submit_register_form(form))


def words(p, form, **fields):
    """Condition and words of a refusal."""
    try:
        result = submit(p, form, **fields)
    except StanzaError as e:
        assert e.get_text(), "no words"
        return e.condition, e.get_text()
    raise AssertionError(f"not refused: {result}")


def moves_in(p, name, road=STARTTLS):
    """The new account logs in, has ann in its list and sees her."""
    p.leave()
    p = Peer(name, road=road).come()
    equal(p.contacts(), {ann: "both"}, "contacts")
    p.receive("presence of who invited", is_presence(None, who["a"].full))
    p.leave()


@play.check
def by_token():
    """with the token first, over STARTTLS and over a WebSocket: name and password are all that is asked for"""
    who["a"] = Peer("ann").come()
    for name, road in (("bea", STARTTLS), ("cay", WEBSOCKET)):
        token, _ = invitation()
        p = newcomer(name, road)
        condition, text = refused(preauth(p, "nonsense"))
        equal(condition, "item-not-found", "a bad token")
        assert text, "no words"
        equal(preauth(p, token).getType(), "result", "a good token")
        data = p.ask(p.module("Register").request_register_form())
        assert "token" not in data.form.vars, data.form
        fields = {"username": address(name).split("@")[0], "password": settings["password"]}
        condition, text = words(p, data.fields_form, username=ann.split("@")[0], password="something else")
        equal(condition, "conflict", "somebody's name")
        submit(p, data.fields_form, **fields)
        moves_in(p, name, road)


@play.check
def by_form():
    """by the form, over direct TLS: refused in words without an invitation; a link, copied as it is, will do"""
    p = newcomer("dot", DIRECT)
    data = p.ask(p.module("Register").request_register_form())
    assert data.fields_form is None, "two fields are not enough"
    assert "by invitation" in data.form.instructions, data.form.instructions
    fields = {"username": address("dot").split("@")[0], "password": settings["password"]}
    condition, text = words(p, data.form, **fields)
    equal(condition, "not-acceptable", "without an invitation")
    assert "by invitation" in text, text
    condition, text = words(p, data.form, token="nonsense", **fields)
    equal(condition, "item-not-found", "with a bad one")
    _, page = invitation()
    submit(p, data.form, token=page, **fields)
    moves_in(p, "dot", DIRECT)


@play.check
def uninvited():
    """who is not invited has no account"""
    try:
        Peer("nobody").login()
    except LoginFailed as e:
        equal(str(e), "SASL: not-authorized", "log-in")
    else:
        raise AssertionError("it is in")
    who["a"].leave()


play.run()

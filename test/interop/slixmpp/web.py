# SPDX-License-Identifier: Apache-2.0
"""A person with slixmpp and one in the web app, which the test beside this play stands for: see web_test.go."""

import slixmpp
from peer import Peer, Play, address, cue, equal, is_message, is_presence, is_push

play = Play()
web = address("web")
who = {}


@play.check
async def friends():
    """a request to somebody in the web app, answered, and one from there"""
    a = who["a"] = await Peer("ann", plugins=["xep_0085", "xep_0184", "xep_0203"]).come()
    a.subscription("subscribe", web)
    await a.receive("consent", is_presence("subscribed", web))
    await a.receive("request", is_presence("subscribe", web))
    a.subscription("subscribed", web)
    await a.receive("push", is_push(web, subscription="both"))
    got = await a.receive("presence", lambda s: isinstance(s, slixmpp.Presence) and s["type"] == "available"
                          and s["from"].bare == web)
    who["web"] = got["from"]


@play.check
async def chat():
    """chat both ways, with typing and receipts"""
    a = who["a"]
    message = a.make_message(mto=web, mbody="Hello, browser", mtype="chat")
    message["id"] = "hello"
    message["request_receipt"] = True
    message["chat_state"] = "active"
    message.send()
    got = await a.receive("receipt", lambda s: isinstance(s, slixmpp.Message) and s["receipt"] == "hello")
    equal(got["from"], who["web"], "who has it")
    await a.receive("typing", lambda s: isinstance(s, slixmpp.Message) and s["chat_state"] == "composing")
    got = await a.receive("answer", is_message("Hello, slixmpp ✓"))
    equal((got["from"], got["type"]), (who["web"], "chat"), "answer")
    equal(got.xml.find("{urn:xmpp:sid:0}stanza-id").get("by"), a.boundjid.bare, "who gave it its id")


@play.check
async def away():
    """what is written to a web user who is away is there on return, in order; what they wrote meanwhile comes too"""
    a = who["a"]
    cue("leave")
    await a.receive("unavailable", is_presence("unavailable", who["web"]))
    for n in range(3):
        a.send_message(mto=web, mbody=f"for later {n}", mtype="chat")
    await a.leave()
    cue("return")  # and write to ann, who is away now
    a = await Peer("ann", plugins=["xep_0203"]).come()
    got = await a.receive("message", is_message("for later, too"))
    assert got["delay"]["stamp"], got
    await a.leave()


play.run()

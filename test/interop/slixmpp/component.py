# SPDX-License-Identifier: Apache-2.0
"""A component (XEP-0114): a bot that says again what it hears, and people who talk to it."""

from peer import DOMAIN, PATIENCE, Peer, Play, Service, address, ask, equal, is_message, is_presence

play = Play()
BOT = "echo." + DOMAIN
ann = address("ann")
who = {}


class Echo(Service):
    """Answers as the address that was written to."""

    def __init__(self, secret):
        super().__init__(BOT, secret, int(ask("port")))
        self["xep_0030"].add_identity(category="client", itype="bot", name="Echo")
        self.roster.auto_authorize = True
        self.roster.auto_subscribe = False
        self.add_event_handler("message", self.say_again)

    def say_again(self, message):
        if message["type"] != "error":
            self.send_message(mto=message["from"], mfrom=message["to"], mbody=message["body"], mtype="chat")


@play.check
async def refused():
    """a wrong secret does not open"""
    bot = Echo("not the secret, not at all")
    equal(await bot.come(), False, "let in")
    bot.abort()


@play.check
async def connect():
    """the right one does"""
    who["bot"] = Echo(ask("secret"))
    equal(await who["bot"].come(), True, "let in")


@play.check
async def discovery():
    """it is among the server's services, and says what it is"""
    a = who["a"] = await Peer("ann", "desk").come()
    items = (await a["xep_0030"].get_items(jid=DOMAIN, timeout=PATIENCE))["disco_items"]["items"]
    assert (BOT, None, None) in items, items
    info = (await a["xep_0030"].get_info(jid=BOT, timeout=PATIENCE))["disco_info"]
    assert ("client", "bot", None, "Echo") in info["identities"], info


@play.check
async def chat():
    """any address of its domain, in order, text as it was sent"""
    a = who["a"]
    texts = [f"Grüße & <b>{n}</b> 👋🏽" for n in range(20)]
    for text in texts:
        a.send_message(mto="anybody@" + BOT, mbody=text, mtype="chat")
    for text in texts:
        got = await a.receive("echo", is_message(text))
        equal((got["from"].bare, got["type"]), ("anybody@" + BOT, "chat"), "header")


@play.check
async def ping():
    """requests both ways"""
    assert await who["a"]["xep_0199"].ping(jid=BOT, timeout=PATIENCE) < PATIENCE
    assert await who["bot"]["xep_0199"].ping(jid=DOMAIN, ifrom=BOT, timeout=PATIENCE) < PATIENCE
    info = (await who["bot"]["xep_0030"].get_info(jid=DOMAIN, ifrom=BOT, timeout=PATIENCE))["disco_info"]
    assert "urn:xmpp:ping" in info["features"], info


@play.check
async def contact():
    """it can be a contact: who asks it to be is granted"""
    a = who["a"]
    a.subscription("subscribe", BOT)
    await a.receive("consent", is_presence("subscribed", BOT))


@play.check
async def second():
    """a second one is refused while the first is there, and the first stays"""
    other = Echo(ask("secret"))
    equal(await other.come(), False, "let in")
    other.abort()
    who["a"].send_message(mto=BOT, mbody="still here?", mtype="chat")
    await who["a"].receive("echo", is_message("still here?"))


@play.check
async def away():
    """what is for it while it is away for a moment comes when it is back"""
    a = who["a"]
    await who["bot"].leave()
    a.send_message(mto=BOT, mbody="for later", mtype="chat")
    await a.ping()
    bot = who["bot"] = Echo(ask("secret"))
    equal(await bot.come(), True, "let in")
    await a.receive("echo", is_message("for later"))
    await bot.leave()
    await a.leave()


play.run()

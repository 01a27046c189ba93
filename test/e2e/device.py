# SPDX-License-Identifier: Apache-2.0
"""A device of somebody's that is no browser, on slixmpp: what the phone in a drawer does.

It is told what to do on standard input, a line of JSON each: ["what", arguments …], for Device.do_what. What came of it
stands on standard output, one line of JSON for each: {"ok": …} or {"wrong": "…"}. It is built on what the plays in
test/interop have in common; the argument is as play.py there has it.
"""

import asyncio
import json
import os
import sys
from xml.etree import ElementTree

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop", d) for d in ("slixmpp", "python")]

import slixmpp  # noqa: E402
from peer import DOMAIN, PATIENCE, Peer  # noqa: E402
from slixmpp.plugins.xep_0048.stanza import Bookmarks  # noqa: E402

CLIENT, EVENT, DATA, SID = "jabber:client", "http://jabber.org/protocol/pubsub#event", "jabber:x:data", "urn:xmpp:sid:0"
METADATA, DISPLAYED = "urn:xmpp:avatar:metadata", "urn:xmpp:mds:displayed:0"
NICK = "http://jabber.org/protocol/nick"
WAIT = 6 * PATIENCE  # for many messages


class Device(Peer):
    """Keeps the texts of all chats, in the order in which they came."""

    def __init__(self, name, resource):
        super().__init__(name, resource, plugins=["xep_0049", "xep_0048", "xep_0060", "xep_0084", "xep_0115", "xep_0163",
                                                  "xep_0191", "xep_0198", "xep_0280"])
        self.heard = []  # (body, id in the archive)

    async def do_start(self):
        await self.login(direct=True)
        await self.contacts()
        await self["xep_0280"].enable(timeout=PATIENCE)
        for node in (METADATA, DISPLAYED, NICK):
            self["xep_0030"].add_feature(node + "+notify")
        await self["xep_0115"].update_caps(broadcast=False)
        self.send_presence()
        return str(self.boundjid)

    def _keep(self, stanza):
        if isinstance(stanza, slixmpp.Message):
            message = stanza.xml
            for copy in message.iterfind("*/{urn:xmpp:forward:0}forwarded/{jabber:client}message"):
                if stanza["from"].bare == self.boundjid.bare:
                    message = copy
            body = message.findtext(f"{{{CLIENT}}}body")
            if body is not None:
                ids = [s.get("id") for s in message.iterfind(f"{{{SID}}}stanza-id") if s.get("by") == self.boundjid.bare]
                self.heard.append((body, ids[0] if ids else ""))
                self.changed.set()
                return stanza
        return super()._keep(stanza)

    async def do_say(self, to, text):
        message = self.make_message(mto=to, mbody=text, mtype="chat")
        message["id"] = text
        message.send()
        self.heard.append((text, ""))

    async def do_crowd(self, to, n):
        """Says the numbers from 1 to n, as fast as it can."""
        for i in range(1, n + 1):
            self.send_message(mto=to, mbody=f"number {i}", mtype="chat")
            if i % 100 == 0:
                await self.ping()
        await self.ping()

    async def do_texts(self, n):
        """The texts, when there are n of them or more."""
        try:
            async with asyncio.timeout(WAIT):
                while len(self.heard) < n:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            pass  # whoever asked sees what there is
        return [body for body, _ in self.heard]

    async def pep(self, who, node):
        """The payload of the next event of a node, and its item's id."""
        at = f"{{{EVENT}}}event/{{{EVENT}}}items[@node='{node}']/{{{EVENT}}}item"
        got = await self.receive(f"an event of {node}", lambda s: isinstance(s, slixmpp.Message) and s["from"].bare == who
                                 and s.xml.find(at) is not None)
        item = got.xml.find(at)
        return item.get("id"), item[0]

    async def do_displayed(self, chat):
        """Waits until another device says that it has read a chat, up to the last text that came (XEP-0490)."""
        while True:
            read, payload = await self.pep(self.boundjid.bare, DISPLAYED)
            if read == chat and payload.find(f"{{{SID}}}stanza-id").get("id") == self.heard[-1][1]:
                return

    async def do_read(self, chat):
        """Says that it has read a chat, up to the last text that came."""
        e = ElementTree.Element(f"{{{DISPLAYED}}}displayed")
        ElementTree.SubElement(e, f"{{{SID}}}stanza-id", by=self.boundjid.bare, id=self.heard[-1][1])
        form = self["xep_0004"].make_form("submit")
        for var, value in (("FORM_TYPE", "http://jabber.org/protocol/pubsub#publish-options"), ("pubsub#persist_items", "true"),
                           ("pubsub#max_items", "max"), ("pubsub#send_last_published_item", "never"),
                           ("pubsub#access_model", "whitelist")):
            form.add_field(var=var, value=value)
        await self["xep_0060"].publish(None, DISPLAYED, id=chat, payload=e, options=form, timeout=PATIENCE)

    async def do_face(self, who):
        """The size and the kind of the picture that somebody has chosen (XEP-0084)."""
        while True:
            _, payload = await self.pep(who, METADATA)
            info = payload.find(f"{{{METADATA}}}info")
            if info is None:
                continue
            got = await self["xep_0084"].retrieve_avatar(who, info.get("id"), timeout=PATIENCE)
            data = got["pubsub"]["items"]["item"]["avatar_data"]["value"]
            return {"said": int(info.get("bytes")), "is": len(data), "type": info.get("type"), "png": data[1:4] == b"PNG"}

    async def do_name(self, who):
        """The name that somebody has chosen (XEP-0172)."""
        return (await self.pep(who, NICK))[1].text

    async def do_blocked(self):
        return sorted(str(j) for j in (await self["xep_0191"].get_blocked(timeout=PATIENCE))["blocklist"]["items"])

    async def do_block(self, who):
        await self["xep_0191"].block(who, timeout=PATIENCE)

    async def do_unblock(self, who):
        await self["xep_0191"].unblock(who, timeout=PATIENCE)

    async def do_pushed(self, what, who):
        """Waits until it is told that another device has blocked or unblocked somebody (XEP-0191 §3.3)."""
        await self.receive(what, lambda s: isinstance(s, slixmpp.Iq) and s["type"] == "set" and s.xml.find(
            f"{{urn:xmpp:blocking}}{what}/{{urn:xmpp:blocking}}item[@jid='{who}']") is not None)

    async def do_bookmark(self, room, name, nick):
        """Keeps a room among its bookmarks, as old clients do (XEP-0048 in XEP-0049)."""
        marks = Bookmarks()
        marks.add_conference(room, nick, name=name, autojoin=True)
        await self["xep_0048"].set_bookmarks(marks, method="xep_0049", timeout=PATIENCE)

    async def do_bookmarks(self):
        """The bookmarks, as new clients see them (XEP-0402) and as old ones do."""
        got = await self["xep_0060"].get_items(self.boundjid.bare, "urn:xmpp:bookmarks:1", timeout=PATIENCE)
        new = [[i["id"], i["payload"].get("name"), i["payload"].findtext("{urn:xmpp:bookmarks:1}nick")]
               for i in got["pubsub"]["items"]]
        old = (await self["xep_0048"].get_bookmarks(method="xep_0049", timeout=PATIENCE))["private"]["bookmarks"]["conferences"]
        return {"new": new, "old": [[str(c["jid"]), c["name"], c["nick"]] for c in old]}


async def main():
    loop = asyncio.get_running_loop()
    device = None
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, *arguments = json.loads(line)
        try:
            if what == "start":
                device = Device(*arguments)
                arguments = []
            answer = {"ok": await getattr(device, "do_" + what)(*arguments)}
        except Exception as e:
            answer = {"wrong": f"{what}: {type(e).__name__}: {str(e)[:2000]}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())

# SPDX-License-Identifier: Apache-2.0
"""Who one is: vCards, pictures, nicknames, bookmarks and what clients keep for themselves."""

import base64
import hashlib
from xml.etree import ElementTree

import slixmpp
from peer import PATIENCE, Peer, Play, address, befriend, equal, refused

play = Play()
ann = address("ann")
who = {}
MARKS = "urn:xmpp:bookmarks:1"
UPDATE = "{vcard-temp:x:update}"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def shows(data):
    """Presence of ann's that tells the hash of a picture."""
    want = hashlib.sha1(data).hexdigest()

    def matches(s):
        if not isinstance(s, slixmpp.Presence) or s["from"].bare != ann:
            return False
        photo = s.xml.find(f"{UPDATE}x/{UPDATE}photo")
        return photo is not None and photo.text == want

    return matches


def event(node):
    """An event of a node of ann's."""
    return lambda s: isinstance(s, slixmpp.Message) and s["from"].bare == ann and s.xml.find(
        f"{{http://jabber.org/protocol/pubsub#event}}event/*[@node='{node}']") is not None


@play.check
async def begin():
    """two who see each other"""
    a = who["a"] = await Peer("ann", plugins=["xep_0048", "xep_0049", "xep_0054", "xep_0060", "xep_0084", "xep_0163",
                                              "xep_0172", "xep_0223"]).come()
    b = who["b"] = await Peer("ben", plugins=["xep_0054", "xep_0060", "xep_0084", "xep_0115", "xep_0163",
                                              "xep_0172"]).come()
    await befriend(a, b)
    info = (await a["xep_0030"].get_info(jid=ann, timeout=PATIENCE))["disco_info"]["features"]
    for wanted in (MARKS + "#compat", MARKS + "#compat-pep", "urn:xmpp:pep-vcard-conversion:0",
                   "urn:xmpp:mds:server-assist:0", "vcard-temp"):
        assert wanted in info, f"{wanted} is not in {info}"


@play.check
async def vcard():
    """a vCard: none, stored, read, seen by a contact"""
    a, b = who["a"], who["b"]
    equal(await refused(a["xep_0054"].get_vcard(jid=ann, cached=False, timeout=PATIENCE)), "item-not-found", "none")
    equal(await refused(b["xep_0054"].get_vcard(jid=ann, cached=False, timeout=PATIENCE)), "service-unavailable", "none")
    card = a["xep_0054"].make_vcard()
    card["FN"] = "Ann Example"
    card["NICKNAME"] = "Annie"
    card["N"]["GIVEN"] = "Ann"
    await a["xep_0054"].publish_vcard(card, timeout=PATIENCE)
    for peer in (a, b):
        got = (await peer["xep_0054"].get_vcard(jid=ann, cached=False, timeout=PATIENCE))["vcard_temp"]
        equal((got["FN"], got["N"]["GIVEN"]), ("Ann Example", "Ann"), f"vCard for {peer.boundjid}")


@play.check
async def published():
    """a picture that is published (0084) is in the vCard, and its hash in presence (0398)"""
    a, b = who["a"], who["b"]
    name = a["xep_0084"].generate_id(PNG)
    await a["xep_0084"].publish_avatar(PNG, timeout=PATIENCE)
    await a["xep_0084"].publish_avatar_metadata({"id": name, "type": "image/png", "bytes": len(PNG)}, timeout=PATIENCE)
    await b.receive("hash", shows(PNG))
    got = (await b["xep_0054"].get_vcard(jid=ann, cached=False, timeout=PATIENCE))["vcard_temp"]
    equal((got["PHOTO"]["TYPE"], got["PHOTO"]["BINVAL"], got["FN"]), ("image/png", PNG, "Ann Example"), "vCard")
    data = await b["xep_0084"].retrieve_avatar(ann, name, timeout=PATIENCE)
    equal(data["pubsub"]["items"]["item"]["avatar_data"]["value"], PNG, "data")


@play.check
async def stored():
    """a picture in a vCard (0153) is published"""
    a, b = who["a"], who["b"]
    card = (await a["xep_0054"].get_vcard(jid=ann, cached=False, timeout=PATIENCE))["vcard_temp"]
    card["PHOTO"]["TYPE"] = "image/gif"
    card["PHOTO"]["BINVAL"] = GIF
    await a["xep_0054"].publish_vcard(card, timeout=PATIENCE)
    await b.receive("hash", shows(GIF))
    data = await b["xep_0084"].retrieve_avatar(ann, hashlib.sha1(GIF).hexdigest(), timeout=PATIENCE)
    equal(data["pubsub"]["items"]["item"]["avatar_data"]["value"], GIF, "data")


@play.check
async def nickname():
    """a nickname is told to a contact who wants it (0163, 0172)"""
    a, b = who["a"], who["b"]
    await a["xep_0172"].publish_nick("Annie", timeout=PATIENCE)
    items = await b["xep_0060"].get_items(ann, "http://jabber.org/protocol/nick", timeout=PATIENCE)
    equal(items.xml.find(".//{http://jabber.org/protocol/nick}nick").text, "Annie", "nickname")
    await b.receive("event", event("http://jabber.org/protocol/nick"))


@play.check
async def bookmarks():
    """bookmarks that old clients keep are those of new ones, and the other way round (0048, 0049, 0402)"""
    a = who["a"]
    marks = a["xep_0048"].stanza.Bookmarks()
    marks.add_conference("coven@rooms.example", "ann", name="Coven", autojoin=True)
    await a["xep_0048"].set_bookmarks(marks, method="xep_0049", timeout=PATIENCE)
    items = await a["xep_0060"].get_items(ann, MARKS, timeout=PATIENCE)
    got = items.xml.find(f".//{{{MARKS}}}conference")
    equal((got.get("name"), got.get("autojoin"), got.find(f"{{{MARKS}}}nick").text), ("Coven", "true", "ann"), "item")
    mark = ElementTree.Element(f"{{{MARKS}}}conference", name="Heath")
    await a["xep_0060"].publish(ann, MARKS, id="heath@rooms.example", payload=mark, timeout=PATIENCE)
    for method, path in (("xep_0049", "private"), ("xep_0223", "pubsub")):
        answer = await a["xep_0048"].get_bookmarks(method=method, timeout=PATIENCE)
        names = [c.get("name") for c in answer.xml.iter("{storage:bookmarks}conference")]
        equal(names, ["Coven", "Heath"], path)


play.run()

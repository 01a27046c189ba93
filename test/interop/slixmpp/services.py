# SPDX-License-Identifier: Apache-2.0
"""What the server says about itself and does for its people: discovery, time, passwords, invitations."""

import asyncio
import datetime
import urllib.request

from peer import DOMAIN, PATIENCE, LoginFailed, Peer, Play, address, equal, refused

play = Play()
ann = address("ann")
who = {}
INVITE = "urn:xmpp:invite#invite"


@play.check
async def discovery():
    """disco#info of the server and of one's own account"""
    a = who["a"] = await Peer("ann", plugins=["xep_0030", "xep_0050", "xep_0077", "xep_0092", "xep_0115",
                                              "xep_0202"]).come()
    info = (await a["xep_0030"].get_info(jid=DOMAIN, timeout=PATIENCE))["disco_info"]
    kinds = {(category, kind) for category, kind, _, _ in info["identities"]}
    assert ("server", "im") in kinds, kinds
    for wanted in ("http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items",
                   "http://jabber.org/protocol/commands", "http://jabber.org/protocol/caps", "jabber:iq:roster",
                   "jabber:iq:version", "urn:xmpp:ping", "urn:xmpp:time", "msgoffline"):
        assert wanted in info["features"], f"{wanted} is not in {info['features']}"
    own = (await a["xep_0030"].get_info(jid=ann, timeout=PATIENCE))["disco_info"]
    kinds = {(category, kind) for category, kind, _, _ in own["identities"]}
    assert ("account", "registered") in kinds, kinds
    equal(await refused(a["xep_0030"].get_info(jid=DOMAIN, node="urn:example:none", timeout=PATIENCE)),
          "item-not-found", "a node that does not exist")


@play.check
async def capabilities():
    """the hash in the stream features is that of disco#info (XEP-0115)"""
    a = who["a"]
    caps = a.offered["caps"]
    assert caps["hash"] == "sha-1" and caps["ver"], caps
    info = await a["xep_0030"].get_info(jid=DOMAIN, node=f"{caps['node']}#{caps['ver']}", timeout=PATIENCE)
    equal(a["xep_0115"].generate_verstring(info["disco_info"], "sha-1"), caps["ver"], "hash of what it answers")
    bare = await a["xep_0030"].get_info(jid=DOMAIN, timeout=PATIENCE)
    equal(a["xep_0115"].generate_verstring(bare["disco_info"], "sha-1"), caps["ver"], "without the node")


@play.check
async def ping():
    """ping (XEP-0199)"""
    assert await who["a"]["xep_0199"].ping(jid=DOMAIN, timeout=PATIENCE) < PATIENCE


@play.check
async def version():
    """version (XEP-0092), without the operating system"""
    got = (await who["a"]["xep_0092"].get_version(DOMAIN, timeout=PATIENCE))["software_version"]
    equal((got["name"], got["os"]), ("Kith", ""), "name, system")
    assert got["version"], got


@play.check
async def time():
    """time (XEP-0202)"""
    got = (await who["a"]["xep_0202"].get_entity_time(DOMAIN, timeout=PATIENCE))["entity_time"].xml
    equal(got.findtext("{urn:xmpp:time}tzo"), "Z", "zone")
    # slixmpp 1.8.3 cannot read its own field: it puts a second Z behind the one that XEP-0202 §2 wants.
    off = datetime.datetime.fromisoformat(got.findtext("{urn:xmpp:time}utc")) - datetime.datetime.now(
        datetime.timezone.utc)
    assert abs(off) < datetime.timedelta(minutes=1), off


@play.check
async def invitation():
    """an invitation by command (XEP-0401 over XEP-0050), whose page can be opened"""
    a = who["a"]
    items = await a["xep_0050"].get_commands(DOMAIN, timeout=PATIENCE)
    nodes = [node for _, node, _ in items["disco_items"]["items"]]
    assert INVITE in nodes, nodes
    answer = (await a["xep_0050"].send_command(DOMAIN, INVITE, timeout=PATIENCE))["command"]
    equal((answer["node"], answer["status"]), (INVITE, "completed"), "command")
    assert answer["sessionid"], answer
    values = answer["form"].get_values()
    expire = datetime.datetime.fromisoformat(values["expire"])
    assert expire > datetime.datetime.now(datetime.timezone.utc), expire
    assert values["uri"].startswith("xmpp:" + ann), values["uri"]
    assert "preauth=" in values["uri"], values["uri"]

    def page():
        with urllib.request.urlopen(values["landing-url"], timeout=PATIENCE) as response:
            return response.status, response.read().decode()

    status, text = await asyncio.to_thread(page)
    equal(status, 200, "status of " + values["landing-url"])
    assert ann.split("@")[0] in text, "the page does not say who invites"


@play.check
async def unknown_command():
    """a command that does not exist: item-not-found"""
    equal(await refused(who["a"]["xep_0050"].send_command(DOMAIN, "urn:example:none", timeout=PATIENCE)),
          "item-not-found", "condition")


@play.check
async def password():
    """a new password: the session that set it goes on, others end, and the old one is worth nothing"""
    a = who["a"]
    other = await Peer("ann", "other").login()
    ended = asyncio.get_running_loop().create_future()
    other.add_event_handler("stream_error", lambda e: ended.done() or ended.set_result(e["condition"]))
    fresh = "another good password"
    equal(await refused(a["xep_0077"].change_password("short", jid=DOMAIN, timeout=PATIENCE)), "not-acceptable",
          "a password that is too short")
    await a["xep_0077"].change_password(fresh, jid=DOMAIN, timeout=PATIENCE)
    equal(await asyncio.wait_for(ended, PATIENCE), "reset", "stream error of the other session")
    await a.ping()
    try:
        await Peer("ann", "third", mechanism="SCRAM-SHA-256").login()
    except LoginFailed as e:
        equal(str(e), "not-authorized", "the old password")
    else:
        raise AssertionError("the old password still lets in")
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
        b = await Peer("ann", "third", password=fresh, mechanism=mechanism).login()
        await b.leave()
    await a.leave()


play.run()

# SPDX-License-Identifier: Apache-2.0
"""Files (XEP-0363): found by service discovery, brought over HTTP, shown, and refused.

slixmpp's own plugin needs aiohttp, which Debian does not install with it: the requests are written here.
"""

import urllib.error
import urllib.request
from xml.etree import ElementTree

from peer import DOMAIN, PATIENCE, Peer, Play, equal
from slixmpp.exceptions import IqError

play = Play()
NS = "urn:xmpp:http:upload:0"
who = {}


async def slot(name, size, kind=None):
    """The slot's addresses and headers."""
    request = ElementTree.Element(f"{{{NS}}}request", filename=name, size=str(size))
    if kind:
        request.set("content-type", kind)
    iq = who["a"].make_iq_get(ito=DOMAIN)
    iq.append(request)
    got = (await iq.send(timeout=PATIENCE)).xml.find(f"{{{NS}}}slot")
    put = got.find(f"{{{NS}}}put")
    headers = {h.get("name"): h.text for h in put.findall(f"{{{NS}}}header")}
    return put.get("url"), got.find(f"{{{NS}}}get").get("url"), headers


def bring(url, body, headers):
    """The status that bringing body to url has."""
    request = urllib.request.Request(url, data=body, headers=headers, method="PUT")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as e:
        return e.code


@play.check
async def discovery():
    """the server says that it takes files, and how large they may be"""
    a = who["a"] = await Peer("ann", plugins=["xep_0004"]).come()
    info = (await a["xep_0030"].get_info(jid=DOMAIN, timeout=PATIENCE))["disco_info"]
    assert NS in info["features"], info
    values = [v.text for v in info.xml.iterfind(".//{jabber:x:data}field[@var='max-file-size']/{jabber:x:data}value")]
    equal(values, ["104857616"], "max-file-size")


@play.check
async def file():
    """a file whose name and type stay"""
    put, get, headers = await slot("très cool & more.png", 5, "image/png")
    equal(list(headers), ["Authorization"], "headers")
    assert get.isascii() and get.endswith(".png"), get
    equal(bring(put, b"hello", headers | {"Content-Type": "image/png"}), 201, "status")
    with urllib.request.urlopen(get) as answer:
        equal((answer.read(), answer.headers["Content-Type"]), (b"hello", "image/png"), "file")
    equal(bring(put, b"other", headers), 409, "status of a second one")


@play.check
async def refused():
    """one that is too large; a slot without its token; a file of another size"""
    try:
        await slot("x", 1 << 40)
    except IqError as e:
        largest = e.iq.xml.find(f".//{{{NS}}}file-too-large/{{{NS}}}max-file-size")
        equal((e.condition, largest.text), ("not-acceptable", "104857616"), "refusal")
    else:
        raise AssertionError("not refused")
    put, _, headers = await slot("x.txt", 1)
    equal(bring(put, b"x", {}), 401, "status without a token")
    equal(bring(put, b"xx", headers), 413, "status of another size")
    await who["a"].leave()


play.run()

// SPDX-License-Identifier: Apache-2.0

// The namespaces of the stream itself; those of a feature stand in the feature's file under
// xmpp/, but for those that a log-in speaks of.
export const NS_CLIENT = 'jabber:client';
export const NS_STREAMS = 'http://etherx.jabber.org/streams';
export const NS_FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';
export const NS_STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams';
export const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
export const NS_SASL2 = 'urn:xmpp:sasl:2';
export const NS_BIND2 = 'urn:xmpp:bind:0';
export const NS_FAST = 'urn:xmpp:fast:0';
export const NS_SM = 'urn:xmpp:sm:3';
export const NS_LIMITS = 'urn:xmpp:stream-limits:0';
export const NS_CARBONS = 'urn:xmpp:carbons:2';
export const NS_CSI = 'urn:xmpp:csi:0';
export const NS_MAM = 'urn:xmpp:mam:2';

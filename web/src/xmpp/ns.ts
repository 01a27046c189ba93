// SPDX-License-Identifier: Apache-2.0

/** The content namespace of a client's stream (RFC 6120 §4.8.2). */
export const NS_CLIENT = 'jabber:client';
/** XEP-0004 data forms, of which we know one that is filled in and one that is a result. */
export const NS_DATA = 'jabber:x:data';

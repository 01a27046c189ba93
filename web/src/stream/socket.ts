// SPDX-License-Identifier: Apache-2.0

/** What the stream needs of a WebSocket; tests put a double in its place. */
export interface Socket {
  send(data: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((data: string) => void) | null;
  onclose: (() => void) | null; // once, also where the connection was never made
}

export type Dial = (url: string) => Socket;

/** dial opens a WebSocket that speaks XMPP (RFC 7395 §3.1). */
export function dial(url: string): Socket {
  const ws = new WebSocket(url, 'xmpp');
  const socket: Socket = {
    send: (data) => ws.send(data),
    close: () => ws.close(),
    onopen: null,
    onmessage: null,
    onclose: null,
  };
  ws.onopen = () => {
    // RFC 7395 §3.1: a server that did not agree on "xmpp" is not one of ours.
    if (ws.protocol === 'xmpp') socket.onopen?.();
    else ws.close();
  };
  ws.onmessage = (e: MessageEvent<unknown>) => {
    if (typeof e.data === 'string') socket.onmessage?.(e.data);
    else ws.close(); // RFC 7395 §3.2: text frames only
  };
  ws.onclose = () => socket.onclose?.();
  return socket;
}

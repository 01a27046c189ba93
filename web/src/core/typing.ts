// SPDX-License-Identifier: Apache-2.0

// Tells who may know, and wrote lately, that we are typing (XEP-0085 v2.1).
import type { Element } from '../xml/element';
import { type ChatState, stateMessage } from '../xmpp/chatstates';

const RECENT = 30 * 60_000; // ms since they wrote, for which they are told that we type
const PAUSE = 15_000; // ms without a keystroke that end the typing
const BREATH = 400; // ms in which the message may follow that ends the typing by itself

export interface TypingHooks {
  readonly now: () => number;
  /** Whether they may know now, and can be told. */
  readonly may: (chat: string) => boolean;
  /** When they last wrote, ms since 1970; 0 = never. */
  readonly heard: (chat: string) => Promise<number>;
  readonly send: (el: Element) => void;
}

export class Typing {
  private writing = { chat: '', state: 'active' as ChatState };
  private calls = 0; // only the last one still holds after a wait
  private pause: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly hooks: TypingHooks) {}

  async typing(chat: string, now: boolean): Promise<void> {
    clearTimeout(this.pause);
    const turn = ++this.calls;
    if (this.writing.state === 'composing' && this.writing.chat !== chat) this.tell(this.writing.chat, 'paused');
    if (!now && this.writing.state === 'composing') this.pause = setTimeout(() => this.tell(chat, 'paused'), BREATH);
    if (!now || !this.hooks.may(chat)) return;
    this.pause = setTimeout(() => void this.typing(chat, false).catch(() => {}), PAUSE);
    if (this.writing.state === 'composing') return;
    const heard = await this.hooks.heard(chat);
    if (turn === this.calls && this.hooks.now() - heard < RECENT) this.tell(chat, 'composing');
  }

  /** The text was sent, and said with it that we are there, no longer typing. */
  wrote(chat: string): void {
    clearTimeout(this.pause);
    this.calls++;
    if (this.writing.chat === chat) this.writing = { chat, state: 'active' };
  }

  stop(): void {
    clearTimeout(this.pause);
  }

  private tell(chat: string, state: ChatState): void {
    this.writing = { chat, state };
    this.hooks.send(stateMessage(chat, state));
  }
}

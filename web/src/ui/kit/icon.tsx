// SPDX-License-Identifier: Apache-2.0

// The pictures on buttons: lines on a field of 24 by 24. They say nothing to a screen reader; the button does.

const PATHS = {
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6L6 18',
  search: 'M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14zM20 20l-4-4',
  write: 'M4 20l1-4.2L16 4.8a1.7 1.7 0 0 1 2.4 0l.8.8a1.7 1.7 0 0 1 0 2.4L8.2 19zM14 7l3 3',
  gear:
    'M12 9a3 3 0 1 0 0 6a3 3 0 0 0 0-6zM10.3 4.3 L10.7 2.8h2.6l.4 1.5a8 8 0 0 1 2.1.9l1.4-.8 1.9 1.9-.8 1.4a8 8 0 0 1 .9 2.1l1.5.4v2.6l-1.5.4a8 8 0 0 1-.9 2.1l.8 1.4-1.9 1.9-1.4-.8a8 8 0 0 1-2.1.9l-.4 1.5h-2.6l-.4-1.5a8 8 0 0 1-2.1-.9l-1.4.8-1.9-1.9.8-1.4a8 8 0 0 1-.9-2.1l-1.5-.4v-2.6l1.5-.4a8 8 0 0 1 .9-2.1l-.8-1.4 1.9-1.9 1.4.8a8 8 0 0 1 2.1-.9z',
  send: 'M5 12l-1.6-7.2a.6.6 0 0 1 .9-.7l16 7.4a.6.6 0 0 1 0 1l-16 7.4a.6.6 0 0 1-.9-.7zM5 12h8',
  down: 'M12 5v14M6 13l6 6 6-6',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 0 0 0-5.6z',
  eyeOff: 'M4 4l16 16M9.9 5.8A9 9 0 0 1 12 5.5c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-2.8 3.5M6.2 7.4A16 16 0 0 0 2.5 12S6 18.5 12 18.5a9 9 0 0 0 4.6-1.3M10 10a2.8 2.8 0 0 0 4 4',
  copy: 'M9 9h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7a2 2 0 0 1-2-2zM5 15a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2h7a2 2 0 0 1 2 2',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  share: 'M12 3v12M7.5 7L12 2.8 16.5 7M5 12v6a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2v-6',
  invite: 'M10 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7zM3.5 20c.4-3.6 3-5.5 6.5-5.5 1.2 0 2.3.2 3.2.700M18 13.5v7M14.5 17h7',
  person: 'M12 4a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM4.5 20.5c.5-4 3.5-6 7.5-6s7 2 7.5 6',
  bell: 'M6 10a6 6 0 0 1 12 0c0 5 2 6 2 7H4c0-1 2-2 2-7zM10 20.5a2.2 2.2 0 0 0 4 0',
  key: 'M8 11.5a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM11 12.7L20 4M16.5 7.3l2.7 2.7',
  sun: 'M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4',
  leave: 'M14 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h7M10.5 12H21M17.5 8.5L21 12l-3.5 3.5',
  info: 'M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18zM12 11v5M12 7.8v.1',
  lock: 'M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM8 11V8a4 4 0 0 1 8 0v3',
  chat: 'M4 18.8V7a3 3 0 0 1 3-3h10a3 3 0 0 1 3 3v6a3 3 0 0 1-3 3H8z',
  remove: 'M10 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7zM3.5 20c.4-3.6 3-5.5 6.5-5.5 1.2 0 2.3.200 3.2.700M14.5 17h7',
} as const;

export type IconName = keyof typeof PATHS;

// Arrows that point along the line of text turn round with it.
const TURNS: ReadonlySet<IconName> = new Set<IconName>(['back', 'send', 'leave']);

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={TURNS.has(name) ? 'icon turns' : 'icon'} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

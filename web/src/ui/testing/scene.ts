// SPDX-License-Identifier: Apache-2.0

// A small world for the fake: friends, chats in every state there is, somebody who asks to be let in.
import { FakeApp, type FakeOptions } from './fake';

const HOUR = 60;
const DAY = 24 * HOUR;

/** world returns a fake full of people. */
export function world(options: FakeOptions = {}): FakeApp {
  const app = new FakeApp(options);
  app.befriend({ address: 'ann@example.org', name: 'Ann Okafor', show: 'online' });
  app.befriend({ address: 'ben@example.net', name: 'Ben', show: 'away', status: 'On the train' });
  app.befriend({ address: 'capek@example.cz', name: 'Zdeněk Čapek', show: 'offline' });
  app.befriend({ address: 'lilei@example.cn', name: '李雷', show: 'busy', status: '开会中' });
  app.befriend({ address: 'noor@example.sa', name: 'نور الهدى', show: 'online', status: 'متاحة' });
  app.befriend({ address: 'jurgen@example.de', name: 'Jürgen von der Lippe-Weißenfels', show: 'offline', status: 'Back on Monday' });
  app.befriend({ address: 'mia@example.org', name: 'Mia', asked: true, mutual: false });
  app.requests.value = [{ address: 'tomasz@example.pl', note: 'Hi, it’s Tomasz from the climbing gym' }];

  const ann = 'ann@example.org';
  for (let i = 70; i > 0; i--) {
    const mine = i % 5 < 2;
    app.put(ann, PAST[i % PAST.length] ?? '', { ago: 3 * DAY + i * 47, mine, ...(mine ? { state: 'delivered' } : {}), read: true });
  }
  const said = (text: string, ago: number, more: Parameters<FakeApp['put']>[2] = {}): string => app.put(ann, text, { ago, read: true, ...more });
  const wrote = (text: string, ago: number, more: Parameters<FakeApp['put']>[2] = {}): string =>
    said(text, ago, { mine: true, state: 'delivered', ...more });
  said('Did you get home all right? That was some storm.', DAY + 5 * HOUR);
  wrote('Yes! Soaked to the bone, but happy 😄', DAY + 5 * HOUR - 2);
  wrote('The tram stopped twice and the driver told jokes.', DAY + 5 * HOUR - 3);
  said('😂', DAY + 5 * HOUR - 5);
  said('Here are the photos: https://photos.example.org/2026/lake?album=summer#12 (the last ones are the best)', 4 * HOUR);
  said('', 3 * HOUR + 50, { unreadable: 'encrypted' });
  wrote('They are wonderful. Could I print the one with the boat for my mother? She would love it, and it is her birthday next week.', 3 * HOUR + 20);
  wrote('Only if you don’t mind.', 3 * HOUR + 19, { state: 'acked' });
  const shared = { url: '', name: '', type: '', size: 0, width: 0, height: 0 };
  const here = location.origin;
  said('', 3 * HOUR + 55, { file: { ...shared, url: `${here}/icon-512.png`, name: 'lake.png', type: 'image/png', size: 24_310, width: 1600, height: 1000, kind: 'picture' } });
  wrote('', 3 * HOUR + 18, { file: { ...shared, url: `${here}/files/route.pdf`, name: 'Route from the station to the lake.pdf', type: 'application/pdf', size: 1_432_000, kind: 'file' } });
  app.put(ann, 'Of course!', { ago: 12 });
  app.put(ann, 'Are you coming on Friday?', { ago: 11 });

  app.put('ben@example.net', 'The tickets are booked.\nPlatform 7, quarter past nine.', { ago: 2 * HOUR, read: true });
  app.put('ben@example.net', 'Perfect, see you there', { ago: 2 * HOUR - 1, mine: true, state: 'delivered', read: true });
  app.put('lilei@example.cn', '明天见!', { ago: 26 * HOUR, read: true });
  app.put('noor@example.sa', 'هل وصلتك الصور؟', { ago: 3 * DAY, read: true });
  app.put('noor@example.sa', 'نعم، شكرا جزيلا!', { ago: 3 * DAY - 3, mine: true, state: 'acked', read: true });
  app.put('capek@example.cz', 'Did you find the book?', { ago: 9 * DAY, mine: true, state: 'failed', failure: 'remote-server', read: true });
  app.put('jurgen@example.de', 'Ich melde mich, sobald ich wieder da bin. Bis dahin alles Gute, und grüß die anderen herzlich von mir!', { ago: 400 * DAY, read: true });
  app.put('stranger@example.com', 'Hello, are you the Robin who repairs bicycles?', { ago: 5 * HOUR });
  app.type('ben@example.net', true);

  app.put('stranger@example.com', '', {
    ago: 4 * HOUR, file: { ...shared, url: 'https://files.example.com/x/bike.jpg', name: 'bike.jpg', type: 'image/jpeg', size: 310_000, width: 900, height: 1200, kind: 'picture' },
  });
  app.avatars.value = new Map([['ann@example.org', '/icon-192.png'], ['robin@example.org', '/icon-maskable-192.png']]);
  app.ownName.value = 'Robin Hood';
  app.befriend({ address: 'pest@example.com', name: 'Pest', show: 'offline' });
  app.put('pest@example.com', 'Buy now!', { ago: 30 * DAY, read: true });
  app.blocked.value = new Set(['pest@example.com']);
  const now = options.now ?? Date.now();
  const device = { here: false, connected: false, firstSeen: now - 40 * DAY * 60_000, lastSeen: now, software: 'Kith', device: '', network: '192.0.2.0/24', password: false };
  app.accessed = [
    { ...device, id: 'd1', here: true, connected: true, device: 'Firefox, Linux' },
    { ...device, id: 'd2', connected: true, device: 'Chrome, Android' },
    { ...device, id: 'd3', software: 'Conversations', device: 'Pixel 8', lastSeen: now - 3 * DAY * 60_000, password: true },
  ];
  const pushed = { here: false, service: 'updates.push.services.mozilla.com', since: now - 9 * DAY * 60_000, sent: now - 20 * 60_000, failed: 0, error: '' };
  app.pushed = [
    { ...pushed, id: '1', here: true, name: 'Firefox, Linux' },
    { ...pushed, id: '2', name: 'Chrome, Android', service: 'fcm.googleapis.com', failed: now - HOUR * 60_000, error: 'unreachable' },
  ];
  return app;
}

const PAST = [
  'Good morning!',
  'I was thinking about the trip.',
  'We could take the early train and have breakfast on the way. What do you think?',
  'That sounds lovely',
  '👍',
  'Let me ask the others.',
  'They say yes.',
  'Then it is settled.',
];

// SPDX-License-Identifier: Apache-2.0

// The app with the fake behind it, for looking at the screens without a server (dev.html, only with "npm run
// dev"). Parameters: at = path to begin at, scene = world | empty | out | loading, reason, lang, connection, catching, push.
import { load } from '../../i18n';
import { mount } from '../mount';
import { FakeApp, type FakeOptions } from './fake';
import { world } from './scene';

const query = new URLSearchParams(location.search);
const scene = query.get('scene') ?? 'world';
const options: FakeOptions = { answers: query.get('answers') !== 'no' };

function make(): FakeApp {
  switch (scene) {
    case 'empty': return new FakeApp(options);
    case 'out': return new FakeApp({ ...options, session: { kind: 'out', ...(query.get('reason') === 'password-changed' ? { reason: 'password-changed' } : {}) } });
    case 'loading': return new FakeApp({ ...options, session: { kind: 'loading' } });
    default: return world(options);
  }
}

const app = make();
if (query.get('connection') === 'waiting') app.connection.value = 'waiting';
if (query.has('catching')) app.catchUp.value = { done: 1200, total: 5000, paused: false };
if (query.has('push')) await app.enableNotifications();
if (query.get('push') === 'install') app.push.value = 'install';
Object.assign(globalThis, { app }); // to play with in the console
history.replaceState(null, '', query.get('at') ?? '/');
const root = document.getElementById('app');
await load([query.get('lang') ?? 'en']);
if (root !== null) mount(app, root, { version: '0.0.0-dev' });

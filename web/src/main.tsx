// SPDX-License-Identifier: Apache-2.0

import { createApp } from './boot/boot';
import { load } from './i18n';
import { mount } from './ui/mount';

const root = document.getElementById('app');
const [{ app, version }] = await Promise.all([createApp(), load(navigator.languages)]);
if (root) mount(app, root, { version });
if (import.meta.env.PROD && 'serviceWorker' in navigator) void navigator.serviceWorker.register('/sw.js');

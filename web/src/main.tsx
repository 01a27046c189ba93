// SPDX-License-Identifier: Apache-2.0

// The page: the language, the app, the screens, and then the service worker for the next time.
import { createApp } from './boot/boot';
import { load } from './i18n';
import { mount, mountNoStorage } from './ui/mount';
import { register } from './ui/update';

async function start(root: HTMLElement): Promise<void> {
  const words = load(navigator.languages);
  try {
    const { app, version } = await createApp();
    await words;
    mount(app, root, { version });
  } catch (error) {
    reportError(error);
    await words;
    mountNoStorage(root);
    return;
  }
  if (import.meta.env.PROD) await register();
}

const root = document.getElementById('app');
if (root !== null) void start(root);

// SPDX-License-Identifier: Apache-2.0

// The page: the language, the app, the screens, and then the service worker for the next time.
import { createApp } from './boot/boot';
import { load } from './i18n';
import { mount, mountNoStorage } from './ui/mount';
import { register } from './ui/update';

async function start(root: HTMLElement): Promise<void> {
  const words = load(navigator.languages);
  let unmount = (): void => {};
  try {
    const { app, version, arrived, opened } = await createApp();
    opened.catch(() => {}); // waited for below
    await words;
    unmount = mount(app, root, { version, arrived });
    if (import.meta.env.PROD) void register();
    await opened;
  } catch (error) {
    reportError(error);
    await words;
    unmount();
    mountNoStorage(root);
  }
}

const root = document.getElementById('app');
if (root !== null) void start(root);

// SPDX-License-Identifier: Apache-2.0

// The service worker of the page: registered once, and where it has fetched a newer build, the person may reload.
import { computed, signal, type ReadonlySignal } from '@preact/signals';

const waiting = signal<ServiceWorker | null>(null);

/** ready says that a newer build is here and waits. */
export const ready: ReadonlySignal<boolean> = computed(() => waiting.value !== null);

/** register starts the service worker. Without one the app works, but not offline. */
export async function register(): Promise<void> {
  if (!('serviceWorker' in navigator)) return;
  const worker = navigator.serviceWorker;
  try {
    const registration = await worker.register('/sw.js', { updateViaCache: 'none' });
    const look = (): void => {
      // The first one has nothing to replace and takes over by itself.
      if (registration.waiting !== null && worker.controller !== null) waiting.value = registration.waiting;
    };
    look();
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') registration.update().catch(() => undefined); // offline
    });
  } catch {
    // Forbidden (a private window) or unreachable.
  }
}

/** reload begins to use the newer build. */
export function reload(): void {
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
  waiting.value?.postMessage('activate');
}

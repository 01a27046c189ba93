// SPDX-License-Identifier: Apache-2.0

// What a screen reader says without being asked: politely what is new, at once what went wrong.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

const polite = signal('');
const assertive = signal('');

/** announce says text when the reader has finished its sentence, or now where urgent. */
export function announce(text: string, urgent = false): void {
  const region = urgent ? assertive : polite;
  // The same words twice would not be said twice; a trailing no-break space makes them different.
  region.value = region.value === text ? text + '\u00a0' : text;
}

/** hush takes back what was announced and does not hold any more: readers also come by these regions on their way. */
export function hush(): void {
  polite.value = '';
  assertive.value = '';
}

/** Announcer stands once at the root of the page. */
export function Announcer() {
  useEffect(() => hush, []);
  return (
    <>
      <div class="hidden" role="status" aria-live="polite">
        {polite}
      </div>
      <div class="hidden" role="alert" aria-live="assertive">
        {assertive}
      </div>
    </>
  );
}

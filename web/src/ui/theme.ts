// SPDX-License-Identifier: Apache-2.0

// Light or dark: what the person chose on this device, else what the device says. The result stands as
// data-theme on <html>, which is all the style sheets look at.
import { computed, effect, signal, type ReadonlySignal } from '@preact/signals';

export type Choice = 'system' | 'light' | 'dark';
export const CHOICES: readonly Choice[] = ['system', 'light', 'dark'];

const KEY = 'kith.theme';
const chosen = signal<Choice>('system');
const system = signal(false);

/** choice is what the person chose. */
export const choice: ReadonlySignal<Choice> = chosen;
/** dark says whether the screens are dark now. */
export const dark: ReadonlySignal<boolean> = computed(() => (chosen.value === 'system' ? system.value : chosen.value === 'dark'));

/** choose keeps a choice on this device. */
export function choose(next: Choice): void {
  chosen.value = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage is full or forbidden: the choice lasts until the page goes.
  }
}

/** start applies the theme and follows the device. It returns what ends that. */
export function start(): () => void {
  try {
    const kept = localStorage.getItem(KEY);
    chosen.value = CHOICES.find((c) => c === kept) ?? 'system';
  } catch {
    // As above: nothing is kept.
  }
  const query = matchMedia('(prefers-color-scheme: dark)');
  const follow = (): void => void (system.value = query.matches);
  follow();
  query.addEventListener('change', follow);
  const stop = effect(() => {
    document.documentElement.dataset['theme'] = dark.value ? 'dark' : 'light';
    document.querySelector('meta[name="theme-color"]')?.setAttribute('content', dark.value ? '#101418' : '#ffffff');
  });
  return () => {
    stop();
    query.removeEventListener('change', follow);
  };
}

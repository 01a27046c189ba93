// SPDX-License-Identifier: Apache-2.0

// Times as people say them, by Intl in the language of the app.
import { signal, type ReadonlySignal } from '@preact/signals';
import { language, t } from '../i18n';

const ticking = signal(Date.now());
/** minute is now, and changes once a minute; a screen that reads it says "Yesterday" after midnight. */
export const minute: ReadonlySignal<number> = ticking;

/** tick starts the clock and returns what stops it. */
export function tick(): () => void {
  const id = setInterval(() => (ticking.value = Date.now()), 60_000);
  const wake = (): void => void (document.visibilityState === 'visible' && (ticking.value = Date.now()));
  document.addEventListener('visibilitychange', wake);
  return () => {
    clearInterval(id);
    document.removeEventListener('visibilitychange', wake);
  };
}

/** clock is the time of a day: 14:05 or 2:05 PM. */
export function clock(time: number): string {
  return format(time, { hour: 'numeric', minute: '2-digit' });
}

/** brief is for a list: the time today, "Yesterday", a weekday, a date. */
export function brief(time: number, now: number): string {
  const days = daysBetween(time, now);
  if (days <= 0) return clock(time);
  if (days === 1) return t('time.yesterday');
  if (days < 7) return format(time, { weekday: 'short' });
  if (sameYear(time, now)) return format(time, { day: 'numeric', month: 'short' });
  return format(time, { dateStyle: 'short' });
}

/** dayLine is for the line above the messages of a day. */
export function dayLine(time: number, now: number): string {
  const days = daysBetween(time, now);
  if (days === 0) return t('time.today');
  if (days === 1) return t('time.yesterday');
  if (days > 1 && days < 7) return format(time, { weekday: 'long' });
  if (sameYear(time, now)) return format(time, { weekday: 'short', day: 'numeric', month: 'long' });
  return format(time, { dateStyle: 'long' });
}

/** full is a date with the time. */
export function full(time: number): string {
  return format(time, { dateStyle: 'full', timeStyle: 'short' });
}

/** date is a day and the time, without the year: for something soon. */
export function date(time: number): string {
  return format(time, { weekday: 'long', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit' });
}

/** daysBetween counts midnights from time to now. */
function daysBetween(time: number, now: number): number {
  const midnight = (at: number): number => {
    const d = new Date(at);
    return Date.UTC(d.getFullYear(), d.getMonth(), d.getDate());
  };
  return Math.round((midnight(now) - midnight(time)) / 86_400_000);
}

const sameYear = (a: number, b: number): boolean => new Date(a).getFullYear() === new Date(b).getFullYear();

const formats = new Map<string, Intl.DateTimeFormat>();

// An Intl.DateTimeFormat is dear to make, and a list needs one a row.
function format(time: number, options: Intl.DateTimeFormatOptions): string {
  const key = language() + JSON.stringify(options);
  let f = formats.get(key);
  if (f === undefined) {
    f = new Intl.DateTimeFormat(language(), options);
    formats.set(key, f);
  }
  return f.format(time);
}

// SPDX-License-Identifier: Apache-2.0

// The small sign beside what one wrote: a clock, one tick, two ticks, or a mark that it failed.
import './ticks.css';
import type { SendState } from '../../core/view';
import { t } from '../../i18n';

const LINES: Readonly<Record<SendState, string>> = {
  queued: 'M10 3.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6zM10 5.5V8l1.6 1.2',
  sent: 'M10 3.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6zM10 5.5V8l1.6 1.2',
  acked: 'M5.5 8.5l3 3L14.5 5',
  delivered: 'M2 8.5l3 3L11 5M8.2 9.9l1.6 1.6L16 5',
  failed: 'M10 3.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 0 0 0-9.6zM10 5.6v2.8M10 10.4v.05',
};

export function Ticks({ state }: { state: SendState }) {
  return (
    <span class={'ticks ' + state}>
      <svg viewBox="0 0 20 16" aria-hidden="true" focusable="false">
        <path d={LINES[state]} />
      </svg>
      <span class="hidden">{t(`state.${state}`)}</span>
    </span>
  );
}

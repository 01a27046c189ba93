// SPDX-License-Identifier: Apache-2.0

// The messages of a chat, oldest first. It stays at the newest message while the person is there, keeps still
// while they read further up, and fetches older ones before they reach the top.
//
// The scroller begins at its bottom (flex-direction: column-reverse), so scrollTop is 0 at the newest message and
// negative above it. What is added above needs no correction; what is added below is measured against the row
// that was the last before, and scrollTop follows only where the person reads further up. At most WINDOW rows
// stand in the page until the person asks for more.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Message, Timeline as Kept } from '../../core/view';
import { t } from '../../i18n';
import { announce } from '../announce';
import { useApp } from '../context';
import { Avatar } from '../kit/avatar';
import { Icon } from '../kit/icon';
import { dayLine, minute } from '../time';
import { Bubble } from './bubble';
import { brief } from './brief';
import { Gap } from './gap';
import { rows } from './grouping';

const WINDOW = 150; // messages in the page while the person is at the newest
const NEAR = 80; // pixels from the bottom that still count as there
const AHEAD = 600; // pixels from the top at which older ones are fetched

interface Props {
  readonly timeline: Kept;
  readonly address: string;
  readonly name: string;
  readonly typing: boolean;
  readonly trusted: boolean; // the other person is a contact
}

export function Timeline({ timeline, address, name, typing, trusted }: Props) {
  const online = useApp().connection.value === 'online';
  const messages = timeline.messages.value;
  const complete = timeline.complete.value;
  const [size, setSize] = useState(WINDOW);
  const [loading, setLoading] = useState(false);
  const [failed, setFailed] = useState(false); // the server could not be asked for older ones
  const [away, setAway] = useState(false); // further up than NEAR
  const [missed, setMissed] = useState(0); // messages that came in the meantime
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const opened = useRef(new Set(messages.map((m) => m.key)));
  const newest = useRef(messages.at(-1));
  const shown = messages.slice(-size);
  const hasMore = !complete || shown.length < messages.length;

  useKeepStill(scroller, list);
  useLayoutEffect(() => {
    // Where something is unread, that is where reading begins.
    list.current?.querySelector('.line')?.scrollIntoView({ block: 'start' });
  }, []);

  useEffect(() => {
    const before = newest.current;
    const last = messages.at(-1);
    newest.current = last;
    const at = before === undefined ? -1 : messages.findIndex((m) => m.key === before.key);
    const added = before !== undefined && at < 0 ? [] : messages.slice(at + 1);
    if (added.length === 0) return;
    if (added.some((m) => m.mine)) toNewest(scroller.current, false);
    const theirs = added.filter((m) => !m.mine);
    if (theirs.length === 0) return;
    if (isAway(scroller.current)) setMissed((n) => n + theirs.length);
    announce(theirs.map((m) => `${name}: ${brief(m)}`).join('\n'));
  }, [messages]);

  const older = async (): Promise<void> => {
    if (loading || !hasMore) return;
    if (shown.length < messages.length) return setSize(size + WINDOW / 2);
    setLoading(true);
    setFailed(false);
    try {
      await timeline.older();
      setSize((n) => n + WINDOW / 2);
    } catch {
      setFailed(true); // scrolling tries again, and so does a connection
    } finally {
      setLoading(false);
    }
  };

  const scrolled = (): void => {
    const box = scroller.current;
    if (box === null) return;
    const gone = isAway(box);
    setAway(gone);
    if (!gone) setMissed(0);
    if (!gone && size > WINDOW && box.scrollTop > -1) setSize(WINDOW);
    if (box.scrollHeight - box.clientHeight + box.scrollTop < AHEAD) void older();
  };
  // A page of short messages may not fill the screen, and then nobody can scroll.
  useEffect(() => {
    const box = scroller.current;
    if (!failed && box !== null && box.clientHeight > 0 && box.scrollHeight <= box.clientHeight + AHEAD / 4) void older();
  }, [messages, loading]);
  useEffect(() => {
    if (online && failed) scrolled();
  }, [online]);

  return (
    <>
      <div ref={scroller} class="timeline" role="region" aria-label={t('chat.timeline', { name })} tabIndex={0} onScroll={scrolled}>
        <ol ref={list}>
          {hasMore ? (
            <li class="top">
              {loading && (
                <>
                  <span class="spinner" aria-hidden="true" />
                  {t('chat.older')}
                </>
              )}
              {!loading && failed && t('chat.older.failed')}
            </li>
          ) : (
            <li class="hero">
              <Avatar address={address} name={name} size="l" />
              <p class="called">
                <bdi>{name}</bdi>
              </p>
              {name !== address && <p dir="ltr">{address}</p>}
              <p>{messages.length === 0 ? t('chat.none') : t('chat.begin', { name })}</p>
            </li>
          )}
          {rows(shown, timeline.unreadFrom, timeline.gaps.value).map((row) =>
            row.kind === 'day' ? (
              <li key={row.key} class="day">
                <span>{dayLine(row.time, minute.value)}</span>
              </li>
            ) : row.kind === 'gap' ? (
              <Gap key={row.key} gap={row.gap} timeline={timeline} online={online} />
            ) : row.kind === 'unread' ? (
              <li key={row.key} class="line">
                {t('chat.unread')}
              </li>
            ) : (
              <Bubble
                key={row.key}
                message={row.message}
                name={name}
                first={row.first}
                last={row.last}
                fresh={isFresh(row.message, opened.current, messages)}
                trusted={trusted}
              />
            ),
          )}
          {typing && (
            <li key="typing" class="message first last">
              <div class="bubble">
                <span class="hidden">{t('chat.typing.live', { name })}</span>
                <span class="typing-dots" aria-hidden="true">
                  <i />
                  <i />
                  <i />
                </span>
              </div>
            </li>
          )}
        </ol>
      </div>
      {away && (
        <div class="jump">
          <button
            type="button"
            class="newest"
            aria-label={missed > 0 ? t('chat.newest.count', { n: missed }) : t('chat.newest')}
            onClick={() => toNewest(scroller.current, true)}
          >
            <Icon name="down" />
            {missed > 0 && (
              <span class="badge" aria-hidden="true">
                {missed > 99 ? '99+' : missed}
              </span>
            )}
          </button>
        </div>
      )}
    </>
  );
}

const isAway = (box: HTMLElement | null): boolean => box !== null && box.scrollTop < -NEAR;

function toNewest(box: HTMLElement | null, smooth: boolean): void {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  box?.scrollTo({ top: 0, behavior: smooth && !calm && box.scrollTop > -3000 ? 'smooth' : 'instant' });
}

// New since the chat was opened, and newer than what was there: an older page does not move in.
function isFresh(message: Message, opened: Set<string>, messages: readonly Message[]): boolean {
  if (opened.has(message.key)) return false;
  if (message === messages.at(-1)) return true;
  opened.add(message.key);
  return false;
}

// Keeps what the person reads where it is when rows come in below it.
function useKeepStill(scroller: { readonly current: HTMLElement | null }, list: { readonly current: HTMLElement | null }): void {
  const mark = useRef<{ readonly row: HTMLElement; readonly below: number }>(undefined);
  useLayoutEffect(() => {
    const box = scroller.current;
    const all = list.current;
    if (box === null || all === null) return;
    const before = mark.current;
    if (before !== undefined && before.row.isConnected && isAway(box)) {
      const grown = under(all, before.row) - before.below;
      if (grown !== 0) box.scrollTop -= grown;
    }
    const bubbles = all.querySelectorAll<HTMLElement>('.message');
    const row = bubbles.item(bubbles.length - 1);
    mark.current = row === null ? undefined : { row, below: under(all, row) };
  });
}

const under = (all: HTMLElement, row: HTMLElement): number =>
  all.getBoundingClientRect().bottom - row.getBoundingClientRect().bottom;

// SPDX-License-Identifier: Apache-2.0

// One picture on the whole screen. It is made larger by the wheel, two fingers, a double click, + and −, moved by dragging
// and the arrow keys, and closed by Escape, the button, or a click beside it.
import './viewer.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SharedFile } from '../../core/view';
import { t } from '../../i18n';
import { Icon } from '../kit/icon';

const MAX = 8;
const STEP = 60; // pixels, for an arrow key

interface View {
  readonly x: number; // pixels that it is moved
  readonly y: number;
  readonly zoom: number;
}

const WHOLE: View = { x: 0, y: 0, zoom: 1 };

export function Viewer({ url, file, onClose }: { url: string; file: SharedFile; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const [view, setView] = useState(WHOLE);
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const moved = useRef(false);

  useEffect(() => {
    const box = dialog.current;
    const before = document.activeElement;
    if (box !== null && !box.open) box.showModal();
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      setView((v) => held({ ...v, zoom: v.zoom * 1.0015 ** -event.deltaY }));
    };
    stage.current?.addEventListener('wheel', wheel, { passive: false });
    return () => {
      box?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);

  const drag = (event: PointerEvent): void => {
    const before = fingers.current.get(event.pointerId);
    if (before === undefined) return;
    const at = { x: event.clientX, y: event.clientY };
    const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1];
    fingers.current.set(event.pointerId, at);
    if (Math.hypot(at.x - before.x, at.y - before.y) > 2) moved.current = true;
    const distance = (p: { x: number; y: number }): number => (other === undefined ? 1 : Math.max(1, Math.hypot(p.x - other.x, p.y - other.y)));
    const share = other === undefined ? 1 : 0.5;
    setView((v) => held({ x: v.x + (at.x - before.x) * share, y: v.y + (at.y - before.y) * share, zoom: (v.zoom * distance(at)) / distance(before) }));
  };
  const lift = (event: PointerEvent): void => void fingers.current.delete(event.pointerId);
  const key = (event: KeyboardEvent): void => {
    const moves: Readonly<Record<string, readonly [number, number]>> = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const by = moves[event.key];
    if (by !== undefined) setView((v) => held({ ...v, x: v.x + by[0], y: v.y + by[1] }));
    else if (event.key === '+' || event.key === '=') larger();
    else if (event.key === '-') smaller();
    else if (event.key === '0') setView(WHOLE);
    else return;
    event.preventDefault();
  };
  const larger = (): void => setView((v) => held({ ...v, zoom: v.zoom * 1.5 }));
  const smaller = (): void => setView((v) => held({ ...v, zoom: v.zoom / 1.5 }));

  return (
    <dialog
      ref={dialog}
      class="viewer"
      aria-label={t('viewer.title', { name: file.name })}
      onKeyDown={key}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="bar">
        <button type="button" class="round" aria-label={t('common.close')} onClick={onClose}>
          <Icon name="close" />
        </button>
        <bdi class="name">{file.name}</bdi>
        <button type="button" class="round" aria-label={t('viewer.smaller')} aria-disabled={view.zoom <= 1} onClick={smaller}>
          <Icon name="minus" />
        </button>
        <button type="button" class="round" aria-label={t('viewer.larger')} aria-disabled={view.zoom >= MAX} onClick={larger}>
          <Icon name="plus" />
        </button>
        <a class="round" href={url} download={file.name} target="_blank" rel="noopener noreferrer" aria-label={t('file.save', { name: file.name })}>
          <Icon name="download" />
        </a>
      </div>
      <div
        ref={stage}
        class="stage"
        onPointerDown={(event) => {
          moved.current = false;
          event.currentTarget.setPointerCapture(event.pointerId);
          fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
        }}
        onPointerMove={drag}
        onPointerUp={lift}
        onPointerCancel={lift}
        onClick={(event) => {
          // The pointer is captured, so what was hit is looked for.
          const hit = document.elementFromPoint(event.clientX, event.clientY);
          if (!moved.current && !(hit instanceof HTMLImageElement) && view.zoom === 1) onClose();
        }}
        onDblClick={() => setView((v) => (v.zoom > 1 ? WHOLE : { x: 0, y: 0, zoom: 2.5 }))}
      >
        <img src={url} alt={file.name} draggable={false} style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.zoom})` }} />
      </div>
    </dialog>
  );
}

/** held keeps the picture on the screen. */
function held(view: View): View {
  const zoom = Math.min(MAX, Math.max(1, view.zoom));
  if (zoom === 1) return WHOLE;
  const far = { x: (innerWidth * (zoom - 0.5)) / 2, y: (innerHeight * (zoom - 0.5)) / 2 };
  const hold = (n: number, max: number): number => Math.min(max, Math.max(-max, n));
  return { x: hold(view.x, far.x), y: hold(view.y, far.y), zoom };
}

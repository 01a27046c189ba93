// SPDX-License-Identifier: Apache-2.0

// Cuts the square out of a picture that others will see. It is moved by dragging, by two fingers or by the arrow keys, and
// made larger by the wheel, two fingers, + and −, or the slider.
import './crop.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { avatar } from '../files/picture';
import { Dialog } from '../kit/dialog';
import { Icon } from '../kit/icon';

const MAX = 5; // times that it can be made larger
const STEP = 0.05; // of the square, for an arrow key

/** Where one looks: the middle of the square, from 0 to 1 of the picture, and how much of it is seen. */
interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number; // 1: as much as fits
}

const WHOLE: View = { x: 0.5, y: 0.5, zoom: 1 };

export function Crop({ file, onClose }: { file: File; onClose: () => void }) {
  const app = useApp();
  const [bitmap, setBitmap] = useState<ImageBitmap>();
  const [view, setView] = useState(WHOLE);
  const [wrong, setWrong] = useState('');
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    let gone = false;
    let made: ImageBitmap | undefined;
    createImageBitmap(file).then(
      (b) => {
        if (gone) return b.close();
        made = b;
        setBitmap(b);
      },
      () => {
        if (gone) return;
        setWrong(t('profile.unreadable'));
        announce(t('profile.unreadable'), true);
      },
    );
    return () => {
      gone = true;
      made?.close();
    };
  }, []);

  const save = async (): Promise<void> => {
    if (busy || bitmap === undefined) return;
    setBusy(true);
    setWrong('');
    try {
      await app.setAvatar(await avatar(bitmap, squareOf(bitmap, view)));
      announce(t('profile.saved'));
      onClose();
    } catch (error) {
      setBusy(false);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };

  return (
    <Dialog title={t('crop.title')} onClose={onClose}>
      {bitmap !== undefined && <Stage bitmap={bitmap} view={view} onView={(next) => setView(inside(bitmap, next))} />}
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <div class="actions">
        <button type="button" class="button plain" onClick={onClose}>
          {t('common.cancel')}
        </button>
        <button type="button" class="button main" aria-disabled={busy || bitmap === undefined} onClick={() => void save()}>
          {busy && <span class="spinner" aria-hidden="true" />}
          {t('common.save')}
        </button>
      </div>
    </Dialog>
  );
}

function Stage({ bitmap, view, onView }: { bitmap: ImageBitmap; view: View; onView: (view: View) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const now = useRef(view);
  now.current = view;

  useEffect(() => {
    const box = canvas.current;
    const context = box?.getContext('2d');
    if (!box || !context) return;
    const { x, y, side } = squareOf(bitmap, view);
    context.clearRect(0, 0, box.width, box.height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, x, y, side, side, 0, 0, box.width, box.height);
  }, [bitmap, view]);

  // Passive listeners, which the framework makes, could not keep the page from scrolling.
  useEffect(() => {
    const box = canvas.current;
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      onView({ ...now.current, zoom: now.current.zoom * 1.0015 ** -event.deltaY });
    };
    box?.addEventListener('wheel', wheel, { passive: false });
    return () => box?.removeEventListener('wheel', wheel);
  }, [bitmap]);

  /** Moves by a part of the square. */
  const move = (dx: number, dy: number): void => {
    const { side } = squareOf(bitmap, now.current);
    const { x, y, zoom } = now.current;
    onView({ x: x + (dx * side) / bitmap.width, y: y + (dy * side) / bitmap.height, zoom });
  };

  const drag = (event: PointerEvent): void => {
    const before = fingers.current.get(event.pointerId);
    const box = canvas.current;
    if (before === undefined || box === null) return;
    const width = box.getBoundingClientRect().width;
    const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1];
    const at = { x: event.clientX, y: event.clientY };
    fingers.current.set(event.pointerId, at);
    if (other !== undefined) {
      const distance = (p: { x: number; y: number }): number => Math.max(1, Math.hypot(p.x - other.x, p.y - other.y));
      onView({ ...now.current, zoom: (now.current.zoom * distance(at)) / distance(before) });
    }
    const share = other === undefined ? 1 : 0.5;
    move(((before.x - at.x) / width) * share, ((before.y - at.y) / width) * share);
  };

  const key = (event: KeyboardEvent): void => {
    const step = event.shiftKey ? STEP * 4 : STEP;
    const moves: Readonly<Record<string, readonly [number, number]>> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const by = moves[event.key];
    if (by !== undefined) move(...by);
    else if (event.key === '+' || event.key === '=') onView({ ...view, zoom: view.zoom * 1.2 });
    else if (event.key === '-') onView({ ...view, zoom: view.zoom / 1.2 });
    else return;
    event.preventDefault();
  };
  const lift = (event: PointerEvent): void => void fingers.current.delete(event.pointerId);

  return (
    <div class="crop">
      <div class="stage">
        <canvas
          ref={canvas}
          width={640}
          height={640}
          tabIndex={0}
          role="application"
          aria-label={t('crop.stage')}
          onKeyDown={key}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
          }}
          onPointerMove={drag}
          onPointerUp={lift}
          onPointerCancel={lift}
        />
        <span class="mask" aria-hidden="true" />
      </div>
      <label class="zoom">
        <Icon name="minus" />
        <span class="hidden">{t('crop.zoom')}</span>
        <input
          type="range"
          min={1}
          max={MAX}
          step={0.01}
          value={view.zoom}
          onInput={(event) => onView({ ...view, zoom: Number(event.currentTarget.value) })}
        />
        <Icon name="plus" />
      </label>
      <p class="soft">{t('crop.text')}</p>
    </div>
  );
}

/** squareOf is what is seen, in pixels of the picture. */
export function squareOf(picture: { readonly width: number; readonly height: number }, view: View): { x: number; y: number; side: number } {
  const side = Math.min(picture.width, picture.height) / view.zoom;
  return { x: view.x * picture.width - side / 2, y: view.y * picture.height - side / 2, side };
}

/** inside keeps the square within the picture. */
export function inside(picture: { readonly width: number; readonly height: number }, view: View): View {
  const zoom = Math.min(MAX, Math.max(1, view.zoom));
  const side = Math.min(picture.width, picture.height) / zoom;
  const hold = (at: number, length: number): number => Math.min(1 - side / 2 / length, Math.max(side / 2 / length, at));
  return { x: hold(view.x, picture.width), y: hold(view.y, picture.height), zoom };
}

// SPDX-License-Identifier: Apache-2.0

// A file in a bubble: a picture, a player, or its name to load it. Its place is kept before it is there, so nothing jumps.
// What strangers send is not fetched before the person asks for it: it might be anything, and the place where it lies
// would learn who looks, and when.
import { useEffect, useState } from 'preact/hooks';
import type { Message, SharedFile } from '../../core/view';
import { t } from '../../i18n';
import { useApp } from '../context';
import { size } from '../files/size';
import { Icon } from '../kit/icon';
import { lazy } from '../kit/lazy';

const Viewer = lazy(() => import('../files/viewer').then((m) => m.Viewer));

const WIDE = 320; // pixels of a picture in the chat, at most
const HIGH = 360;
const NARROW = 140; // at least, so that it can be hit
const UNKNOWN = { width: 240, height: 240 };

interface Props {
  readonly message: Message;
  readonly file: SharedFile;
  readonly trusted: boolean; // ours, or of a contact
  readonly name: string; // who sent it, as it is read out
}

export function Attachment({ message, file, trusted, name }: Props) {
  const app = useApp();
  const [asked, setAsked] = useState(false);
  const [broken, setBroken] = useState(false);
  const url = useSource(message.key, file.url);
  const share = app.uploads.value[message.key];
  const media = file.kind !== 'file' && !broken && isSafe(file.url);
  return (
    <span class={media ? `attachment ${file.kind}` : 'attachment'} dir="auto">
      {!media || (file.kind === 'audio' && url === '') ? (
        <Card file={file} url={url} broken={broken} />
      ) : !trusted && !asked ? (
        <button type="button" class="ask" style={box(file)} onClick={() => setAsked(true)}>
          <Icon name={file.kind === 'picture' ? 'picture' : 'download'} />
          <span>{t(`file.ask.${file.kind === 'picture' ? 'picture' : 'media'}`)}</span>
          {file.size > 0 && <span class="label">{size(file.size)}</span>}
        </button>
      ) : file.kind === 'picture' ? (
        <Shown file={file} url={url} name={name} onBroken={() => setBroken(true)} />
      ) : file.kind === 'video' ? (
        <video controls preload="metadata" playsInline src={url === '' ? undefined : url} style={box(file)} aria-label={t('file.video', { name })} onError={() => setBroken(true)} />
      ) : (
        <audio controls preload="metadata" src={url} aria-label={t('file.audio', { name })} onError={() => setBroken(true)} />
      )}
      {share !== undefined && <Progress share={share} name={file.name} onStop={() => void app.discard(message.key).catch(() => undefined)} />}
    </span>
  );
}

function Shown({ file, url, name, onBroken }: { file: SharedFile; url: string; name: string; onBroken: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="open" style={box(file)} aria-label={t('file.open', { name })} onClick={() => setOpen(true)}>
        {url !== '' && <img src={url} alt="" loading="lazy" decoding="async" onError={onBroken} />}
      </button>
      {open && <Viewer url={url} file={file} onClose={() => setOpen(false)} />}
    </>
  );
}

function Card({ file, url, broken }: { file: SharedFile; url: string; broken: boolean }) {
  const words = (
    <>
      <span class="disc">
        <Icon name={url === '' || file.url === '' ? 'file' : 'download'} />
      </span>
      <span class="words">
        <bdi class="name">{file.name}</bdi>
        <span class="label">{broken ? t('file.gone') : file.size > 0 ? size(file.size) : isOurs(file.url) ? '' : hostOf(file.url)}</span>
      </span>
    </>
  );
  if (file.url === '') return <span class="card">{words}</span>;
  return (
    <a class="card" href={file.url} download={file.name} target="_blank" rel="noopener noreferrer" aria-label={t('file.save', { name: file.name })}>
      {words}
    </a>
  );
}

function Progress({ share, name, onStop }: { share: number; name: string; onStop: () => void }) {
  const percent = Math.round(share * 100);
  return (
    <span class="progress">
      <progress max={100} value={percent} aria-label={t('file.uploading', { name })} />
      <span class="hidden">{percent} %</span>
      <button type="button" class="round" aria-label={t('file.stop', { name })} onClick={onStop}>
        <Icon name="close" />
      </button>
    </span>
  );
}

/** The file on this device while it is not uploaded, and as long as it is on the screen; else where it lies. */
function useSource(key: string, remote: string): string {
  const app = useApp();
  const [local, setLocal] = useState('');
  const waits = remote === '';
  useEffect(() => {
    if (!waits) return;
    let made = '';
    let gone = false;
    app.localFile(key).then(
      (blob) => {
        if (gone || blob === undefined) return;
        made = URL.createObjectURL(blob);
        setLocal(made);
      },
      () => undefined, // the account is being left
    );
    return () => {
      gone = true;
      // Once it is uploaded the picture on the screen stays; its memory goes with the page.
      if (made !== '' && remote === '') setTimeout(() => URL.revokeObjectURL(made), 60_000);
    };
  }, [key, waits]);
  return local === '' ? remote : local;
}

// box is the place of a picture: its own size, made to fit.
function box({ width, height }: SharedFile): { inlineSize: string; aspectRatio: string } {
  const own = width > 0 && height > 0 ? { width, height } : UNKNOWN;
  const scale = Math.min(1, WIDE / own.width, HIGH / own.height);
  const w = Math.max(NARROW, Math.round(own.width * scale));
  const h = Math.min(HIGH, Math.max(NARROW / 2, Math.round(own.height * scale)));
  return { inlineSize: `${w}px`, aspectRatio: `${w} / ${h}` };
}

// isSafe: over TLS, or from where the app itself comes; '' is on this device.
function isSafe(url: string): boolean {
  return url === '' || url.startsWith('https://') || isOurs(url);
}

function isOurs(url: string): boolean {
  return URL.canParse(url) && new URL(url).origin === location.origin;
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : '';
}

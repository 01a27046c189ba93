// SPDX-License-Identifier: Apache-2.0

// What was chosen to be sent, shown before it goes, with a place for a few words.
import './attach.css';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { isPicture, shrink } from '../files/picture';
import { size } from '../files/size';
import { Dialog } from '../kit/dialog';
import { Icon } from '../kit/icon';
import { hasKeyboard } from '../pointer';

interface Props {
  readonly chat: string;
  readonly name: string;
  readonly files: readonly File[];
  readonly text: string; // what was written already
  readonly onClose: (sent: boolean) => void;
}

export function Attach({ chat, name, files, text, onClose }: Props) {
  const app = useApp();
  const [left, setLeft] = useState(files);
  const [caption, setCaption] = useState(text);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  const area = useRef<HTMLTextAreaElement>(null);
  const limit = app.fileLimit.value ?? 0;
  // A picture becomes smaller; how much is seen when it is made.
  const tooLarge = (file: Blob): boolean => limit > 0 && file.size > limit && !isPicture(file);
  const blocked = left.some(tooLarge);

  const send = async (): Promise<void> => {
    if (busy || blocked) return;
    setBusy(true);
    setWrong('');
    try {
      for (const [i, file] of left.entries()) {
        const made = await shrink(file);
        if (limit > 0 && made.blob.size > limit) throw new TooLarge(file.name);
        await app.sendFile(chat, made, i === left.length - 1 ? caption.trim() : '');
      }
      onClose(true);
    } catch (error) {
      const words = error instanceof TooLarge ? t('attach.too-large', { name: error.message, limit: size(limit) }) : sentence(error);
      setBusy(false);
      setWrong(words);
      announce(words, true);
    }
  };
  const remove = (file: File): void => {
    const rest = left.filter((f) => f !== file);
    if (rest.length === 0) onClose(false);
    else setLeft(rest);
  };

  useEffect(() => {
    if (hasKeyboard()) area.current?.focus();
  }, []);

  return (
    <Dialog title={t('attach.title', { name })} onClose={() => onClose(false)}>
      <ul class={left.length === 1 ? 'picked one' : 'picked'}>
        {left.map((file) => (
          <li key={`${file.name} ${file.size} ${file.lastModified}`}>
            <Preview file={file} />
            <span class="words">
              <bdi class="name">{file.name}</bdi>
              <span class={tooLarge(file) ? 'wrong' : 'label'}>
                {tooLarge(file) ? t('attach.too-large.size', { size: size(file.size), limit: size(limit) }) : size(file.size)}
              </span>
            </span>
            <button type="button" class="round" aria-label={t('attach.remove', { name: file.name })} onClick={() => remove(file)}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <textarea
          ref={area}
          class="caption"
          rows={2}
          dir="auto"
          value={caption}
          placeholder={t('attach.caption')}
          aria-label={t('attach.caption')}
          onInput={(event) => setCaption(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing || !hasKeyboard()) return;
            event.preventDefault();
            void send();
          }}
        />
        <div class="actions">
          <button type="button" class="button plain" onClick={() => onClose(false)}>
            {t('common.cancel')}
          </button>
          <button type="submit" class="button main" aria-disabled={busy || blocked}>
            {busy ? <span class="spinner" aria-hidden="true" /> : <Icon name="send" />}
            {t('compose.send')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

class TooLarge extends Error {}

function Preview({ file }: { file: File }) {
  const [url, setUrl] = useState('');
  const [broken, setBroken] = useState(false);
  const picture = file.type.startsWith('image/') && !broken;
  useEffect(() => {
    if (!picture) return;
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file, picture]);
  if (picture) return url === '' ? <span class="thumb" /> : <img class="thumb" src={url} alt={t('attach.preview', { name: file.name })} onError={() => setBroken(true)} />;
  return (
    <span class="thumb">
      <Icon name="file" />
    </span>
  );
}

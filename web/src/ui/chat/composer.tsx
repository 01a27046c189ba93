// SPDX-License-Identifier: Apache-2.0

// Where a message is written. With a mouse and a keyboard Enter sends; on a touch screen Enter is a new line and
// the button sends.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { announce } from '../announce';
import { sentence, useApp } from '../context';
import { drafts, keep } from '../drafts';
import { Icon } from '../kit/icon';
import { lazy } from '../kit/lazy';
import { hasKeyboard } from '../pointer';

const Attach = lazy(() => import('./attach').then((m) => m.Attach));

const MANY = 20; // files at once
const IDLE = 4000; // ms without a key after which one no longer types

export function Composer({ chat, name }: { chat: string; name: string }) {
  const app = useApp();
  const [text, setText] = useState(() => drafts.peek()[chat] ?? '');
  const [wrong, setWrong] = useState('');
  const area = useRef<HTMLTextAreaElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const [picked, setPicked] = useState<readonly File[]>([]);
  const canAttach = app.fileLimit.value !== undefined;
  const typing = useTyping(chat);
  const empty = text.trim() === '';

  useEffect(() => {
    if (hasKeyboard()) area.current?.focus();
  }, []);
  useLayoutEffect(() => {
    // field-sizing: content does it in the style sheet where the browser knows it.
    const box = area.current;
    if (box === null || CSS.supports('field-sizing', 'content')) return;
    box.style.blockSize = 'auto';
    box.style.blockSize = `${box.scrollHeight + 2}px`;
  }, [text]);

  useDropped(form, canAttach, (files) => setPicked((before) => [...before, ...files].slice(0, MANY)));

  const write = (next: string): void => {
    setText(next);
    keep(chat, next);
    typing(next.trim() !== '');
  };

  const send = async (): Promise<void> => {
    const body = text.trim();
    area.current?.focus();
    if (body === '') return;
    typing(false);
    setText('');
    keep(chat, '');
    setWrong('');
    try {
      await app.send(chat, body);
    } catch (error) {
      setText((now) => (now === '' ? body : now)); // nothing that was written is lost
      keep(chat, body);
      setWrong(sentence(error));
      announce(sentence(error), true);
    }
  };

  return (
    <>
      {wrong !== '' && <p class="wrong">{wrong}</p>}
      {picked.length > 0 && (
        <Attach
          key={picked.length}
          chat={chat}
          name={name}
          files={picked}
          text={text}
          onClose={(sent) => {
            setPicked([]);
            if (sent) write('');
          }}
        />
      )}
      <form
        ref={form}
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        {canAttach && (
          <>
            <input
              ref={chooser}
              class="hidden"
              type="file"
              multiple
              tabIndex={-1}
              aria-hidden="true"
              onChange={(event) => {
                setPicked([...(event.currentTarget.files ?? [])].slice(0, MANY));
                event.currentTarget.value = '';
              }}
            />
            <button type="button" class="round" aria-label={t('compose.attach')} onClick={() => chooser.current?.click()}>
              <Icon name="attach" />
            </button>
          </>
        )}
        <textarea
          ref={area}
          rows={1}
          dir="auto"
          value={text}
          placeholder={t('compose.placeholder')}
          aria-label={t('compose.to', { name })}
          enterkeyhint={hasKeyboard() ? 'send' : 'enter'}
          onInput={(event) => write(event.currentTarget.value)}
          onBlur={() => typing(false)}
          onKeyDown={(event) => {
            // While a word is put together (Japanese, Chinese …) Enter belongs to the keyboard.
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
            if (!hasKeyboard() && !event.ctrlKey && !event.metaKey) return;
            event.preventDefault();
            void send();
          }}
        />
        <button
          type="submit"
          class="round send"
          aria-label={t('compose.send')}
          aria-disabled={empty}
          onPointerDown={(event) => event.preventDefault() /* the keyboard of a phone stays open */}
        >
          <Icon name="send" />
        </button>
      </form>
    </>
  );
}

// useDropped hears of files that are dragged onto the chat, or pasted into it.
function useDropped(form: { readonly current: HTMLElement | null }, on: boolean, take: (files: readonly File[]) => void): void {
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const chat = form.current?.closest<HTMLElement>('.chat');
    if (!on || !chat) return;
    const carries = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const over = (event: DragEvent): void => {
      if (!carries(event)) return;
      event.preventDefault();
      chat.dataset['drop'] = '';
    };
    const leave = (event: DragEvent): void => {
      if (!(event.relatedTarget instanceof Node && chat.contains(event.relatedTarget))) delete chat.dataset['drop'];
    };
    const drop = (event: DragEvent): void => {
      delete chat.dataset['drop'];
      if (!carries(event)) return;
      event.preventDefault();
      latest.current([...(event.dataTransfer?.files ?? [])]);
    };
    const paste = (event: ClipboardEvent): void => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0 || (event.clipboardData?.types.includes('text/plain') ?? false)) return;
      event.preventDefault();
      latest.current(files);
    };
    chat.addEventListener('dragover', over);
    chat.addEventListener('dragleave', leave);
    chat.addEventListener('drop', drop);
    chat.addEventListener('paste', paste);
    return () => {
      delete chat.dataset['drop'];
      chat.removeEventListener('dragover', over);
      chat.removeEventListener('dragleave', leave);
      chat.removeEventListener('drop', drop);
      chat.removeEventListener('paste', paste);
    };
  }, [on]);
}

// useTyping tells the other when one begins and stops, not each key.
function useTyping(chat: string): (now: boolean) => void {
  const app = useApp();
  const on = useRef(false);
  const idle = useRef<ReturnType<typeof setTimeout>>(undefined);
  const set = (now: boolean): void => {
    clearTimeout(idle.current);
    if (now) idle.current = setTimeout(() => set(false), IDLE);
    if (on.current === now) return;
    on.current = now;
    app.typing(chat, now);
  };
  useEffect(() => () => set(false), []);
  return set;
}

// SPDX-License-Identifier: Apache-2.0

// A round with the picture of somebody, else with the first letters of the name in the colours of the address. It
// repeats what stands beside it, so it is not read out.
import { useContext } from 'preact/hooks';
import type { Show } from '../../core/view';
import { avatar } from '../colour';
import { AppContext } from '../context';
import { dark } from '../theme';

export function Avatar({ address, name, size = '' }: { address: string; name: string; size?: '' | 's' | 'l' }) {
  const picture = useContext(AppContext)?.avatars.value.get(address);
  if (picture !== undefined) return <img class={('avatar ' + size).trim()} src={picture} alt="" draggable={false} decoding="async" />;
  const { ground, ink } = avatar(address, dark.value);
  return (
    <span class={('avatar ' + size).trim()} aria-hidden="true" style={{ '--ground': ground, '--mark': ink }}>
      {letters(name)}
    </span>
  );
}

/** Face is an avatar with a dot where the person is here. The words for it belong beside it. */
export function Face({ address, name, show, size = '' }: { address: string; name: string; show: Show; size?: '' | 's' | 'l' }) {
  return (
    <span class="faced">
      <Avatar address={address} name={name} size={size} />
      {show !== 'offline' && <span class={'dot ' + show} aria-hidden="true" />}
    </span>
  );
}

/** letters of a name: the first of its first and of its last word, or the only one. */
export function letters(name: string): string {
  const words = name.split(/[\s._-]+/u).filter((w) => /[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(w));
  const first = (w: string | undefined): string => {
    const found = w === undefined ? undefined : /[\p{L}\p{N}\p{Extended_Pictographic}]/u.exec(w);
    return found?.[0] ?? '';
  };
  const joined = words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]);
  return joined === '' ? '?' : joined.toLocaleUpperCase();
}

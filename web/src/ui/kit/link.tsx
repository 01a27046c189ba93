// SPDX-License-Identifier: Apache-2.0

// A link to a screen of the app: a real address, followed without loading the page again.
import type { ComponentChildren } from 'preact';
import { go, path, type Route } from '../route';

interface Props {
  readonly to: Route;
  readonly replace?: boolean;
  readonly class?: string;
  readonly label?: string; // for a screen reader, where the content is a picture
  readonly current?: boolean; // the screen it leads to is open
  readonly children: ComponentChildren;
}

export function Link({ to, replace = false, label, current = false, children, ...rest }: Props) {
  return (
    <a
      class={rest.class}
      href={path(to)}
      aria-label={label}
      aria-current={current ? 'page' : undefined}
      onClick={(event) => follow(event, to, replace)}
    >
      {children}
    </a>
  );
}

/** follow goes to a route for a plain click and leaves the others (new tab, new window) to the browser. */
export function follow(event: MouseEvent, to: Route, replace = false): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(to, replace);
}

// SPDX-License-Identifier: Apache-2.0

/** arrows moves the focus through the links and buttons of a list by the arrow keys, Home and End. Up from the first leads to before. */
export function arrows(event: KeyboardEvent & { readonly currentTarget: HTMLElement }, before: HTMLElement | null = null): void {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('.row')];
  const at = rows.findIndex((row) => row === document.activeElement);
  let next: HTMLElement | null | undefined;
  switch (event.key) {
    case 'ArrowDown': next = rows[at + 1]; break;
    case 'ArrowUp': next = at > 0 ? rows[at - 1] : before; break;
    case 'Home': next = rows[0]; break;
    case 'End': next = rows.at(-1); break;
    default: return;
  }
  event.preventDefault();
  next?.focus();
}

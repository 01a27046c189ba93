// SPDX-License-Identifier: Apache-2.0

// What people do in the portal and in the app, step by step, as a person would: by what they read on the screen.
import { expect } from 'vitest';
import type { Person } from './browser';

/** Creates an account on the sign-up page that is open, and waits for the app: its list of chats, or the first chat. */
export async function signUp(p: Person, name: string, password: string): Promise<void> {
  await p.field('Your name').fill(name);
  await p.field('Password').fill(password);
  await p.button('Create account').click();
  await p.page.getByRole('heading', { name: 'Chats', exact: true }).or(composer(p)).first().waitFor();
}

export async function logIn(p: Person, name: string, password: string): Promise<void> {
  await p.field('Your address').fill(name);
  await p.field('Password').fill(password);
  await p.button('Log in').click();
}

/** Makes an invitation in the app and returns its link. */
export async function invite(p: Person): Promise<string> {
  await p.go('/new');
  await p.button(/^Invite a friend/).click();
  const link = await p.field('Invitation link').inputValue();
  await p.dialog.getByRole('button', { name: 'Close' }).click();
  return link;
}

export async function openChat(p: Person, name: string): Promise<void> {
  await p.page.getByRole('list', { name: 'Your chats' }).getByRole('link').filter({ hasText: name }).click();
  await composer(p).waitFor();
}

export function composer(p: Person) {
  return p.page.getByRole('textbox', { name: /^Message to / });
}

export async function say(p: Person, text: string): Promise<void> {
  await composer(p).fill(text);
  await composer(p).press('Enter');
}

export interface Bubble {
  readonly text: string;
  readonly mine: boolean;
  readonly state: string; // in words, '' for theirs
}

/** The messages on the screen, oldest first. */
export async function bubbles(p: Person): Promise<Bubble[]> {
  return p.page.locator('.timeline .message').evaluateAll((all) =>
    all
      .filter((li) => li.querySelector('.bubble .text') !== null)
      .map((li) => ({
        text: li.querySelector('.bubble .text')?.textContent ?? '',
        mine: li.classList.contains('mine'),
        state: /Waiting to be sent|On its way|Sent|Delivered|Not sent/.exec([...li.querySelectorAll('.hidden')].map((e) => e.textContent).join(' '))?.[0] ?? '',
      })),
  );
}

/** Waits until the texts on the screen are these, in this order and each once. */
export async function shows(p: Person, ...texts: string[]): Promise<void> {
  await expect.poll(async () => (await bubbles(p)).map((b) => b.text)).toEqual(texts);
}

/** Waits until a message of their own has come to this state. */
export async function reaches(p: Person, text: string, state: string): Promise<void> {
  await expect.poll(async () => (await bubbles(p)).find((b) => b.text === text)?.state).toBe(state);
}

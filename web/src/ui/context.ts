// SPDX-License-Identifier: Apache-2.0

// Hands the app to every screen, and turns what a command failed with into a sentence.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { CommandError, type App } from '../core/view';
import { t } from '../i18n';

export const AppContext = createContext<App | undefined>(undefined);

/** useApp is the app; only inside of a mounted tree. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error('ui: no app above this screen');
  return app;
}

/** sentence says what went wrong and what to do next. */
export function sentence(error: unknown): string {
  return error instanceof CommandError ? t(`error.${error.reason}`) : t('error.unknown');
}

/** nameOf is what an address is called: the name of the contact, else of the chat, else the part before @. */
export function nameOf(app: App, address: string): string {
  const known =
    app.contacts.value.find((c) => c.address === address)?.name ?? app.chats.value.find((c) => c.address === address)?.name;
  return known ?? localpart(address);
}

/** localpart is the part before @, or the whole where there is none. */
export function localpart(address: string): string {
  const at = address.lastIndexOf('@');
  return at > 0 ? address.slice(0, at) : address;
}

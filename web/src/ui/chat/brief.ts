// SPDX-License-Identifier: Apache-2.0

import type { Message } from '../../core/view';
import { t } from '../../i18n';

/** brief says a message in one line, where there is no room for it, or nobody sees it. */
export function brief(message: Message): string {
  if (message.unreadable !== undefined) return t('chats.encrypted');
  if (message.file === undefined) return message.body.replace(/\s+/gu, ' ').trim();
  return message.file.kind === 'file' ? message.file.name : t(`brief.${message.file.kind}`);
}

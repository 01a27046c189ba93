// SPDX-License-Identifier: Apache-2.0

/** isScreen says whether a path is one of the app's own; all others (an invitation, the admin's pages) belong to the server. */
export function isScreen(path: string): boolean {
  return /^\/(?:c\/.*|contact\/.*|new\/?|settings(?:\/.*)?)?$/u.test(path);
}

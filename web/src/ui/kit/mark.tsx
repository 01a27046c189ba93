// SPDX-License-Identifier: Apache-2.0

// The sign of the app, the same as public/icon.svg.

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 512 512" aria-hidden="true" focusable="false">
      <rect width="512" height="512" rx="116" fill="#0b7a75" />
      <path
        fill="#8fd8d2"
        d="M300 136c62 0 112 44 112 99 0 30-15 57-39 75l8 44c1 7-6 12-12 8l-43-24c-8 2-17 3-26 3-62 0-112-47-112-103s50-102 112-102z"
      />
      <path
        fill="#fff"
        d="M212 172c-62 0-112 46-112 103 0 31 15 59 39 78l-9 47c-1 7 6 12 12 9l47-26c8 1 15 2 23 2 62 0 112-49 112-110s-50-103-112-103z"
      />
    </svg>
  );
}

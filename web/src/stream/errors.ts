// SPDX-License-Identifier: Apache-2.0

/** The server refused the credentials (condition: RFC 6120 §6.5), or did not prove that it knows them. */
export class SaslError extends Error {
  constructor(readonly condition: string, detail = '') {
    super(`sasl: ${condition}${detail && `: ${detail}`}`);
    this.name = 'SaslError';
  }
}

/** The stream ended with an error (condition: RFC 6120 §4.9.3), from the server or from us. */
export class StreamError extends Error {
  constructor(readonly condition: string, detail = '') {
    super(`stream: ${condition}${detail && `: ${detail}`}`);
    this.name = 'StreamError';
  }
}

/** No connection could be made, or it was lost, or nothing came in time. */
export class Unreachable extends Error {
  constructor(detail: string) {
    super(`stream: ${detail}`);
    this.name = 'Unreachable';
  }
}

// SPDX-License-Identifier: Apache-2.0

// From what went wrong on the wire to what a person is told.
import { SaslError, StreamError, Unreachable } from '../stream/errors';
import { StanzaError } from '../stream/stream';
import { CommandError, type Failure, type Reason } from './view';

/** Why a log-in did not work. */
export function logInReason(e: unknown, byCode: boolean): Reason {
  if (e instanceof SaslError) {
    switch (e.condition) {
      case 'account-disabled': return 'disabled';
      case 'not-authorized':
      case 'credentials-expired': return byCode ? 'code-used' : 'wrong-password';
      case 'temporary-auth-failure': return 'slow-down';
      default: return 'server';
    }
  }
  if (e instanceof StreamError) {
    switch (e.condition) {
      case 'host-unknown': return 'unknown-domain';
      case 'policy-violation':
      case 'resource-constraint': return 'slow-down';
      default: return 'server';
    }
  }
  return e instanceof Unreachable ? 'unreachable' : 'server';
}

/** Whether the server will not take this token any more. Anything else may pass. */
export function tokenIsGone(e: unknown): boolean {
  return e instanceof SaslError && ['not-authorized', 'credentials-expired', 'account-disabled'].includes(e.condition);
}

const REFUSED = new Set(['forbidden', 'not-allowed', 'not-authorized', 'not-acceptable', 'policy-violation', 'registration-required', 'subscription-required']);

/** Makes a CommandError of what a query to the server failed with. */
export function commandError(e: unknown, special: Readonly<Record<string, Reason>> = {}): CommandError {
  if (e instanceof CommandError) return e;
  if (e instanceof StanzaError) {
    const reason = special[e.condition] ?? (e.condition === 'jid-malformed' ? 'bad-address' : REFUSED.has(e.condition) ? 'refused' : 'server');
    return new CommandError(reason, e.message);
  }
  if (e instanceof Unreachable) return new CommandError(e.message.includes('no answer') ? 'timeout' : 'offline', e.message);
  return new CommandError('server', e instanceof Error ? e.message : '');
}

/** Why a message came back (RFC 6120 §8.3.3); blocked: XEP-0191 §3.3 says so beside the condition. */
export function failureOf(condition: string, blocked: boolean): Failure {
  if (blocked) return 'blocked';
  switch (condition) {
    case 'item-not-found':
    case 'gone':
    case 'jid-malformed':
    case 'recipient-unavailable':
    case 'service-unavailable': return 'no-such-person'; // RFC 6121 §8.5.1: how servers answer for nobody
    case 'remote-server-not-found':
    case 'remote-server-timeout': return 'remote-server';
    default: return REFUSED.has(condition) ? 'refused' : 'server';
  }
}

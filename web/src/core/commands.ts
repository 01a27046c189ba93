// SPDX-License-Identifier: Apache-2.0

// What the leader does for the person beside chats and contacts, with arguments and results as plain values: they go
// from tab to tab (tabs.ts).
import type { DeviceInfo, Picture, PushDevice, ReportReason } from './view';

/** How this browser can be reached by its push service, base64url. */
export interface Endpoint {
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}

export interface RoomCommands {
  setName(name: string): Promise<void>;
  setAvatar(picture: Picture | undefined): Promise<void>;
  block(address: string, report: ReportReason): Promise<void>;
  unblock(address: string): Promise<void>;
  devices(): Promise<readonly DeviceInfo[]>;
  signOut(ids: readonly string[]): Promise<void>;
  /** The server's key, '' where it does not push. */
  pushKey(): Promise<string>;
  pushEnable(to: Endpoint): Promise<void>;
  pushDisable(): Promise<void>;
  pushDevices(): Promise<readonly PushDevice[]>;
  /** '' where the push service took it, else why not. */
  testPush(): Promise<string>;
  /** Ends the upload of a message that was taken back. */
  abandon(key: string): Promise<void>;
}

// SPDX-License-Identifier: Apache-2.0

// What the leader does beside chats and contacts: a room for each, told when a stream is there and when it is gone.
import type { Stream } from '../stream/stream';
import { attr, type Element } from '../xml/element';
import { bare } from '../xmpp/jid';
import { eventOf } from '../xmpp/pep';
import { BlockingRoom } from './blocking';
import type { Endpoint, RoomCommands } from './commands';
import { DevicesRoom } from './devices';
import { FilesRoom } from './files';
import { ProfileRoom } from './profile';
import { PushRoom } from './push';
import type { Surroundings } from './surroundings';
import type { Picture, ReportReason } from './view';

export class Rooms implements RoomCommands {
  readonly profile: ProfileRoom;
  readonly push: PushRoom;
  readonly files: FilesRoom;
  private readonly blocking: BlockingRoom;
  private readonly access: DevicesRoom;

  constructor(at: Surroundings) {
    this.profile = new ProfileRoom(at);
    this.push = new PushRoom(at);
    this.files = new FilesRoom(at);
    this.blocking = new BlockingRoom(at);
    this.access = new DevicesRoom(at);
  }

  /** Before the first stream. */
  async load(): Promise<void> {
    await Promise.all([this.profile.load(), this.push.load()]);
  }

  /** A stream is there. What a room cannot have, it does without. */
  arrived(stream: Stream): void {
    for (const room of [this.blocking, this.files, this.profile, this.push]) room.arrived(stream).catch(() => {});
  }

  lost(): void {
    this.profile.lost();
    this.files.lost();
  }

  stop(): void {
    this.push.stop();
  }

  /** What somebody's account tells of itself; false: the message is about something else. */
  async event(stream: Stream, message: Element): Promise<boolean> {
    const event = eventOf(message);
    if (!event) return false;
    await this.profile.event(stream, bare(attr(message, 'from')) || stream.bare, event);
    return true;
  }

  /** A query that one of the rooms answers; false: it is for somebody else. */
  async query(stream: Stream, iq: Element): Promise<boolean> {
    return this.blocking.push(stream, iq);
  }

  setName = (name: string): Promise<void> => this.profile.setName(name);
  setAvatar = (picture: Picture | undefined): Promise<void> => this.profile.setAvatar(picture);
  block = (address: string, report: ReportReason): Promise<void> => this.blocking.block(address, report);
  unblock = (address: string): Promise<void> => this.blocking.unblock(address);
  devices = (): ReturnType<RoomCommands['devices']> => this.access.devices();
  signOut = (ids: readonly string[]): Promise<void> => this.access.signOut(ids);
  pushKey = (): Promise<string> => this.push.pushKey();
  pushEnable = (to: Endpoint): Promise<void> => this.push.pushEnable(to);
  pushDisable = (): Promise<void> => this.push.pushDisable();
  pushDevices = (): ReturnType<RoomCommands['pushDevices']> => this.push.pushDevices();
  testPush = (): Promise<string> => this.push.testPush();
  abandon = (key: string): Promise<void> => this.files.abandon(key);
}

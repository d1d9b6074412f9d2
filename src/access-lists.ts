/** From the allow lists that users give to who may be what. Used by `createPeer`, `annulus` and their `setAllowed`. */
import { peerIdFromString } from '@libp2p/peer-id'
import type { AllowLists, Logger } from './api.ts'
import { Access, type AccessRole, type AccessRoles } from './core/access.ts'
import { AnnulusError } from './core/errors.ts'
import { TurnedAway } from './libp2p/turned-away.ts'

/** Peer ids on both lists together: beyond any cluster and its clients, and some 10 MB. */
export const maxListed = 65_536

/** What a peer knows of who may connect; tells the log of who was turned away, once a while. Throws ERR_INVALID. */
export function accessOf(lists: AllowLists, logger: Logger): Access {
  const turnedAway = new TurnedAway({
    tell: (peerId, count, why) => logger.warn(`turned away who may not connect: ${why}`, { peerId, count }),
    now: () => performance.now()
  })
  const onTurnedAway = (peerId: string, why: string): void => turnedAway.add(peerId, why)
  return new Access({ read: readRoles, onTurnedAway }, lists)
}

/** What each peer id may be; undefined where there are no lists. Throws ERR_INVALID. */
export function readRoles({ allow, allowClients }: AllowLists): AccessRoles | undefined {
  if (allow === undefined && allowClients === undefined) return undefined
  checkList('allow', allow)
  checkList('allowClients', allowClients)
  const count = (allow?.length ?? 0) + (allowClients?.length ?? 0)
  if (count > maxListed) {
    throw invalid(`"allow" and "allowClients" have ${count} peer ids; they may have ${maxListed} together`)
  }
  const roles = new Map<string, AccessRole>()
  for (const client of allowClients ?? []) {
    const { peerId, role } = readClient(client)
    if ((roles.get(peerId) ?? role) !== role) {
      throw invalid(`"allowClients" has ${peerId} twice, once read-only; name it once`)
    }
    roles.set(peerId, role)
  }
  for (const peerId of allow ?? []) roles.set(readPeerId('allow', peerId), 'member')
  return roles
}

/** What is given may be anything, where it comes from JavaScript. */
function readClient(client: unknown): { peerId: string; role: AccessRole } {
  if (typeof client !== 'object' || client === null) {
    return { peerId: readPeerId('allowClients', client), role: 'client' }
  }
  const { peerId, readOnly = false } = client as { peerId?: unknown; readOnly?: unknown }
  if (typeof readOnly !== 'boolean') {
    throw invalid(`"allowClients" has a "readOnly" of ${String(readOnly)}; it takes true or false`)
  }
  return { peerId: readPeerId('allowClients', peerId), role: readOnly ? 'read-only' : 'client' }
}

/** In the one form that connections are compared in. */
function readPeerId(name: string, peerId: unknown): string {
  try {
    return peerIdFromString(peerId as string).toString()
  } catch (error) {
    throw invalid(`"${name}" has "${String(peerId)}", which is no peer id`, error)
  }
}

/** For those who write JavaScript: a text is a list too, of its characters. */
function checkList(name: string, list: unknown): void {
  if (list !== undefined && !Array.isArray(list)) throw invalid(`"${name}" is no list of peer ids`)
}

function invalid(message: string, cause?: unknown): AnnulusError {
  return new AnnulusError('ERR_INVALID', message, { cause })
}

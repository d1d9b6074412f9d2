/** What peers that run with --verbose tell of their sessions of reconciling: read from what they wrote to stderr. */
import { until, type PeerProcess } from '../../test/support/peers.ts'

/** For as long it may take until each two have found each other equal, in ms. */
const equalTimeoutMs = 180_000

export interface LoggedSession {
  /** Peer id of the member that was asked. */
  readonly with: string
  /** Whether it went through; if not, another one follows. */
  readonly isWhole: boolean
  readonly wasEqual: boolean
  /** Records. */
  readonly received: number
  readonly sent: number
  /** Of all its messages. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** `annulus: debug: reconciled with=12D3.. kind=shared ms=12 sentBytes=180 ..`, or that it ended early. */
const line = /^annulus: debug: (reconciled|reconciling ended early)((?: \w+=(?:"[^"]*"|\S+))*)/gm

export function sessionsIn(log: string): LoggedSession[] {
  return [...log.matchAll(line)].map(([, what, fields]) => {
    const field = (name: string): string | undefined => new RegExp(` ${name}=(\\S+)`).exec(fields!)?.[1]
    return {
      with: field('with')!,
      isWhole: what === 'reconciled',
      wasEqual: field('wasEqual') === 'true',
      received: Number(field('received') ?? 0),
      sent: Number(field('sent') ?? 0),
      sentBytes: Number(field('sentBytes')),
      receivedBytes: Number(field('receivedBytes'))
    }
  })
}

export function trafficOf(sessions: readonly LoggedSession[]): number {
  return sessions.reduce((sum, { sentBytes, receivedBytes }) => sum + sentBytes + receivedBytes, 0)
}

/** How much each peer has told until now. */
export function sessionMarks(peers: readonly PeerProcess[]): ReadonlyMap<PeerProcess, number> {
  return new Map(peers.map(peer => [peer, peer.running.stderr.length]))
}

/** Waits until each two have found each other equal, in sessions that ended after these marks, if any are given. */
export async function allEqual(
  peers: readonly PeerProcess[],
  marks: ReadonlyMap<PeerProcess, number> = new Map()
): Promise<void> {
  const look = (): boolean => {
    const equal = new Map(
      peers.map(peer => {
        const sessions = sessionsIn(peer.running.stderr.slice(marks.get(peer) ?? 0))
        return [peer, new Set(sessions.filter(({ wasEqual }) => wasEqual).map(session => session.with))]
      })
    )
    const isEqual = (a: PeerProcess, b: PeerProcess): boolean => equal.get(a)!.has(b.peerId)
    return peers.every((a, i) => peers.slice(i + 1).every(b => isEqual(a, b) || isEqual(b, a)))
  }
  await until('all to be found equal', () => Promise.resolve(look()), { timeoutMs: equalTimeoutMs })
}

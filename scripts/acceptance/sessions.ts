/** What peers that run with --verbose tell of their sessions of reconciling: read from what they wrote to stderr. */

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

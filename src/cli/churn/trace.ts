/**
 * Who comes and goes, and when, as text: lines of `seconds,event,peer`, in the order of time. Read by
 * `annulus churn --trace`, and written by each run, so that it can be played again. Empty lines and what follows a #
 * do not count, nor does a first line that names the columns.
 *
 *     0,join,1          at 0: there from the start, before any load
 *     0,join,2
 *     12.5,kill,1       its process ends at once
 *     40,return,1       starts again with its disk
 *     55,leave,2        hands over what it holds and leaves for good
 */
const eventKinds = ['join', 'leave', 'kill', 'return'] as const
export type EventKind = (typeof eventKinds)[number]

export interface ChurnEvent {
  /** Since the load began, in ms of the cluster's time. */
  readonly atMs: number
  readonly kind: EventKind
  /** Any name. */
  readonly peer: string
}

/** Events of one trace: a day of a large network. */
const maxEvents = 100_000

/** Peers of one trace: each has a folder. */
const maxPeers = 10_000

export class TraceError extends Error {
  override readonly name = 'TraceError'
}

/** Throws a TraceError that names the line. */
export function parseTrace(text: string): ChurnEvent[] {
  const events: ChurnEvent[] = []
  const isUp = new Map<string, boolean>()
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.replace(/#.*/, '').trim()
    if (content === '' || (events.length === 0 && /^\D+,event,peer$/.test(content))) continue
    const fail = (why: string): never => {
      throw new TraceError(`line ${index + 1}: ${why}`)
    }
    const event = parseLine(content, fail)
    if (event.atMs < (events.at(-1)?.atMs ?? 0))
      fail('it is earlier than the line before; sort the lines by time')
    const problem = problemOf(event, isUp.get(event.peer))
    if (problem !== undefined) fail(problem)
    isUp.set(event.peer, event.kind === 'join' || event.kind === 'return')
    events.push(event)
    if (events.length > maxEvents) fail(`there are more than ${maxEvents} events; cut the trace`)
    if (isUp.size > maxPeers) fail(`there are more than ${maxPeers} peers; cut the trace`)
  }
  if (!events.some(isInitial))
    throw new TraceError('no peer is there from the start; begin with lines such as 0,join,1')
  return events
}

export function formatTrace(events: readonly ChurnEvent[]): string {
  const lines = events.map(({ atMs, kind, peer }) => `${atMs / 1_000},${kind},${peer}`)
  return ['seconds,event,peer', ...lines, ''].join('\n')
}

/** Whether this peer is there before the load begins. */
export function isInitial({ atMs, kind }: ChurnEvent): boolean {
  return atMs === 0 && kind === 'join'
}

function parseLine(content: string, fail: (why: string) => never): ChurnEvent {
  const [seconds = '', name = '', peer = '', ...rest] = content.split(',').map(part => part.trim())
  const kind = eventKinds.find(known => known === name)
  if (rest.length > 0 || peer === '') fail(`"${content}" is no seconds,event,peer such as 12.5,kill,1`)
  if (!/^\d+(\.\d+)?$/.test(seconds)) fail(`"${seconds}" is no number of seconds such as 12.5`)
  if (kind === undefined) return fail(`"${name}" is no event; there are ${eventKinds.join(', ')}`)
  // To the microsecond, as seconds with decimals are not exact.
  return { atMs: Math.round(Number(seconds) * 1e6) / 1e3, kind, peer }
}

/** What is wrong with an event of a peer that is up or gone, or unknown where undefined. */
function problemOf({ kind, peer }: ChurnEvent, isUp: boolean | undefined): string | undefined {
  if (kind === 'join') return isUp === undefined ? undefined : `${peer} was there before; it can return`
  if (isUp === undefined) return `${peer} was never there; it has to join first`
  if (kind === 'return') return isUp ? `${peer} is there already` : undefined
  return isUp ? undefined : `${peer} is gone already`
}

import { describe, expect, it } from 'vitest'
import { drawSchedule, initialEvents } from '../../../src/cli/churn/schedule.ts'
import { formatTrace, parseTrace, type ChurnEvent } from '../../../src/cli/churn/trace.ts'

const init = {
  seed: 7,
  peers: 40,
  medianMs: 60_000,
  durationMs: 6_000_000,
  leaveShare: 0.5,
  returnShare: 0.25,
  awayMs: 1_000
}

describe('a trace', () => {
  it('is read as it is written', () => {
    const events = drawSchedule({ ...init, durationMs: 300_000 }).map(event => ({
      ...event,
      atMs: Math.round(event.atMs)
    }))
    expect(parseTrace(formatTrace(events))).toEqual(events)
  })

  it('may have comments, spaces and names of any kind', () => {
    const text = '# who\nseconds,event,peer\n0,join,anna\r\n\n1.5, kill , anna # at night\n2,return,anna\n'
    expect(parseTrace(text)).toEqual([
      { atMs: 0, kind: 'join', peer: 'anna' },
      { atMs: 1_500, kind: 'kill', peer: 'anna' },
      { atMs: 2_000, kind: 'return', peer: 'anna' }
    ])
  })

  it.each([
    ['0,join,1\n1,die,1', 'line 2: "die" is no event'],
    ['0,join,1\n1,kill', 'line 2: "1,kill" is no seconds,event,peer'],
    ['0,join,1\n-1,kill,1', 'line 2: "-1" is no number of seconds'],
    ['0,join,1\n2,kill,1\n1,return,1', 'line 3: it is earlier than the line before'],
    ['0,join,1\n2,kill,2', 'line 2: 2 was never there'],
    ['0,join,1\n2,kill,1\n3,leave,1', 'line 3: 1 is gone already'],
    ['0,join,1\n2,return,1', 'line 2: 1 is there already'],
    ['0,join,1\n2,join,1', 'line 2: 1 was there before'],
    ['1,join,1', 'no peer is there from the start']
  ])('that makes no sense is refused by its line: %j', (text, problem) => {
    expect(() => parseTrace(text)).toThrow(problem)
  })
})

describe('a drawn schedule', () => {
  const events = drawSchedule(init)

  it('is the same for the same seed, and another for another', () => {
    expect(drawSchedule(init)).toEqual(events)
    expect(drawSchedule({ ...init, seed: 8 })).not.toEqual(events)
  })

  it('begins with all peers and makes a trace that can be played', () => {
    expect(events.slice(0, 40)).toEqual(initialEvents(40))
    expect(() => parseTrace(formatTrace(events))).not.toThrow()
  })

  it('has sessions of the median asked for, half of which end in order', () => {
    const ended = sessionsOf(events).sort((a, b) => a - b)
    expect(ended.length).toBeGreaterThan(1_000)
    const median = ended[Math.floor(ended.length / 2)]!
    expect(median / init.medianMs).toBeGreaterThan(0.9)
    expect(median / init.medianMs).toBeLessThan(1.1)
    const leaves = events.filter(({ kind }) => kind === 'leave').length
    expect(leaves / ended.length).toBeGreaterThan(0.45)
    expect(leaves / ended.length).toBeLessThan(0.55)
  })

  it('has as many return as asked, and keeps the population', () => {
    const count = (kind: ChurnEvent['kind']): number => events.filter(event => event.kind === kind).length
    const departures = count('leave') + count('kill')
    expect(count('return') / departures).toBeGreaterThan(0.2)
    expect(count('return') / departures).toBeLessThan(0.3)
    // All but those that are away in the end.
    expect(departures - count('return') - (count('join') - 40)).toBeLessThan(5)
  })
})

function sessionsOf(events: readonly ChurnEvent[]): number[] {
  const since = new Map<string, number>()
  return events.flatMap(({ atMs, kind, peer }) => {
    const isStart = kind === 'join' || kind === 'return'
    const began = since.get(peer)
    if (isStart) since.set(peer, atMs)
    return isStart || began === undefined ? [] : [atMs - began]
  })
}

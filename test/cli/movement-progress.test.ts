import { afterEach, describe, expect, it, vi } from 'vitest'
import { showDeparture } from '../../src/cli/members.ts'
import {
  formatMovement,
  MovementTally,
  startMovementProgress,
  type Movement,
  type MovementTransfer
} from '../../src/cli/movement-progress.ts'
import { divertLines } from '../../src/cli/terminal.ts'
import type { ChangeOptions, Status, TransferStatus } from '../../src/api.ts'
import { AnnulusError } from '../../src/core/errors.ts'

const take = (peerId: string, records: number, recordsLeft: number): TransferStatus => ({
  peerId,
  kind: 'take',
  records,
  bytes: 10 * records,
  recordsLeft,
  bytesPerSecond: 100,
  secondsLeft: recordsLeft,
  waitsFor: null
})

const waitingTake = (peerId: string): MovementTransfer => ({ ...take(peerId, 0, 0), waitsFor: 'B' })

afterEach(() => {
  vi.useRealTimers()
})

describe('a movement', () => {
  it('adds up the transfers that are seen, and takes those that are seen no more for done', () => {
    const tally = new MovementTally()
    expect(tally.add([take('A', 10, 90), take('B', 5, 15)])).toEqual({
      done: 15,
      left: 105,
      bytesPerSecond: 200,
      secondsLeft: 90,
      waitsFor: []
    })
    expect(tally.add([take('A', 60, 40)])).toMatchObject({ done: 80, left: 40, secondsLeft: 40 })
    expect(tally.add([])).toMatchObject({ done: 120, left: 0, bytesPerSecond: 0, secondsLeft: null })
  })

  it('does not go back where a transfer begins anew', () => {
    const tally = new MovementTally()
    tally.add([take('A', 60, 40)])
    expect(tally.add([take('A', 0, 40)])).toMatchObject({ done: 60, left: 40 })
  })

  it('says what it waits for, each thing once', () => {
    const tally = new MovementTally()
    const { waitsFor } = tally.add([waitingTake('A'), waitingTake('A')], ['C to come back'])
    expect(waitsFor).toEqual(['A: B', 'C to come back'])
  })

  it('is put in a line', () => {
    const movement: Movement = {
      done: 1_000,
      left: 234,
      bytesPerSecond: 2048,
      secondsLeft: 65,
      waitsFor: ['A: B']
    }
    expect(formatMovement(movement)).toBe(
      '1,000 of 1,234 records | 2.0 KiB/s | 1 m 05 s left | waits for A: B'
    )
    const still: Movement = { done: 0, left: 7, bytesPerSecond: 0, secondsLeft: null, waitsFor: [] }
    expect(formatMovement(still)).toBe('0 of 7 records')
    expect(formatMovement({ ...still, left: 0, waitsFor: ['A'] })).toBe('waits for A')
  })
})

describe('off a terminal', () => {
  it('is a line said at once, and then no more than one in ten seconds', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const lines: string[] = []
    const restore = divertLines(line => lines.push(line))
    try {
      const progress = await startMovementProgress('taking over')
      const tally = new MovementTally()
      progress.show(tally.add([]))
      for (let records = 0; records < 30; records++) {
        progress.show(tally.add([take('A', records, 30 - records)]))
        vi.advanceTimersByTime(1_000)
      }
      progress.end()
    } finally {
      restore()
    }
    expect(lines.map(line => line.split(' records')[0])).toEqual([
      'annulus: taking over: 0 of 30',
      'annulus: taking over: 10 of 30',
      'annulus: taking over: 20 of 30'
    ])
  })
})

describe('a departure', () => {
  it('shows what the takers do and what else it waits for, until it is done', async () => {
    const lines: string[] = []
    const restore = divertLines(line => lines.push(line))
    const gone = Promise.withResolvers<undefined>()
    const transfers = [take('A', 1, 2), { ...take('B', 7, 7), kind: 'reconcile' as const }]
    const status = (): Promise<Status> => Promise.resolve({ transfers } as unknown as Status) // all that is looked at
    try {
      const showing = showDeparture(
        { status },
        async ({ onWaiting }) => {
          onWaiting?.('A to take over its ranges; C, which is down, to take over its ranges')
          await gone.promise
        },
        { timeoutMs: 60_000, signal: new AbortController().signal }
      )
      await vi.waitUntil(() => lines.length > 0, { timeout: 20_000 })
      gone.resolve(undefined)
      await showing
    } finally {
      restore()
    }
    expect(lines).toEqual([
      'annulus: handing over: 1 of 3 records | 100 B/s | 2 s left | waits for C, which is down, to take over its ranges'
    ])
  })

  it('that is not done in time says that it goes on, what it waits for and what to do', async () => {
    const open = new AnnulusError('ERR_OUTCOME_UNKNOWN', 'not yet', { indefinite: true })
    const ask = ({ onWaiting }: ChangeOptions): Promise<void> => {
      onWaiting?.('A, which is down')
      return Promise.reject(open)
    }
    const status = (): Promise<Status> => Promise.reject(new Error('no status'))
    const options = { timeoutMs: 2, signal: new AbortController().signal }
    await expect(showDeparture({ status }, ask, options)).rejects.toMatchObject({
      exitCode: 6,
      message: 'not done within 2ms; it goes on, and waits for A, which is down',
      advice: expect.stringContaining('annulus remove') as string
    })
  })

  it('fails as it fails, whether or not there is a status to see', async () => {
    const refused = new Error('refused')
    const nothing = (): Promise<Status> => Promise.reject(new Error('no status'))
    const options = { timeoutMs: 60_000, signal: new AbortController().signal }
    await expect(showDeparture({ status: nothing }, () => Promise.reject(refused), options)).rejects.toBe(
      refused
    )
  })
})

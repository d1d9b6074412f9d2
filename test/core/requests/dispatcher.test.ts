import { describe, expect, it } from 'vitest'
import type { AccessRole } from '../../../src/core/access.ts'
import { ServeError, type Remote } from '../../../src/core/ports.ts'
import { CatchUp } from '../../../src/core/requests/catch-up.ts'
import { Dispatcher, type Asked } from '../../../src/core/requests/dispatcher.ts'
import type { RequestBody } from '../../../src/core/rpc-types.ts'
import type { TopologyLog } from '../../../src/core/topology/log.ts'
import { Consistency, Operation, Request, Response } from '../../../src/wire/generated/messages.ts'
import { silent } from '../topology/fakes.ts'
import { advance, failureOf, logOf, remoteOf } from './fakes.ts'

const readVersion = { position: new Uint8Array(32) }

interface Setup {
  readonly log: TopologyLog
  /** Runs when a route serves. */
  readonly serving?: (asked: Asked) => void | Promise<void>
  /** Brings the log up where the dispatcher catches up. */
  readonly catchingUp?: () => Promise<void>
  /** What everybody may be. */
  readonly role?: AccessRole
}

function make({ log, serving, catchingUp, role = 'member' }: Setup) {
  const served: string[] = []
  const caughtUp: string[] = []
  const serve = (name: string) => async (_message: unknown, asked: Asked) => {
    served.push(name)
    await serving?.(asked)
    return { done: {} }
  }
  const calls = {
    call: async () => {
      caughtUp.push('asked')
      await catchingUp?.()
      return { epoch: 0, done: {} }
    }
  }
  const access = { isMember: () => role === 'member', mayChange: () => role !== 'read-only' }
  const dispatcher = new Dispatcher(
    { log, access, catchUp: new CatchUp({ calls, log, logger: silent }), logger: silent },
    {
      readVersion: { atEpoch: true, roles: 'all', serve: serve('readVersion') },
      fetchLog: { atEpoch: false, roles: 'all', serve: serve('fetchLog') },
      ping: { atEpoch: false, roles: 'peers', serve: serve('ping') },
      forward: {
        atEpoch: false,
        roles: 'all',
        changes: ({ operation }) => operation === Operation.OPERATION_PUT,
        serve: serve('forward')
      }
    }
  )
  const ask = async (request: RequestBody & { epoch: number }, from: Remote = remoteOf('b')) => {
    const signal = new AbortController().signal
    return Response.decode(await dispatcher.serve(Request.encode(request), { from, signal, timeoutMs: 100 }))
  }
  return { dispatcher, ask, served, caughtUp }
}

describe('the dispatcher', () => {
  it('answers with the epoch of the moment at which the work was done', async () => {
    const log = await logOf('found a')
    const { ask } = make({ log, serving: () => advance(log, 'open +b') })
    const response = await ask({ epoch: 1, readVersion })
    expect(response.epoch).toBe(2)
    // The requester sees that its epoch is over, and why.
    expect(response.log?.entries).toHaveLength(1)
  })

  it('serves what concerns keys only at the epoch of the requester', async () => {
    const log = await logOf('found a; open +b; close')
    const { ask, served } = make({ log })
    const behind = await ask({ epoch: 1, readVersion })
    expect(served).toEqual([])
    expect([behind.epoch, behind.done, behind.log?.entries.length]).toEqual([3, undefined, 2])
    const level = await ask({ epoch: 3, readVersion })
    expect(served).toEqual(['readVersion'])
    expect([level.epoch, level.done, level.log]).toEqual([3, {}, undefined])
  })

  it('catches up with a requester that is ahead before it serves', async () => {
    const log = await logOf('found a')
    const { ask, served, caughtUp } = make({ log, catchingUp: () => advance(log, 'open +b') })
    const response = await ask({ epoch: 2, readVersion })
    expect(caughtUp).toEqual(['asked'])
    expect(served).toEqual(['readVersion'])
    expect([response.epoch, response.done]).toEqual([2, {}])
  })

  it('gives no vote where it could not catch up', async () => {
    const { ask, served } = make({ log: await logOf('found a') })
    const response = await ask({ epoch: 2, readVersion })
    expect(served).toEqual([])
    expect([response.epoch, response.done]).toEqual([1, undefined])
  })

  it('serves the rest at any epoch, and gives what a fetch of the log asks for', async () => {
    const { ask, served } = make({ log: await logOf('found a; open +b; close') })
    const response = await ask({ epoch: 0, fetchLog: { after: 2 } })
    expect(served).toEqual(['fetchLog'])
    expect(response.log?.entries).toHaveLength(1)
  })

  it('keeps what is for peers from clients', async () => {
    const { ask, served } = make({ log: await logOf('found a') })
    const ping = { rumours: [], addresses: [] }
    const client = remoteOf('c', { role: 'client', life: '' })
    expect(await failureOf(ask({ epoch: 1, ping }, client))).toMatchObject({ code: 'bad-request' })
    await ask({ epoch: 1, ping })
    expect(served).toEqual(['ping'])
  })

  it('lets one that may only read ask what changes nothing, and refuses the rest', async () => {
    const log = await logOf('found a')
    const forward = (operation: Operation) => ({
      epoch: 1,
      forward: {
        operation,
        key: new Uint8Array(1),
        value: new Uint8Array(),
        ttlMs: 0,
        consistency: Consistency.CONSISTENCY_QUORUM,
        timeoutMs: 1
      }
    })
    const reader = make({ log, role: 'read-only' })
    await reader.ask(forward(Operation.OPERATION_GET))
    expect(await failureOf(reader.ask(forward(Operation.OPERATION_PUT)))).toMatchObject({ code: 'forbidden' })
    expect(reader.served).toEqual(['forward'])
    const writer = make({ log, role: 'client' })
    await writer.ask(forward(Operation.OPERATION_PUT))
    expect(writer.served).toEqual(['forward'])
  })

  it('takes the log from members alone', async () => {
    const { ask, served, caughtUp } = make({ log: await logOf('found a'), role: 'client' })
    const response = await ask({ epoch: 2, readVersion })
    await ask({ epoch: 2, fetchLog: { after: 0 } })
    expect(caughtUp).toEqual([])
    expect(served).toEqual(['fetchLog'])
    expect([response.epoch, response.done]).toEqual([1, undefined])
  })

  it('refuses what it does not understand', async () => {
    const { dispatcher, ask } = make({ log: await logOf('found a') })
    expect(await failureOf(ask({ epoch: 1 }))).toBeInstanceOf(ServeError)
    const signal = new AbortController().signal
    const garbage = dispatcher.serve(Uint8Array.of(255, 255), { from: remoteOf('b'), signal, timeoutMs: 1 })
    expect(await failureOf(garbage)).toMatchObject({ code: 'bad-request' })
  })

  it('serves its own peer without comparing epochs', async () => {
    const { dispatcher, served } = make({ log: await logOf('found a') })
    const signal = new AbortController().signal
    await dispatcher.serveLocally({ readVersion }, { from: remoteOf('a'), signal, timeoutMs: 1 })
    expect(served).toEqual(['readVersion'])
  })
})

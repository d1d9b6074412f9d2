import { describe, expect, it } from 'vitest'
import { AnnulusError } from '../../src/core/errors.ts'
import {
  Orders,
  serveForward,
  toForward,
  toForwardedGet,
  toForwardedPut,
  type Order
} from '../../src/core/forward.ts'
import type { Coordinator } from '../../src/core/register/coordinator.ts'
import { encodeRecord } from '../../src/core/record/codec.ts'
import { formatVersion } from '../../src/core/record/version.ts'
import { Forward, ForwardAnswer } from '../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { failureOf, remoteOf } from './requests/fakes.ts'

const key = new TextEncoder().encode('key')
const value = new TextEncoder().encode('value')
const version = { time: 5, writer: new Uint8Array(16).fill(1), rmw: 0 }
const asked = { from: remoteOf('c', { role: 'client' }), signal: new AbortController().signal, timeoutMs: 9 }

/** Carries an order to a coordinator as it would travel, and its answer back. */
async function carry(order: Order, coordinator: Partial<Coordinator>): Promise<ForwardAnswer> {
  const message = Forward.decode(Forward.encode(toForward(order, 500.7)))
  // Only what the order calls for is there.
  const { forward } = await serveForward(coordinator as Coordinator, message, asked)
  return ForwardAnswer.decode(ForwardAnswer.encode(forward!))
}

const options = { deadlineMs: 1_000, consistency: 'quorum' } as const

describe('an order that a peer carries out for a client', () => {
  it('puts what was given, with all of its options', async () => {
    const put: unknown[] = []
    const answer = await carry(
      { operation: 'put', key, value, options: { ...options, consistency: 'all', ttlMs: 70 } },
      {
        put: (...args) => {
          put.push(...args)
          return Promise.resolve({ version, replicas: 3 })
        }
      }
    )
    expect(put).toEqual([
      key,
      value,
      { consistency: 'all', deadlineMs: 500, ttlMs: 70, signal: asked.signal }
    ])
    expect(toForwardedPut(answer)).toEqual({ version: formatVersion(version), replicas: 3 })
  })

  it('puts for ever where no time to live was given', async () => {
    const seen: unknown[] = []
    const put = (...[, , given]: Parameters<Coordinator['put']>) => {
      seen.push(given.ttlMs)
      return Promise.resolve({ version, replicas: 2 })
    }
    await carry({ operation: 'put', key, value, options }, { put })
    expect(seen).toEqual([undefined])
  })

  it('gets what is there, an empty value too, and nothing where there is nothing', async () => {
    for (const [found, expiresAt] of [
      [value, 0],
      [new Uint8Array(), 77]
    ] as const) {
      const record = encodeRecord({ key, version, kind: 'value', expiresAt, value: found })
      const get = (): ReturnType<Coordinator['get']> => Promise.resolve({ record, version })
      const result = toForwardedGet(await carry({ operation: 'get', key, options }, { get }))
      expect(result).toEqual({
        value: found,
        version: formatVersion(version),
        expiresAt: expiresAt === 0 ? undefined : expiresAt
      })
    }
    const get = (): ReturnType<Coordinator['get']> => Promise.resolve({ record: undefined, version })
    expect(toForwardedGet(await carry({ operation: 'get', key, options }, { get }))).toBeUndefined()
  })

  it('deletes', async () => {
    const deleted: unknown[] = []
    const remove = (given: Uint8Array): ReturnType<Coordinator['delete']> => {
      deleted.push(given)
      return Promise.resolve({ version, replicas: 2 })
    }
    const answer = await carry({ operation: 'delete', key, options }, { delete: remove })
    expect(deleted).toEqual([key])
    expect(toForwardedPut(answer).replicas).toBe(2)
  })

  it('fails with the same error, and what it says of the outcome', async () => {
    const failure = new AnnulusError('ERR_OUTCOME_UNKNOWN', 'who knows', {
      indefinite: true,
      answered: ['a'],
      missing: ['b', 'c']
    })
    const put = (): Promise<never> => Promise.reject(failure)
    const answer = await carry({ operation: 'put', key, value, options }, { put })
    const error = await failureOf(Promise.resolve().then(() => toForwardedPut(answer)))
    expect(error).toBeInstanceOf(AnnulusError)
    const { code, message, indefinite, answered, missing } = failure
    expect(error).toMatchObject({ code, message, indefinite, answered, missing })
  })

  it('is left to another peer where this one is in no cluster, or stopping', async () => {
    for (const code of ['ERR_UNREACHABLE', 'ERR_STOPPED'] as const) {
      const get = (): Promise<never> => Promise.reject(new AnnulusError(code, 'x'))
      const error = await failureOf(carry({ operation: 'get', key, options }, { get }))
      expect(error).toMatchObject({ name: 'ServeError', code: 'not-ready' })
    }
  })

  it('fails as malformed where its key is over the limit, whatever the client checked', async () => {
    const long = { operation: 'get', key: new Uint8Array(2_000), options } as const
    const answer = await carry(long, {})
    expect(answer.failure?.code).toBe('ERR_INVALID')
  })

  it('fails with an error of an unknown code as an internal one', async () => {
    const failure = { code: 'ERR_OF_TOMORROW', message: 'x', indefinite: true, answered: [], missing: [] }
    const answer = { found: false, value: new Uint8Array(), version: '', replicas: 0, expiresAt: 0, failure }
    const error = await failureOf(Promise.resolve().then(() => toForwardedGet(answer)))
    expect(error).toMatchObject({ code: 'ERR_INTERNAL', indefinite: true })
  })
})

describe('the orders of a peer that stops', () => {
  const order = Forward.decode(Forward.encode(toForward({ operation: 'put', key, value, options }, 500)))

  /** A peer with one order under way, and what carries that to its end. */
  function make() {
    const time = new VirtualTime()
    const stored = Promise.withResolvers<{ version: typeof version; replicas: number }>()
    const coordinator = { put: () => stored.promise } as Partial<Coordinator> as Coordinator
    const orders = new Orders({ clock: new VirtualClock(time) })
    const serve = (): ReturnType<Orders['serve']> => orders.serve(coordinator, order, asked)
    return { time, stored, orders, serve, answer: serve() }
  }

  it('are carried out to their end, and none is taken that comes later', async () => {
    const { time, stored, orders, serve, answer } = make()
    const end = orders.end()
    expect(await failureOf(serve())).toMatchObject({ name: 'ServeError', code: 'not-ready' })
    time.after(100, () => stored.resolve({ version, replicas: 3 }))
    await time.settle(end)
    expect((await answer).forward?.replicas).toBe(3)
    expect(time.nowMs).toBe(100)
  })

  it('are not waited for any longer than they usually take', async () => {
    const { time, orders } = make()
    await time.settle(orders.end())
    expect(time.nowMs).toBeGreaterThan(1_000)
    expect(time.nowMs).toBeLessThan(10_000)
  })
})

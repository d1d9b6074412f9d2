import { describe, expect, it } from 'vitest'
import { TransportError, type Transport } from '../../../src/core/ports.ts'
import { RemoteCalls, type RemoteCallsInit } from '../../../src/core/requests/calls.ts'
import type { TopologyLog } from '../../../src/core/topology/log.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import { silent } from '../topology/fakes.ts'
import { id } from '../topology/script.ts'
import { advance, failureOf, logOf } from './fakes.ts'

const options = { timeoutMs: 100 }
const request = { fetchLog: { after: 0 } }

function make(log: TopologyLog, answer: () => Uint8Array, init: RemoteCallsInit = {}) {
  const sent: Request[] = []
  const transport = {
    request: (_to: unknown, body: Uint8Array) => {
      sent.push(Request.decode(body))
      return new Promise<Uint8Array>(resolve => {
        resolve(answer())
      })
    }
  } as unknown as Transport
  return { sent, calls: new RemoteCalls({ transport, log, logger: silent }, init) }
}

describe('a call to another member', () => {
  it('carries the epoch on disk, and has learnt what the answer brings when it returns', async () => {
    const [log, other] = [await logOf('found a'), await logOf('found a; open +b')]
    const slice = other.sliceAfter(1)!
    const { calls, sent } = make(log, () => Response.encode({ epoch: 2, done: {}, log: slice }))
    const response = await calls.call(id('b'), request, options)
    expect(sent[0]!.epoch).toBe(1)
    expect(response.epoch).toBe(2)
    expect(log.epoch).toBe(2)
    await calls.call(id('b'), request, options)
    expect(sent[1]!.epoch).toBe(2)
  })

  it('gives the answer also where its log cannot be taken in', async () => {
    const log = await logOf('found a')
    const broken = { entries: [{ epoch: 2 }] }
    const { calls } = make(log, () => Response.encode({ epoch: 2, done: {}, log: broken }))
    expect((await calls.call(id('b'), request, options)).done).toEqual({})
    expect(log.epoch).toBe(1)
  })

  it('fails where the answer does not decode: the other end has acted on it', async () => {
    const failures: string[] = []
    const onFailure = (_to: unknown, error: TransportError): number => failures.push(error.failure)
    const { calls } = make(await logOf('found a'), () => Uint8Array.of(255, 255), { onFailure })
    const error = await failureOf(calls.call(id('b'), request, options))
    expect(error).toMatchObject({ failure: 'internal', delivered: true })
    expect(failures).toEqual(['internal'])
  })

  it('tells of each request that failed on the way', async () => {
    const failed: unknown[] = []
    const onFailure = (to: unknown, error: TransportError): number => failed.push([to, error.failure])
    const lost = new TransportError('lost', 'x', { delivered: true })
    const answer = (): Uint8Array => {
      throw lost
    }
    const { calls } = make(await logOf('found a'), answer, { onFailure })
    expect(await failureOf(calls.call(id('b'), request, options))).toBe(lost)
    expect(failed).toEqual([[id('b'), 'lost']])
  })
})

describe('a call of a member to itself', () => {
  it('is served here, with the epoch after the work', async () => {
    const log = await logOf('found a')
    const { calls, sent } = make(log, () => new Uint8Array(), {
      self: id('a'),
      serveLocally: async () => {
        await advance(log, 'open +b')
        return { done: {} }
      }
    })
    expect(await calls.call(id('a'), request, options)).toEqual({ epoch: 2, done: {} })
    expect(sent).toEqual([])
  })

  it('is one to another where that is an earlier life', async () => {
    const { calls, sent } = make(await logOf('found a'), () => Response.encode({ epoch: 1, done: {} }), {
      self: id("a'"),
      serveLocally: () => Promise.reject(new Error('it was served here'))
    })
    await calls.call(id('a'), request, options)
    expect(sent).toHaveLength(1)
  })
})

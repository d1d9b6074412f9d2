import { describe, expect, it } from 'vitest'
import { Contact } from '../../src/core/contact.ts'
import { toForward, type Order } from '../../src/core/forward.ts'
import { TransportError, type Transport, type TransportFailure } from '../../src/core/ports.ts'
import type { Calls, RequestBody } from '../../src/core/rpc-types.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { failureOf, logOf, remoteOf } from './requests/fakes.ts'
import { silent } from './topology/fakes.ts'
import { id, nameOf } from './topology/script.ts'

const options = { deadlineMs: 1_000 }
const question = { listAddresses: {} }

/** What a peer does when it is asked: answers, fails so, or never answers. */
type Behaviour = 'answers' | 'silent' | { failure: TransportFailure; delivered: boolean }

/** A client's contact among peers of one letter, each at an address of its name. */
async function make(behaviours: Record<string, Behaviour | 'unreachable' | 'shuts out'>) {
  const time = new VirtualTime()
  const clock = new VirtualClock(time)
  const asked: string[] = []
  const dialled: string[] = []
  const transport = {
    connect: (address: string) => {
      dialled.push(address)
      if (behaviours[address] === 'shuts out') {
        const refusal = { code: 'role', reason: 'it is on no list' } as const
        return Promise.reject(new TransportError('refused', refusal.reason, { delivered: false, refusal }))
      }
      return behaviours[address] === 'unreachable'
        ? Promise.reject(new TransportError('unreachable', 'nobody listens there', { delivered: false }))
        : Promise.resolve(remoteOf(address))
    },
    addresses: { multiaddrs: () => [], learn: () => Promise.resolve(true) }
  } as unknown as Transport
  const calls: Calls = {
    call: (to, _request: RequestBody) => {
      const name = nameOf(to)
      asked.push(name)
      const behaviour = behaviours[name]!
      if (behaviour === 'answers') return Promise.resolve({ epoch: 1, done: {} })
      if (behaviour === 'silent') return new Promise(() => undefined)
      if (behaviour === 'unreachable' || behaviour === 'shuts out') throw new Error('was never connected')
      return Promise.reject(new TransportError(behaviour.failure, 'x', { delivered: behaviour.delivered }))
    }
  }
  const log = await logOf('found a; open +b +c; close')
  const contact = new Contact(
    { clock, transport, calls, log, logger: silent },
    { peers: Object.keys(behaviours) }
  )
  return { time, contact, asked, dialled, log, behaviours }
}

const lost = { failure: 'lost', delivered: true } as const
const notReady = { failure: 'not-ready', delivered: false } as const

describe('a contact', () => {
  it('is the first peer that can be reached, and stays', async () => {
    const { time, contact, asked, dialled } = await make({ a: 'unreachable', b: 'answers', c: 'answers' })
    await time.settle(contact.ask(question, options))
    await time.settle(contact.ask(question, options))
    expect(dialled).toEqual(['a', 'b'])
    expect(asked).toEqual(['b', 'b'])
    expect(contact.peerId).toBe(id('b').peerId)
  })

  it('is passed over when it fails, for the next one', async () => {
    const { time, contact, asked } = await make({ a: notReady, b: lost, c: 'answers' })
    await time.settle(contact.ask(question, options))
    await time.settle(contact.ask(question, options))
    expect(asked).toEqual(['a', 'b', 'c', 'c'])
  })

  it('is asked anew after a pause where there is no other, until the time is over', async () => {
    const { time, contact, asked } = await make({ a: notReady })
    const error = await time.settle(failureOf(contact.ask(question, options)))
    expect(error).toMatchObject({ code: 'ERR_UNREACHABLE', indefinite: false })
    expect(asked.length).toBeGreaterThan(2)
    expect(asked.length).toBeLessThan(10)
    expect(time.nowMs).toBeLessThanOrEqual(1_000)
  })

  it('comes back into favour after a while', async () => {
    const { time, contact, asked, behaviours } = await make({ a: notReady, b: 'answers' })
    await time.settle(contact.ask(question, options))
    behaviours['a'] = 'answers'
    behaviours['b'] = lost
    await time.run(5_000)
    await time.settle(contact.ask(question, options))
    expect(asked).toEqual(['a', 'b', 'b', 'a'])
  })

  it('is not waited for longer than a call may take, or its caller wants', async () => {
    const { time, contact } = await make({ a: 'answers' })
    const late = contact.ask(question, { deadlineMs: 0.001, signal: AbortSignal.abort() })
    expect(await time.settle(failureOf(late))).toMatchObject({ code: 'ERR_ABORTED', indefinite: false })
  })

  it('cannot be had where nobody is reached, which names the addresses', async () => {
    const { time, contact } = await make({ a: 'unreachable', b: 'unreachable' })
    const error = await time.settle(failureOf(contact.ask(question, options)))
    expect(error).toMatchObject({ code: 'ERR_UNREACHABLE' })
    expect(String(error)).toMatch(/a: nobody.*b: nobody/)
  })
})

describe('a contact whose lists keep the client out', () => {
  it('is passed over for one that lets it in', async () => {
    const { time, contact, asked } = await make({ a: 'shuts out', b: 'answers' })
    await time.settle(contact.ask(question, options))
    expect(asked).toEqual(['b'])
  })

  it('is told of as such where there is no other', async () => {
    const { time, contact } = await make({ a: 'shuts out', b: 'unreachable' })
    const error = await time.settle(failureOf(contact.ask(question, options)))
    expect(error).toMatchObject({ code: 'ERR_FORBIDDEN', indefinite: false })
    expect(String(error)).toMatch(/a: it is on no list.*b: nobody/)
  })

  it('has the last word where it lets the client only read', async () => {
    const forbidden = { failure: 'forbidden', delivered: false } as const
    const { time, contact, asked } = await make({ a: forbidden, b: 'answers' })
    const error = await time.settle(failureOf(contact.ask(question, options)))
    expect(error).toMatchObject({ code: 'ERR_FORBIDDEN', indefinite: false })
    expect(asked).toEqual(['a'])
  })
})

describe('an order through a contact', () => {
  const key = new TextEncoder().encode('k')
  const put: Order = { operation: 'put', key, value: key, options: { ...options, consistency: 'quorum' } }
  const get: Order = { operation: 'get', key, options: { ...options, consistency: 'quorum' } }
  const forward = (contact: Contact, order: Order) =>
    contact.forward(timeoutMs => toForward(order, timeoutMs), order, options)

  it('is never given to a second peer where the first may have carried it out', async () => {
    const { time, contact, asked } = await make({ a: lost, b: 'answers' })
    const error = await time.settle(failureOf(forward(contact, put)))
    expect(error).toMatchObject({ code: 'ERR_OUTCOME_UNKNOWN', indefinite: true })
    expect(asked).toEqual(['a'])
  })

  it('is given to the next one where the first surely did nothing, or there is nothing to do twice', async () => {
    const first = await make({ a: notReady, b: 'answers' })
    await first.time.settle(failureOf(forward(first.contact, put)))
    expect(first.asked).toEqual(['a', 'b'])
    const second = await make({ a: lost, b: 'answers' })
    await second.time.settle(failureOf(forward(second.contact, get)))
    expect(second.asked).toEqual(['a', 'b'])
  })

  it('is not passed on by one that is over its limit', async () => {
    const { time, contact, asked } = await make({
      a: { failure: 'overloaded', delivered: false },
      b: 'answers'
    })
    const error = await time.settle(failureOf(forward(contact, put)))
    expect(error).toMatchObject({ code: 'ERR_OVERLOADED', indefinite: false })
    expect(asked).toEqual(['a'])
  })
})

describe('members that cannot be dialled', () => {
  it('count against what the consistency asks for, for a while', async () => {
    const { time, contact, log } = await make({ a: 'answers' })
    const key = new TextEncoder().encode('k')
    const can = () =>
      (['one', 'quorum', 'all'] as const).filter(each => contact.canReachEnough(log.current!, key, each))
    let told = 0
    const stopListening = contact.onUndialable(() => told++)
    expect(can()).toEqual(['one', 'quorum', 'all'])
    contact.failedToReach(id('b').peerId)
    expect(can()).toEqual(['one', 'quorum'])
    expect(contact.livenessOf(id('b'))).toBe('down')
    contact.failedToReach(id('c').peerId)
    expect(can()).toEqual(['one'])
    stopListening()
    contact.failedToReach(id('a').peerId)
    expect(can()).toEqual([])
    expect(told).toBe(2)
    await time.run(11_000)
    expect(can()).toEqual(['one', 'quorum', 'all'])
    expect(contact.livenessOf(id('b'))).toBe('alive')
  })
})

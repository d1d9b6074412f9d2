import { describe, expect, it } from 'vitest'
import { askAround, greetOthers, keepInTouch, meet } from '../../src/core/meeting.ts'
import { TransportError, type Refusal, type Remote, type Transport } from '../../src/core/ports.ts'
import type { Calls } from '../../src/core/rpc-types.ts'
import { Liveness, type Rumour } from '../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { SeededRandom } from '../simulation/random.ts'
import { advance, failureOf, logOf, remoteOf } from './requests/fakes.ts'
import { silent } from './topology/fakes.ts'
import { id, nameOf } from './topology/script.ts'

/** What is found at an address. */
type Behaviour = 'has the log' | 'has none' | 'unreachable' | 'silent' | Refusal['code']

/** Peers of one letter, each at an address of its name; who has the log gives it to whoever asks. */
async function make(behaviours: Record<string, Behaviour>, script = '') {
  const time = new VirtualTime()
  const clock = new VirtualClock(time)
  const log = await logOf(script)
  const dialled: Array<[address: string, atMs: number]> = []
  const asked: string[] = []
  const learnt: string[] = []
  const remotes: Remote[] = []
  const unreachable = () => new TransportError('unreachable', 'nobody listens there', { delivered: false })
  const transport = {
    connect: (address: string) => {
      dialled.push([address, Math.round(time.nowMs)])
      const behaviour = behaviours[address]!
      if (behaviour === 'unreachable') return Promise.reject(unreachable())
      if (behaviour === 'has the log' || behaviour === 'has none' || behaviour === 'silent')
        return Promise.resolve(remoteOf(address))
      const refusal = { code: behaviour, reason: `for being ${behaviour}` }
      return Promise.reject(new TransportError('refused', 'refused', { delivered: false, refusal }))
    },
    remotes: () => remotes,
    addresses: {
      learn: (record: Uint8Array) => {
        learnt.push(new TextDecoder().decode(record))
        return Promise.resolve(true)
      }
    }
  } as unknown as Transport
  const calls: Calls = {
    call: async (to, _request, { signal }) => {
      const name = nameOf(to)
      asked.push(name)
      if (behaviours[name] === 'silent') {
        return new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () =>
            reject(new TransportError('aborted', 'aborted', { delivered: true }))
          )
        })
      }
      if (behaviours[name] === 'unreachable') throw unreachable()
      if (behaviours[name] === 'has the log') await advance(log, 'found a')
      const member = id(name)
      const rumours: Rumour[] = [{ member, liveness: Liveness.LIVENESS_ALIVE, boot: 1, incarnation: 0 }]
      const addresses = [new TextEncoder().encode(`of ${name}`)]
      return { epoch: 1, addresses: { addresses, rumours } }
    }
  }
  const stop = new AbortController()
  const components = { transport, calls, log, clock, random: new SeededRandom(1), logger: silent }
  return { time, log, dialled, asked, learnt, remotes, behaviours, components, stop }
}

describe('who meets the others', () => {
  const start = async (behaviours: Record<string, Behaviour>) => {
    const made = await make(behaviours)
    const waits: string[] = []
    const met = meet(made.components, {
      addresses: Object.keys(behaviours),
      signal: made.stop.signal,
      onWaiting: reason => waits.push(reason)
    })
    return { ...made, met, waits }
  }

  it('has the log of the first that gives it, and asks no further', async () => {
    const { time, log, dialled, met, waits } = await start({
      a: 'unreachable',
      b: 'has the log',
      c: 'has none'
    })
    await time.settle(met)
    expect(log.epoch).toBe(1)
    expect(dialled.map(([address]) => address)).toEqual(['a', 'b'])
    expect(waits).toEqual([])
  })

  it('goes round after round with growing pauses, and says why where that changes', async () => {
    const { time, dialled, met, waits, behaviours, stop } = await start({ a: 'unreachable', b: 'has none' })
    await time.run(60_000)
    expect(waits).toEqual([
      'cannot join through a: nobody listens there; b: has no cluster yet; trying again'
    ])
    const rounds = dialled.filter(([address]) => address === 'a').map(([, atMs]) => atMs)
    const pauses = rounds.slice(1).map((atMs, i) => atMs - rounds[i]!)
    expect(pauses[0]).toBeLessThanOrEqual(315)
    for (const [i, least] of [187, 375, 750, 1_500, 3_000, 3_750, 3_750].entries())
      expect(pauses[i]).toBeGreaterThanOrEqual(least)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(6_251)
    behaviours['a'] = 'has none'
    await time.run(10_000)
    expect(waits).toHaveLength(2)
    behaviours['a'] = 'has the log'
    await time.settle(met)
    expect(time.pending).toBe(0)
    stop.abort()
  })

  it('gives up where it is refused for what it is: no waiting helps there', async () => {
    for (const [refusal, code] of [
      ['network', 'ERR_CONFIG'],
      ['cluster', 'ERR_CONFIG'],
      ['protocol', 'ERR_CONFIG'],
      ['duplicate', 'ERR_DUPLICATE']
    ] as const) {
      const { time, met } = await start({ a: refusal, b: 'has the log' })
      const error = await time.settle(failureOf(met))
      expect(error).toMatchObject({ code, message: `a refused this peer: for being ${refusal}` })
    }
  })

  it('tries again who is only busy', async () => {
    const { time, log, met } = await start({ a: 'busy', b: 'has the log' })
    await time.settle(met)
    expect(log.epoch).toBe(1)
  })

  it('ends at its signal, while it asks and while it pauses', async () => {
    for (const behaviour of ['silent', 'unreachable'] as const) {
      const { time, met, stop } = await start({ a: behaviour })
      await time.run(100)
      stop.abort(new Error('enough'))
      expect(await time.settle(failureOf(met))).toMatchObject({ message: 'enough' })
      expect(time.pending).toBe(0)
    }
  })
})

describe('who comes back', () => {
  it('shows itself to some of the others, and waits for no answer but theirs', async () => {
    const { time, components, asked, stop } = await make({ a: 'unreachable', b: 'has none' })
    const others = 'a b c d e f g h i j k l'.split(' ').map(id)
    await time.settle(greetOthers(components, { others, signal: stop.signal }))
    expect(asked).toEqual('a b c d e f g h'.split(' '))
  })

  it('goes no further where that showed that another process runs as it', async () => {
    const { time, components, stop } = await make({ a: 'silent' })
    const greeted = greetOthers(components, { others: [id('a')], signal: stop.signal })
    stop.abort(new Error('a duplicate'))
    expect(await time.settle(failureOf(greeted))).toMatchObject({ message: 'a duplicate' })
  })
})

describe('who asks around', () => {
  it('learns addresses and liveness from three peers it is connected to, and from no client', async () => {
    const { components, asked, learnt, remotes, stop } = await make({ b: 'unreachable' })
    remotes.push(remoteOf('a', { role: 'client' }), ...['b', 'c', 'd', 'e', 'f'].map(name => remoteOf(name)))
    const heard: Rumour[] = []
    const liveness = { hear: (rumours: readonly Rumour[]) => void heard.push(...rumours) }
    await askAround(components, { liveness, signal: stop.signal })
    expect(asked).toEqual(['b', 'c', 'd'])
    expect(learnt).toEqual(['of c', 'of d'])
    expect(heard.map(({ member }) => nameOf(member!))).toEqual(['c', 'd'])
  })
})

describe('who keeps in touch', () => {
  const start = async (behaviours: Record<string, Behaviour>, others = 'b c') => {
    const made = await make(behaviours, 'found a')
    const duplicates: string[] = []
    const ended = keepInTouch(made.components, {
      addresses: () => Object.keys(behaviours),
      others: () => others.split(' ').filter(Boolean).map(id),
      onDuplicate: reason => duplicates.push(reason),
      signal: made.stop.signal
    })
    return { ...made, duplicates, ended }
  }

  it('tries all addresses it was ever given, again and again, while it is alone', async () => {
    const { time, dialled, remotes, ended, stop } = await start({ x: 'unreachable', b: 'has none' })
    remotes.push(remoteOf('c', { role: 'client' }))
    await time.run(7_000)
    expect(dialled.map(([address]) => address)).toEqual(['x', 'b'])
    await time.run(60_000)
    expect(dialled.length).toBeGreaterThan(15)
    stop.abort()
    await time.settle(ended)
    expect(time.pending).toBe(0)
  })

  it('tries none while another peer is connected, or while there is no other', async () => {
    const connected = await start({ b: 'has none' })
    connected.remotes.push(remoteOf('c'))
    const single = await start({ b: 'has none' }, '')
    for (const { time, dialled, stop, ended } of [connected, single]) {
      await time.run(60_000)
      expect(dialled).toEqual([])
      stop.abort()
      await time.settle(ended)
    }
  })

  it('tries no further address once its signal has aborted', async () => {
    const { time, dialled, stop, ended } = await start({ b: 'silent', c: 'has none' })
    await time.run(7_000)
    stop.abort()
    await time.settle(ended)
    expect(dialled.map(([address]) => address)).toEqual(['b'])
  })

  it('tells of a duplicate, and goes on after any other refusal', async () => {
    const { time, dialled, duplicates, stop, ended } = await start({
      b: 'cluster',
      c: 'duplicate',
      d: 'has none'
    })
    await time.run(7_000)
    expect(dialled.map(([address]) => address)).toEqual(['b', 'c', 'd'])
    expect(duplicates).toEqual(['c refused this peer: for being duplicate'])
    stop.abort()
    await time.settle(ended)
  })
})

import { describe, expect, it } from 'vitest'
import { Access, openAccess } from '../../src/core/access.ts'
import type { RefusalKind } from '../../src/api.ts'
import { Life } from '../../src/core/life.ts'
import { TransportError, type Refusal, type ServeContext, type Transport } from '../../src/core/ports.ts'
import type { RequestBody } from '../../src/core/rpc-types.ts'
import type { Routes } from '../../src/core/requests/dispatcher.ts'
import { Refusals } from '../../src/core/requests/refusals.ts'
import { entryToWire } from '../../src/core/topology/codec.ts'
import { MemoryStore } from '../../src/storage/memory.ts'
import { Liveness, Request, Response } from '../../src/wire/generated/messages.ts'
import { VirtualClock, VirtualTime } from '../simulation/clock.ts'
import { SeededRandom } from '../simulation/random.ts'
import { advance, failureOf, logOf, remoteOf } from './requests/fakes.ts'
import { silent } from './topology/fakes.ts'
import { entryOf, id, nameOf } from './topology/script.ts'

type Kind = keyof RequestBody

/** The life of one member of a log, among others that all refuse, or answer that it is done. */
async function make(self: string, script: string, access: Access = openAccess()) {
  const time = new VirtualTime()
  const log = await logOf(script)
  const sent: string[] = []
  const duplicates: string[] = []
  const state: { refusal: Refusal | undefined } = { refusal: undefined }
  const transport = {
    peerId: id(self).peerId,
    addresses: {
      own: () => Promise.resolve(new TextEncoder().encode('own')),
      of: (peerId: string) =>
        peerId === id('c').peerId ? undefined : new TextEncoder().encode(nameOf({ ...id(self), peerId })),
      learn: () => Promise.resolve(true)
    },
    request: (to: { peerId: string; life: string }, body: Uint8Array) => {
      const [kind] = Object.keys(Request.decode(body)).filter(name => name !== 'epoch')
      sent.push(`${kind} to ${nameOf(to)}`)
      const { refusal } = state
      if (refusal !== undefined)
        return Promise.reject(new TransportError('refused', 'refused', { delivered: false, refusal }))
      return Promise.resolve(Response.encode({ epoch: log.epoch, petition: noted }))
    }
  } as unknown as Transport
  const refusals = new Refusals({ clock: new VirtualClock(time), logger: silent })
  const life = new Life(
    {
      clock: new VirtualClock(time),
      random: new SeededRandom(1),
      transport,
      store: new MemoryStore(),
      log,
      access,
      logger: silent,
      refusals
    },
    {
      self: id(self),
      boot: 1,
      removeAfterMs: 0,
      isReturning: false,
      routes,
      onDuplicate: reason => duplicates.push(reason)
    }
  )
  await life.load()
  const ask = async (
    request: RequestBody,
    from = 'b',
    role: 'peer' | 'client' = 'peer'
  ): Promise<Response> => {
    const context: ServeContext = {
      from: remoteOf(from, { role }),
      signal: new AbortController().signal,
      timeoutMs: 1_000
    }
    const body = Request.encode({ ...request, epoch: log.epoch })
    return Response.decode(await time.settle(life.serve(body, context)))
  }
  return { time, log, life, sent, duplicates, state, refusals, ask }
}

/** What concerns the peer as a whole is asked of none here. */
const routes = {} as Pick<Routes, 'forward' | 'describe' | 'listKeys'>
const noted = { refusal: '', refusalCode: 0, waiting: '' }
const position = new Uint8Array(32)

describe('a life', () => {
  it('knows the others that count for a ring, each once, in its newest life', async () => {
    const { life } = await make('a', "found a; open +b +c +d; close; open -d; close; open +b' -c")
    expect(life.others().map(nameOf).sort()).toEqual(["b'", 'c'])
  })

  it('knows nobody while it knows no cluster', async () => {
    const { life } = await make('a', '')
    expect(life.others()).toEqual([])
  })

  it('serves clients what a client needs, and keeps the rest for peers', async () => {
    const { ask } = await make('a', 'found a; open +b; close')
    const member = id('b')
    const ofPeers: Partial<Record<Kind, RequestBody>> = {
      learn: { learn: {} },
      report: { report: { epoch: 3, member } },
      ping: { ping: { rumours: [], addresses: [] } },
      pingRequest: { pingRequest: { timeoutMs: 100, rumours: [] } },
      prepare: { prepare: { epoch: 4 } },
      accept: { accept: { epoch: 4 } },
      fetchRecords: { fetchRecords: { positions: [] } },
      offerVersions: { offerVersions: { versions: [] } },
      pushRecords: { pushRecords: { records: [] } }
    }
    for (const [kind, request] of Object.entries(ofPeers)) {
      expect(await failureOf(ask(request, 'b', 'client')), kind).toMatchObject({
        code: 'bad-request',
        message: 'only peers may ask this'
      })
    }
    expect((await ask({ listAddresses: {} }, 'b', 'client')).addresses).toBeDefined()
    expect((await ask({ fetchLog: { after: 0 } }, 'b', 'client')).log).toBeDefined()
    expect((await ask({ readVersion: { position } }, 'b', 'client')).version).toEqual({})
  })

  it('lets one that may only read do so, and change nothing, message by message', async () => {
    const reader = id('c')
    const roles = new Map([[reader.peerId, 'read-only' as const]])
    const { ask, sent } = await make('a', 'found a; open +b; close', new Access({ read: () => roles }, {}))
    const petition = { joinReplicas: 0, acceptLoss: false, relayed: false }
    const changes: RequestBody[] = [
      { writeRecord: { record: new Uint8Array(1) } },
      { petition: { ...petition, leave: id('b') } },
      { petition: { ...petition, remove: id('b') } }
    ]
    for (const request of changes) {
      expect(await failureOf(ask(request, 'c', 'client')), JSON.stringify(request)).toMatchObject({
        code: 'forbidden',
        message: 'this client may only read'
      })
    }
    expect((await ask({ readVersion: { position } }, 'c', 'client')).version).toEqual({})
    expect((await ask({ readRecord: { position } }, 'c', 'client')).record).toBeDefined()
    expect((await ask({ listAddresses: {} }, 'c', 'client')).addresses).toBeDefined()
    expect((await ask({ fetchLog: { after: 0 } }, 'c', 'client')).log).toBeDefined()
    expect(sent).toEqual([])
  })

  it('counts what is refused by what was wrong and who said it', async () => {
    const { ask, refusals } = await make('a', 'found a; open +b; close')
    const ballot = { round: 1, boot: 1, ...id('c') }
    const rumour = { member: id('c'), liveness: Liveness.LIVENESS_DOWN, boot: 1, incarnation: 2 ** 32 - 1 }
    const wrong: readonly (readonly [RefusalKind, RequestBody])[] = [
      ['malformed', { readVersion: { position: new Uint8Array(7) } }],
      ['malformed', { petition: { joinReplicas: 0, acceptLoss: false, relayed: false } }],
      ['unknown', {}],
      ['forged', { prepare: { epoch: 4, ballot } }],
      ['forged', { report: { epoch: 3, member: id('c') } }],
      ['log', { accept: { epoch: 4, ballot: { ...ballot, ...id('b') }, entry: { close: {}, epoch: 4 } } }],
      ['log', { learn: { log: { entries: [entryToWire(entryOf(undefined, 'found c'))] } } }]
    ]
    for (const [kind, request] of wrong) {
      const before = refusals.summary.kinds[kind] ?? 0
      expect(await failureOf(ask(request)), kind).toMatchObject({ code: 'bad-request' })
      expect(refusals.summary.kinds[kind], JSON.stringify(request)).toBe(before + 1)
    }
    await failureOf(ask({ ping: { rumours: [], addresses: [] } }, 'd', 'client'))
    expect(refusals.summary.kinds).toEqual({ malformed: 2, unknown: 1, forged: 2, log: 2, role: 1 })
    expect(refusals.summary.peers.map(({ peerId }) => peerId)).toEqual([id('d').peerId, id('b').peerId])
    await ask({ ping: { rumours: [rumour], addresses: [] } })
    expect(refusals.summary.kinds.malformed).toBe(3)
  })

  it('tells where it and the others listen, as far as it knows', async () => {
    const { ask } = await make('a', 'found a; open +b +c +d; close')
    const { addresses } = await ask({ listAddresses: {} })
    expect(addresses!.addresses.map(record => new TextDecoder().decode(record)).sort()).toEqual([
      'b',
      'd',
      'own'
    ])
  })

  it('passes petitions on to the acceptors where it is none, once', async () => {
    const script = 'found a; open +b; close; open +c; close; open +d; close'
    const petition = { leave: id('b'), joinReplicas: 0, acceptLoss: false, relayed: false }
    const acceptor = await make('a', script)
    expect((await acceptor.ask({ petition })).petition).toMatchObject({ refusal: '' })
    expect(acceptor.sent).toEqual([])
    const other = await make('d', script)
    expect((await other.ask({ petition })).petition).toMatchObject({ refusal: '' })
    expect(other.sent.length).toBeGreaterThan(0)
    for (const request of other.sent) expect(request).toMatch(/^petition to [abc]$/)
    other.sent.length = 0
    await other.ask({ petition: { ...petition, relayed: true } })
    expect(other.sent).toEqual([])
  })

  it('answers what it asks of itself without a message, at the epoch it is at by then', async () => {
    const { life, log, sent, time } = await make('a', 'found a')
    const answer = await time.settle(
      life.calls.call(id('a'), { readVersion: { position } }, { timeoutMs: 100 })
    )
    expect(answer).toMatchObject({ epoch: log.epoch, version: {} })
    expect(sent).toEqual([])
  })

  it('tells of another process that runs as it, whoever finds that out', async () => {
    const { life, duplicates, state, time } = await make('a', 'found a; open +b; close')
    const ask = (): Promise<unknown> =>
      time.settle(failureOf(life.calls.call(id('b'), { readVersion: { position } }, { timeoutMs: 100 })))
    state.refusal = { code: 'busy', reason: 'is busy' }
    await ask()
    expect(duplicates).toEqual([])
    state.refusal = { code: 'duplicate', reason: 'runs already' }
    await ask()
    expect(duplicates).toEqual(['runs already'])
  })

  it('follows the log from its start to its end, and leaves no timer behind', async () => {
    const { life, log, sent, time } = await make('a', 'found a; open +b; close')
    life.start()
    await time.run(3_000)
    expect(sent).toContain('ping to b')
    await advance(log, 'open +c; close')
    await time.run(3_000)
    expect(sent).toContain('ping to c')
    await life.stop()
    await time.run(5_000)
    expect(time.pending).toBe(0)
    sent.length = 0
    await advance(log, 'open +d; close')
    await time.run(5_000)
    expect(sent).toEqual([])
  })
})

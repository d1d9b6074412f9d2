import { describe, expect, it } from 'vitest'
import {
  describeCluster,
  fromJson,
  membersOf,
  toJson,
  transitionOf,
  type MembersView,
  type SelfDescription
} from '../../src/core/describe.ts'
import { TransportError, type AddressBook } from '../../src/core/ports.ts'
import type { Calls } from '../../src/core/rpc-types.ts'
import { id, nameOf, run } from './topology/script.ts'

const idle: SelfDescription = {
  records: 1,
  bytes: 100,
  damaged: 0,
  trouble: null,
  sentRecords: 3,
  sentBytes: 300,
  refused: { kinds: {}, peers: [] },
  limits: {},
  version: '0.1.0',
  transfers: [],
  waitingFor: []
}

function viewOf(script: string, down = ''): MembersView {
  return {
    topology: run(script),
    addresses: { multiaddrs: (peerId: string) => [`at ${peerId}`] } as unknown as AddressBook,
    livenessOf: member => (down.includes(nameOf(member)) ? 'down' : 'alive')
  }
}

/** Members that describe themselves so, or fail. */
function callsTo(answers: Record<string, SelfDescription | Uint8Array | Error>) {
  const asked: string[] = []
  const calls: Calls = {
    call: (to, request) => {
      expect(request).toEqual({ describe: { cluster: false } })
      const name = nameOf(to)
      asked.push(name)
      const answer = answers[name]!
      if (answer instanceof Error) return Promise.reject(answer)
      const json = answer instanceof Uint8Array ? answer : toJson(answer)
      return Promise.resolve({ epoch: 1, description: { json } })
    }
  }
  return { calls, asked }
}

describe('the members', () => {
  it('are those that count for a ring in force, with addresses, standing and liveness', () => {
    const members = membersOf(viewOf("found a; open +b +c; close; open +d -b; close; open +e -c +a'", 'c'))
    const shown = members.map(member => [nameOf(member), member.standing, member.liveness])
    const byName = shown.sort(([x], [y]) => (x! < y! ? -1 : 1))
    expect(byName).toEqual([
      ['a', 'removing', 'alive'],
      ["a'", 'joining', 'alive'],
      ['c', 'leaving', 'down'],
      ['d', 'up', 'alive'],
      ['e', 'joining', 'alive']
    ])
    expect(members.find(member => nameOf(member) === 'd')).toMatchObject({
      addresses: [`at ${id('d').peerId}`],
      vnodes: 4,
      life: id('d').life
    })
  })

  it('have shares that sum to one, of the ring to be during a transition', () => {
    for (const script of ['found a; open +b +c +d; close', 'found a; open +b +c +d; close; open +e -b']) {
      const members = membersOf(viewOf(script))
      expect(members.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
      for (const member of members) expect(member.share > 0).toBe(member.standing !== 'leaving')
    }
  })
})

describe('a transition', () => {
  it('is none while none is open', () => {
    expect(transitionOf(run('found a; open +b; close'), ['nothing'])).toBeNull()
  })

  it('names who comes and goes, since which epoch, and what it waits for', () => {
    const topology = run('found a; open +b +c; close; open +d +e -b !c; amend drop e')
    expect(transitionOf(topology, ['d to report'])).toEqual({
      opened: 4,
      latest: 5,
      joining: [id('d').peerId],
      leaving: [id('b').peerId],
      removing: [id('c').peerId],
      waitingFor: ['d to report']
    })
  })
})

describe('the status of a cluster', () => {
  const script = 'found a; open +b +c; close'

  it('puts together what all members say of themselves', async () => {
    const moved = { records: 1, bytes: 2, recordsLeft: 3, bytesPerSecond: 4, secondsLeft: 5 }
    const transfer = { peerId: id('b').peerId, kind: 'take', ...moved, waitsFor: null } as const
    const { calls } = callsTo({ a: idle, b: { ...idle, records: 7, transfers: [transfer] }, c: idle })
    const status = await describeCluster(viewOf(script), calls)
    expect(status).toMatchObject({ network: 'test', epoch: 3, replicas: 3, transition: null })
    expect(status.transfers).toEqual([transfer])
    const records = status.members.map(member => [nameOf(member), member.records, member.version]).sort()
    expect(records).toEqual([
      ['a', 1, '0.1.0'],
      ['b', 7, '0.1.0'],
      ['c', 1, '0.1.0']
    ])
  })

  it('has nulls for who does not answer or answers nonsense, and does not ask who is down', async () => {
    const { calls, asked } = callsTo({
      a: new TransportError('timeout', 'no answer', { delivered: true }),
      b: new TextEncoder().encode('no JSON')
    })
    const { members } = await describeCluster(viewOf(script, 'c'), calls)
    expect(asked.sort()).toEqual(['a', 'b'])
    for (const member of members)
      expect(member).toMatchObject({
        records: null,
        bytes: null,
        damaged: null,
        sentRecords: null,
        sentBytes: null,
        version: null
      })
  })

  it('says before what time deletes are forgotten, once any are', async () => {
    const { calls } = callsTo({ a: idle, b: idle, c: { ...idle, damaged: 2 } })
    const status = await describeCluster(viewOf(script), calls)
    expect(status.purgedBefore).toBeNull()
    expect(status.members.map(({ damaged }) => damaged).sort()).toEqual([0, 0, 2])
    const purged = await describeCluster(viewOf(`${script}; purge 0 9000; purge 7001 9000`), calls)
    expect(purged.purgedBefore).toBe(7)
  })

  it('tells that those who decide on a transition are away', async () => {
    const { calls } = callsTo({ a: idle, b: idle, c: idle, d: idle })
    const of = async (down: string) =>
      (await describeCluster(viewOf(`${script}; open +d`, down), calls)).transition!.waitingFor
    expect(await of('b')).toEqual([])
    expect(await of('bc')).toEqual([
      `a majority of the members that decide on the ring; ${[id('b').peerId, id('c').peerId].sort().join(', ')} do not answer`
    ])
  })

  it('tells what a transition waits for by whoever knows', async () => {
    const { calls } = callsTo({ a: idle, b: { ...idle, waitingFor: ['c to report'] }, c: idle, d: idle })
    const { transition } = await describeCluster(viewOf(`${script}; open +d`), calls)
    expect(transition!.waitingFor).toEqual(['c to report'])
  })
})

describe('a description', () => {
  it('is read as it was written, and refused where it is no JSON object', () => {
    expect(fromJson(toJson(idle))).toEqual(idle)
    for (const text of ['', '{', 'null', '7']) {
      expect(() => fromJson(new TextEncoder().encode(text)), text).toThrow(SyntaxError)
    }
  })
})

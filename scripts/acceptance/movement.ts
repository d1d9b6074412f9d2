/**
 * What joins and leaves send between real processes, each with its data folder, held against the least that has to
 * move: 3 to 4 peers and back, 5 to 6, 10 to 11 and 20 to 21. Record bytes count where they are handed to the transport, as
 * often as that is done, per pair of peers. Prints the table of docs/movement.md. ANNULUS_ACCEPTANCE_RECORDS=1000 tries
 * it with fewer records.
 */
import { join } from 'node:path'
import type { Plan } from '../../src/api.ts'
import { PeerProcess } from '../../test/support/peers.ts'
import { createClient } from './library.ts'
import {
  amountOf,
  pairOf,
  reckonMoves,
  storedKey,
  type Amount,
  type Members,
  type StoredKey
} from './reckoned-moves.ts'
import { expect, seen } from './report.ts'
import { allEqual, sessionMarks } from './sessions.ts'
import { settled } from './stored-files.ts'

const sizes = [3, 5, 10, 20] as const

const replicas = 3
const vnodes = 128

/** Of the least, what may be sent. */
const bound = 1.05

/** A transition lasts some seconds so: whoever should wait has time not to. */
const flags = ['--verbose', '--transfer-rate=1MB'] as const

/** Each peer may take so long to take over its share, in ms. */
const readyTimeoutMs = 180_000

/** Values are that long at the least and at the most, in bytes. */
const valueBytes = [64, 16_384] as const

/** Puts under way at once. */
const inFlight = 16

/** What was sent for one change. */
interface Change {
  readonly name: string
  readonly seconds: number
  readonly least: Amount
  readonly sent: Amount
  /** Bytes of it between peers of which one has nothing to take from the other. */
  readonly strayBytes: number
  /** From one to another: those who sent anything, those who have what the other one takes, and all. */
  readonly pairs: readonly [sent: number, may: number, all: number]
}

export async function movement(folder: string): Promise<void> {
  const cluster = new Cluster(folder)
  await cluster.growTo(sizes[0])
  await cluster.fill(Number(process.env['ANNULUS_ACCEPTANCE_RECORDS'] ?? 4_000))
  const changes: Change[] = []
  for (const size of sizes) {
    await cluster.growTo(size)
    changes.push(await cluster.measured(() => cluster.grow(1)))
    changes.push(await cluster.measured(() => cluster.shrink()))
  }
  for (const line of tableOf(changes)) process.stdout.write(`${line}\n`)
}

class Cluster {
  readonly #folder: string
  #present: readonly PeerProcess[] = []
  /** Those that left too, for what they sent. */
  readonly #all: PeerProcess[] = []
  #keys: readonly StoredKey[] = []

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Has peers join at once until there are so many. */
  async growTo(size: number): Promise<void> {
    if (this.#present.length === 0) await this.grow(1)
    await this.grow(size - this.#present.length)
    await this.#settled()
    seen(`${size} peers`)
  }

  async grow(count: number): Promise<void> {
    const contact = this.#present[0]
    const joiners = Array.from(
      { length: count },
      (_, i) => new PeerProcess(join(this.#folder, `peer-${this.#all.length + i + 1}`))
    )
    this.#all.push(...joiners)
    const joining = contact === undefined ? [] : [`--join=${contact.address}`]
    await Promise.all(joiners.map(peer => peer.start([...flags, ...joining], { readyTimeoutMs })))
    this.#present = [...this.#present, ...joiners]
  }

  /** The last one leaves, which moves what the product itself has planned. */
  async shrink(): Promise<void> {
    const [asked] = this.#present
    const leaver = this.#present.at(-1)!
    const { code, stderr } = await asked!.run(['leave', leaver.peerId])
    expect(code === 0 && (await leaver.running.ended).code === 0, `a peer leaves: ${stderr}`)
    this.#present = this.#present.slice(0, -1)
  }

  /** Puts so many records, of sizes that are the same in every run. */
  async fill(records: number): Promise<void> {
    const client = await createClient({ peers: this.#present.map(({ address }) => address) })
    const [least, most] = valueBytes
    const lengths = Array.from({ length: records }, (_, i) => least + ((i * 7919) % (most - least)))
    const left = [...lengths.entries()]
    const putSome = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop())
        await client.put(`key ${next[0]}`, Buffer.alloc(next[1], `value ${next[0]} `))
    }
    await Promise.all(Array.from({ length: inFlight }, putSome))
    await client.close()
    this.#keys = lengths.map((length, i) => storedKey(`key ${i}`, length))
    await this.#settled()
    const { members } = await this.#present[0]!.status()
    const held = members.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)
    const reckoned = replicas * this.#keys.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(held === reckoned, `the peers hold the ${reckoned} bytes that were reckoned: ${held}`)
  }

  async measured(change: () => Promise<void>): Promise<Change> {
    const [from, sentBefore] = [this.#members, this.#sent()]
    const began = performance.now()
    await change()
    const seconds = (performance.now() - began) / 1000
    await this.#settled()
    await this.#expectCounted()
    const to = this.#members
    const sent = without(this.#sent(), sentBefore)
    const moves = reckonMoves(this.#keys, from, to)
    await this.#expectPlanned(from, to, moves.least)
    for (const [taker, { records, bytes }] of moves.takers) {
      const got = sumOf([...sent].filter(([pair]) => pair.endsWith(` ${taker}`)).map(([, amount]) => amount))
      expect(got.records >= records && got.bytes >= bytes, `${taker} is sent all that it takes`)
    }
    const strays = [...sent].filter(([pair, { bytes }]) => bytes > (moves.pairs.get(pair)?.bytes ?? 0))
    const total = sumOf([...sent.values()])
    const name = `${from.peerIds.length} to ${to.peerIds.length}`
    const ratio = total.bytes / moves.least.bytes
    seen(`  ${name}: ${total.records} records, ${total.bytes} bytes, ${ratio.toFixed(4)} times the least`)
    expect(ratio <= bound, `${name} sends at most ${bound} times the least`)
    expect(strays.length === 0, `nobody sends what another does not take from it: ${JSON.stringify(strays)}`)
    const most = Math.max(from.peerIds.length, to.peerIds.length)
    return {
      name,
      seconds,
      least: moves.least,
      sent: total,
      strayBytes: sumOf(strays.map(([, amount]) => amount)).bytes,
      pairs: [sent.size, moves.pairs.size, most * (most - 1)]
    }
  }

  get #members(): Members {
    return { peerIds: this.#present.map(({ peerId }) => peerId), vnodes, replicas }
  }

  /** By pair of peers, from the first moment on. */
  #sent(): Map<string, Amount> {
    const sent = new Map<string, Amount>()
    for (const { peerId, running } of this.#all) {
      for (const { to, records, bytes } of sendingsIn(running.stderr)) {
        const amount = amountOf(sent, pairOf(peerId, to))
        amount.records += records
        amount.bytes += bytes
      }
    }
    return sent
  }

  /** All copies are where they belong, and each two have found each other equal since. */
  async #settled(): Promise<void> {
    await settled(this.#present, this.#keys.length)
    await allEqual(this.#present, sessionMarks(this.#present))
  }

  /** The status says the same as the log. */
  async #expectCounted(): Promise<void> {
    const { members } = await this.#present[0]!.status()
    for (const { peerId, running } of this.#present) {
      const { records, bytes } = sumOf(sendingsIn(running.stderr))
      const told = members.find(member => member.peerId === peerId)
      const isSame = told?.sentRecords === records && told.sentBytes === bytes
      expect(isSame, `the status says what ${peerId} sent: ${told?.sentBytes} bytes, ${bytes} by its log`)
    }
  }

  /** What was reckoned is what the product plans, where it can be asked: for a leave, or for the way back of a join. */
  async #expectPlanned(from: Members, to: Members, least: Amount): Promise<void> {
    const joiner = to.peerIds.find(peerId => !from.peerIds.includes(peerId))
    if (joiner === undefined) return
    const { code, stdout, stderr } = await this.#present[0]!.run(['plan', '--leave', joiner, '--json'])
    expect(code === 0, `annulus plan exits with ${code}: ${stderr}`)
    const { records, bytes } = JSON.parse(stdout) as Plan
    const isSame = records === least.records && bytes === least.bytes
    expect(
      isSame,
      `annulus plan says ${records} records and ${bytes} bytes, as reckoned: ${JSON.stringify(least)}`
    )
  }
}

/** What a peer that runs with --verbose has sent, message by message. */
function sendingsIn(log: string): Array<{ readonly to: string } & Amount> {
  const line = /^annulus: debug: sends records to=(\S+) records=(\d+) bytes=(\d+)$/gm
  return [...log.matchAll(line)].map(([, to, records, bytes]) => ({
    to: to!,
    records: Number(records),
    bytes: Number(bytes)
  }))
}

function without(all: ReadonlyMap<string, Amount>, before: ReadonlyMap<string, Amount>): Map<string, Amount> {
  const rest = new Map<string, Amount>()
  for (const [pair, { records, bytes }] of all) {
    const known = before.get(pair) ?? { records: 0, bytes: 0 }
    if (records > known.records)
      rest.set(pair, { records: records - known.records, bytes: bytes - known.bytes })
  }
  return rest
}

function sumOf(amounts: readonly Amount[]): Amount {
  return {
    records: amounts.reduce((sum, { records }) => sum + records, 0),
    bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

function tableOf(changes: readonly Change[]): string[] {
  const titles = [
    'Change',
    'Took',
    'Least copies',
    'Least bytes',
    'Sent copies',
    'Sent bytes',
    'Sent / least'
  ]
  const rows = changes.map(({ name, seconds, least, sent, strayBytes, pairs }) => [
    name,
    `${seconds.toFixed(1)} s`,
    ...[least.records, least.bytes, sent.records, sent.bytes].map(count => count.toLocaleString('en-GB')),
    (sent.bytes / least.bytes).toFixed(4),
    strayBytes.toLocaleString('en-GB'),
    pairs.join(' / ')
  ])
  const head = [...titles, 'To others', 'Pairs: sent / may / all']
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
}

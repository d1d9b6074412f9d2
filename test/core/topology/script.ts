/**
 * A small language for scripts of the log, so that tests read as documents:
 *
 *     found a; open +b +c; close; open +d -a; amend drop d; close
 *
 * `+b` joins, `-a` leaves, `!a` removes, `!!a` removes and gives up its copies; `b'` is the peer b in its
 * second life, `b''` in its third. `amend drop d` drops a joiner. `purge 5 9` purges before 5 and sets the fence to 9.
 */
import type { MemberId, RingMember } from '../../../src/core/member.ts'
import { amendEntry, applyEntry, openEntry, type Entry } from '../../../src/core/topology/entry.ts'
import type { Topology } from '../../../src/core/topology/topology.ts'
import { peerIdOf } from '../../support/peer-ids.ts'

export const clusterId = '0123456789abcdef0123456789abcdef'

/** Few tokens keep tests fast. */
const vnodes = 4

/** The member that a name stands for: a letter, and a stroke for each life after the first. */
export function member(name: string): RingMember {
  const index = name.charCodeAt(0) - 'a'.charCodeAt(0)
  const life = name.length.toString(16).padStart(16, '0')
  return { peerId: peerIdOf(index), life, vnodes }
}

export function id(name: string): MemberId {
  const { peerId, life } = member(name)
  return { peerId, life }
}

/** The name of a member, the inverse of `member`. */
export function nameOf(wanted: MemberId): string {
  for (let index = 0; index < 26; index++) {
    if (peerIdOf(index) !== wanted.peerId) continue
    return String.fromCharCode('a'.charCodeAt(0) + index) + "'".repeat(parseInt(wanted.life, 16) - 1)
  }
  return '?'
}

export function names(members: readonly MemberId[]): string {
  return members.map(nameOf).sort().join(' ')
}

export function found(name: string, replicas = 3): Entry {
  return { kind: 'found', epoch: 1, clusterId, network: 'test', replicas, founder: member(name) }
}

/** The entry that a statement makes after a topology. */
export function entryOf(topology: Topology | undefined, statement: string, replicas = 3): Entry {
  const [verb, ...words] = statement.trim().split(/\s+/)
  const epoch = (topology?.epoch ?? 0) + 1
  const starting = (sign: string): string[] =>
    words.filter(word => /^[^a-z]*/.exec(word)![0] === sign).map(word => word.slice(sign.length))
  const removals = [...starting('!'), ...starting('!!')].map(id)
  const lost = starting('!!').map(id)
  switch (verb) {
    case 'found':
      return found(words[0]!, replicas)
    case 'open':
      return openEntry(epoch, {
        joins: starting('+').map(member),
        leaves: starting('-').map(id),
        removals,
        lost
      })
    case 'amend':
      return amendEntry(epoch, {
        drops: starting('')
          .filter(word => word !== 'drop')
          .map(id),
        removals,
        lost
      })
    case 'purge':
      return { kind: 'purge', epoch, before: Number(words[0]), fence: Number(words[1]) }
    case 'close':
      return { kind: 'close', epoch }
    default:
      throw new Error(`no such statement: ${statement}`)
  }
}

/** The topology that a script leads to. Throws where a statement may not follow. */
export function run(script: string, options: { replicas?: number; from?: Topology } = {}): Topology {
  let topology = options.from
  for (const statement of script.split(';')) {
    topology = applyEntry(topology, entryOf(topology, statement, options.replicas))
  }
  return topology!
}

/** Who stands how, for example `a:up b:joining`. */
export function standings(topology: Topology): string {
  return topology.members
    .map(each => `${nameOf(each)}:${each.standing}`)
    .sort()
    .join(' ')
}

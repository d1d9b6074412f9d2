/**
 * The least that has to move in a run, from its own record: what a transition gives to new replicas, and what a
 * process that returns has missed. What puts brought there themselves need not move. Pure.
 */
import { lastingKey, type MemberId } from '../../core/member.ts'
import { positionOf } from '../../core/ring/position.ts'
import type { Ring } from '../../core/ring/ring.ts'
import type { Member, Topology } from '../../core/topology/topology.ts'
import type { Operation } from '../../judge/operation.ts'
import type { Chronicle } from './chronicle.ts'

export interface Least {
  readonly transitions: number
  /** To new replicas. */
  readonly takenCopies: number
  /** Of what was put while their replica was away. */
  readonly missedCopies: number
}

/** `fromMs`: what was moved before does not count. */
export function leastOf(chronicle: Chronicle, operations: readonly Operation[], fromMs: number): Least {
  const puts = Map.groupBy(
    operations.filter(({ kind, outcome }) => kind === 'put' && outcome !== 'refused'),
    ({ key }) => key
  )
  const keys = [...puts].map(([key, ofKey]) => ({
    position: positionOf(new TextEncoder().encode(key)),
    puts: ofKey
  }))
  const transitions = transitionsOf(chronicle).filter(({ closedMs }) => closedMs >= fromMs)
  const absences = absencesOf(chronicle).filter(({ untilMs }) => untilMs >= fromMs)
  let [takenCopies, missedCopies] = [0, 0]
  for (const key of keys) {
    for (const transition of transitions) {
      if (wasPutWithin(key.puts, transition)) continue
      takenCopies += takersOf(transition, key.position).length
    }
    for (const absence of absences) if (missed(absence, key)) missedCopies++
  }
  return { transitions: transitions.length, takenCopies, missedCopies }
}

interface CompletedTransition {
  readonly openedMs: number
  readonly closedMs: number
  readonly before: Ring<Member>
  readonly after: Ring<Member>
  readonly replicas: number
}

function transitionsOf({ topologies }: Chronicle): CompletedTransition[] {
  const completed: CompletedTransition[] = []
  let opened: { readonly atMs: number; readonly topology: Topology } | undefined
  for (const { atMs, topology } of topologies) {
    if (topology.transition !== undefined) opened ??= { atMs, topology }
    else if (opened !== undefined) {
      const { before, replicas } = opened.topology
      completed.push({ openedMs: opened.atMs, closedMs: atMs, before, after: topology.before, replicas })
      opened = undefined
    }
  }
  return completed
}

function takersOf({ before, after, replicas }: CompletedTransition, position: Uint8Array): Member[] {
  const had = new Set(before.replicas(position, replicas).map(lastingKey))
  return after.replicas(position, replicas).filter(member => !had.has(lastingKey(member)))
}

/** Such a put went to both rings. */
function wasPutWithin(puts: readonly Operation[], { openedMs, closedMs }: CompletedTransition): boolean {
  return puts.some(
    ({ outcome, calledAt, endedAt }) => outcome === 'ok' && calledAt >= openedMs && endedAt <= closedMs
  )
}

/** From a process's end to its next beginning, where it came back as the member that it was. */
interface Absence {
  readonly member: MemberId
  readonly topology: Topology
  readonly sinceMs: number
  readonly untilMs: number
}

function absencesOf(chronicle: Chronicle): Absence[] {
  return chronicle.spans.flatMap((span, i) => {
    const earlier = chronicle.spans.slice(0, i).findLast(({ peerId }) => peerId === span.peerId)
    const [then, topology] = [earlier?.toMs ?? 0, chronicle.topologyAt(span.fromMs)]
    const member = topology?.currentLifeOf(span.peerId)
    if (earlier === undefined || topology === undefined || member === undefined) return []
    const isTheSame = chronicle.topologyAt(then)?.member(member) !== undefined
    return isTheSame ? [{ member, topology, sinceMs: then, untilMs: span.fromMs }] : []
  })
}

function missed(
  { member, topology, sinceMs, untilMs }: Absence,
  { position, puts }: { readonly position: Uint8Array; readonly puts: readonly Operation[] }
): boolean {
  const replicas = topology.before.replicas(position, topology.replicas)
  return (
    replicas.some(replica => lastingKey(replica) === lastingKey(member)) &&
    puts.some(({ calledAt, endedAt }) => calledAt < untilMs && endedAt > sinceMs)
  )
}

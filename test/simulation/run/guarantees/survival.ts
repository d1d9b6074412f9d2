/**
 * What holds where most acceptors were lost for good and the others were restored: of keys that kept enough replicas
 * all; of the others all until the loss, all from when the survivors had copied what was left, whatever that is,
 * and that it is no older than what the survivors had on their disks.
 */
import { formatPosition, positionOf } from '../../../../src/core/ring/position.ts'
import type { Violation } from '../checker.ts'
import type { GreatLoss } from '../great-loss.ts'
import { describeOperation, type Operation } from '../history.ts'
import { type Disks, holdersAt } from './cluster.ts'

/** Histories to be judged each by itself; the last of them goes on to the end, the one with what must be durable. */
export function judgedApart(
  operations: readonly Operation[],
  loss: Pick<GreatLoss, 'mayLose' | 'atMs' | 'untilMs'> | undefined
): Operation[][] {
  if (loss === undefined || loss.atMs === Infinity) return [[...operations]]
  const [mayBeLost, kept] = [
    operations.filter(({ key }) => loss.mayLose(key)),
    operations.filter(({ key }) => !loss.mayLose(key))
  ]
  const before = mayBeLost.filter(({ calledAt }) => calledAt < loss.atMs)
  const after = mayBeLost.flatMap(operation => {
    if (operation.calledAt > loss.untilMs || operation.outcome === 'refused') return [operation]
    // What was stored may be gone, or may come up again; what was read before says nothing of that.
    return operation.kind === 'get' ? [] : [asUnknown(operation)]
  })
  return [before.flatMap(operation => asOf(operation, loss.atMs)), [...kept, ...after]]
}

/** G3, of what survivors had: the newest of their copies, or a newer one, is on a quorum of the replicas' disks. */
export function checkSurvival(
  disks: Disks,
  operations: readonly Operation[],
  loss: Pick<GreatLoss, 'left'> | undefined
): Violation[] {
  if (loss === undefined) return []
  const mayBeGone = vanishing(operations, loss)
  return [...loss.left]
    .filter(([position]) => !mayBeGone.has(position))
    .flatMap(([position, version]) => {
      const { holders, needed } = holdersAt(disks, Buffer.from(position, 'hex'), version)
      if (holders.length >= needed) return []
      const what = `survivors had the record at ${position} as ${version}; it is on the disks of ${holders.length} peers only after the restore`
      return [{ guarantee: 'G3' as const, subject: position, what }]
    })
}

/** G3, of the same as soon as the survivors answer for it: they have copied it by then, and count on that. */
export function checkCopiedFirst(loss: Pick<GreatLoss, 'left' | 'scarce'> | undefined): Violation[] {
  if (loss === undefined) return []
  return [...loss.scarce].map(([position, count]) => {
    const what = `survivors had the record at ${position} as ${loss.left.get(position)}, and answered for it when ${count} of its replicas had it`
    return { guarantee: 'G3', subject: position, what }
  })
}

/** G3, of the same as clients see it: from the loss on no get is answered with anything older than survivors had. */
export function checkReadsOfLeft(
  operations: readonly Operation[],
  loss: Pick<GreatLoss, 'left' | 'atMs'> | undefined
): Violation[] {
  if (loss === undefined) return []
  const mayBeGone = vanishing(operations, loss)
  return operations.flatMap(operation => {
    const { kind, key, outcome, version, calledAt, value } = operation
    if (kind !== 'get' || outcome !== 'ok' || calledAt <= loss.atMs) return []
    const left = loss.left.get(nameOf(key))
    const isTold = version !== undefined || (value === undefined && !mayBeGone.has(nameOf(key)))
    if (left === undefined || !isTold || (version ?? '') >= left) return []
    const what = `survivors had ${left}, and after the loss ${describeOperation(operation)}`
    return [{ guarantee: 'G3' as const, subject: key, what }]
  })
}

/** Positions, in hex, of what was deleted after it was written, or overwritten with what expires: that may be purged. */
function vanishing(operations: readonly Operation[], { left }: Pick<GreatLoss, 'left'>): Set<string> {
  return new Set(
    operations.flatMap(({ kind, key, expiresAt, outcome, version }) => {
      if (outcome === 'refused' || (kind !== 'delete' && expiresAt === undefined)) return []
      const name = nameOf(key)
      return version !== undefined && version < (left.get(name) ?? '') ? [] : [name]
    })
  )
}

function nameOf(key: string): string {
  return formatPosition(positionOf(new TextEncoder().encode(key)))
}

/** As it stood at a time: what was under way then is not over. */
function asOf(operation: Operation, atMs: number): Operation[] {
  if (operation.endedAt <= atMs || operation.outcome === 'refused') return [operation]
  return operation.kind === 'get' ? [] : [asUnknown(operation)]
}

function asUnknown(operation: Operation): Operation {
  return { ...operation, outcome: 'unknown', version: undefined, endedAt: Infinity }
}

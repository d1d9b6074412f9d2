/** The plan of a change as a table for people; used by `annulus plan`. */
import type { Plan, PlannedMove } from '../api.ts'
import { formatBytes, formatCount, plural } from './units.ts'

/** Several lines: what is planned, who would give what to whom, and how that compares. */
export function formatPlan(plan: Plan): string {
  return [
    title(plan),
    ...(plan.isUnderWay ? ['Another change is under way: this is for when that is through.'] : []),
    '',
    ...(plan.moves.length === 0 ? [`Nothing moves: ${whyNothing(plan)}.`] : tableOf(plan)),
    '',
    `Share of all copies: ${percent(plan.share)}${comparison(plan)}`,
    ...copiesLine(plan)
  ].join('\n')
}

function title({ change: { kind, peerId, vnodes }, epoch }: Plan): string {
  const whose = `with ${plural(vnodes, 'virtual node')}, planned at epoch ${epoch}`
  if (kind === 'leave') return `${peerId!} leaves, ${whose}`
  return peerId === null
    ? `A peer joins, ${whose}; which one is not known, so this is what one would typically get`
    : `${peerId} joins, ${whose}`
}

function tableOf({ moves, records, bytes }: Plan): string[] {
  const rows = [
    ['From', 'To', 'Records', 'Bytes'],
    ...moves.map(move => [move.from, nameOf(move), formatCount(move.records), formatBytes(move.bytes)]),
    ['Total', '', formatCount(records), formatBytes(bytes)]
  ]
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => row[i]!.length)))
  // Names to the left, numbers to the right.
  return rows.map(row =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  )
}

function nameOf({ to }: PlannedMove): string {
  return to ?? 'the joiner'
}

function whyNothing({ share, copies, change }: Plan): string {
  if (copies.after === 0) return `${change.peerId!} is the last member, and what it holds would be lost`
  if (share === 0) return 'all who stay hold a copy of everything already'
  return 'there are no records there yet'
}

function comparison({ share, expectedShare }: Plan): string {
  if (expectedShare === 0) return ''
  const ratio = (share / expectedShare).toFixed(2)
  return `, ${ratio} times the ${percent(expectedShare)} of its part of all virtual nodes`
}

/** What is easy to overlook: that each record would have more copies than before, or fewer. */
function copiesLine({ copies: { before, after } }: Plan): string[] {
  if (before === after) return []
  if (after === 0) return ['The last member cannot leave; stop it, and it stays a member.']
  const fewer = after < before ? ' The loss of as few peers may then stop writes, or lose records.' : ''
  return [`Each record would have ${after} ${after === 1 ? 'copy' : 'copies'} instead of ${before}.${fewer}`]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

/** The status of a cluster as a table for people, after Cassandra's nodetool; used by `annulus status`. */
import type {
  MemberLiveness,
  MemberStanding,
  MemberStatus,
  Status,
  TransitionStatus,
  TransferStatus
} from '../api.ts'
import { formatBytes, formatCount, formatSeconds, plural } from './units.ts'

const livenessLetter: Record<MemberLiveness, string> = { alive: 'U', suspect: 'S', down: 'D' }

const standingLetter: Record<MemberStanding, string> = {
  joining: 'J',
  up: 'N',
  leaving: 'L',
  removing: 'R',
  left: 'X',
  removed: 'X'
}

const transferVerb: Record<TransferStatus['kind'], string> = {
  take: 'takes over',
  reconcile: 'reconciles',
  'hand-over': 'hands over'
}

interface Column {
  readonly title: string
  readonly right?: boolean
  readonly cell: (member: MemberStatus) => string
}

/** Shown where a member did not say. */
const unknown = '-'

const columns: readonly Column[] = [
  { title: '', cell: member => livenessLetter[member.liveness] + standingLetter[member.standing] },
  { title: 'Address', cell: member => shortAddress(member.addresses[0]) },
  {
    title: 'Records',
    right: true,
    cell: member => (member.records === null ? unknown : formatCount(member.records))
  },
  {
    title: 'Bytes',
    right: true,
    cell: member => (member.bytes === null ? unknown : formatBytes(member.bytes))
  },
  { title: 'Vnodes', right: true, cell: member => String(member.vnodes) },
  { title: 'Share', right: true, cell: member => `${(member.share * 100).toFixed(1)} %` },
  { title: 'Version', cell: member => member.version ?? unknown },
  { title: 'Peer', cell: member => member.peerId }
]

/** Several lines: what cluster this is, its members, and what moves. */
export function formatStatus(status: Status): string {
  const { network, clusterId, epoch, replicas } = status
  return [
    `Network ${network}, cluster ${clusterId}, epoch ${epoch}, ${plural(replicas, 'replica')} of each record`,
    '',
    ...formatMembers(status.members),
    ...formatDamage(status.members),
    ...formatTrouble(status.members),
    ...formatRefused(status.members),
    '',
    formatTransition(status.transition),
    ...formatTransfers(status.transfers),
    ...formatSent(status.members),
    ...formatPurge(status.purgedBefore)
  ].join('\n')
}

function formatMembers(members: readonly MemberStatus[]): string[] {
  const rows = [
    columns.map(({ title }) => title),
    ...members.map(member => columns.map(({ cell }) => cell(member)))
  ]
  const widths = columns.map((_, i) => Math.max(...rows.map(row => row[i]!.length)))
  return rows.map(row =>
    row
      .map((cell, i) => (columns[i]!.right === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd()
  )
}

/** Damage is rare: it has no column, only lines where there is any. */
function formatDamage(members: readonly MemberStatus[]): string[] {
  return members
    .filter(({ damaged }) => (damaged ?? 0) > 0)
    .map(({ peerId, damaged }) => `Damaged on ${peerId}: ${plural(damaged ?? 0, 'record')}, being repaired`)
}

/** Likewise: what others said that made no sense. Of whom and how often in full is in the JSON. */
function formatRefused(members: readonly MemberStatus[]): string[] {
  return members.flatMap(({ peerId, refused }) => {
    const kinds = Object.entries(refused?.kinds ?? {})
    if (kinds.length === 0) return []
    const [latest] = refused?.peers ?? []
    const of = latest === undefined ? '' : `; lately of ${latest.peerId}: ${latest.last}`
    return [
      `Refused by ${peerId}: ${kinds.map(([kind, count]) => `${formatCount(count)} ${kind}`).join(', ')}${of}`
    ]
  })
}

/** What has moved until now, of those who answered. */
function formatSent(members: readonly MemberStatus[]): string[] {
  const [records, bytes] = [
    members.reduce((sum, { sentRecords }) => sum + (sentRecords ?? 0), 0),
    members.reduce((sum, { sentBytes }) => sum + (sentBytes ?? 0), 0)
  ]
  if (records === 0) return []
  return [`Moved since the members started: ${plural(records, 'record')}, ${formatBytes(bytes)}`]
}

/** Rarer still. */
function formatTrouble(members: readonly MemberStatus[]): string[] {
  return members
    .filter(({ trouble }) => trouble !== null)
    .map(({ peerId, trouble }) => `Trouble on ${peerId}: ${trouble}`)
}

function formatPurge(purgedBefore: number | null): string[] {
  if (purgedBefore === null) return []
  return [`Deletes forgotten for good: those before ${new Date(purgedBefore).toISOString()}`]
}

function formatTransition(transition: TransitionStatus | null): string {
  if (transition === null) return 'Transition: none'
  const changes = [
    ...transition.joining.map(peerId => `${peerId} joins`),
    ...transition.leaving.map(peerId => `${peerId} leaves`),
    ...transition.removing.map(peerId => `${peerId} is removed`)
  ]
  const waiting = transition.waitingFor.length === 0 ? 'its close' : transition.waitingFor.join(', ')
  return `Transition: opened at epoch ${transition.opened}: ${changes.join(', ')}; waits for ${waiting}`
}

function formatTransfers(transfers: readonly TransferStatus[]): string[] {
  if (transfers.length === 0) return ['Transfers: none']
  return [
    'Transfers:',
    ...transfers.map(transfer => {
      const { peerId, kind, records, bytes, recordsLeft, bytesPerSecond, secondsLeft, waitsFor } = transfer
      const left = recordsLeft > 0 ? `, some ${formatCount(recordsLeft)} left` : ''
      const rate = bytesPerSecond > 0 ? `, ${formatBytes(bytesPerSecond)}/s` : ''
      const time = secondsLeft === null ? '' : `, ${formatSeconds(secondsLeft)} left`
      const waits = waitsFor === null ? '' : `; waits for ${waitsFor}`
      return `  ${peerId} ${transferVerb[kind]}: ${plural(records, 'record')}, ${formatBytes(bytes)} so far${left}${rate}${time}${waits}`
    })
  ]
}

/** The peer id has a column of its own. */
function shortAddress(address: string | undefined): string {
  return address?.replace(/\/p2p\/[^/]+$/, '') ?? unknown
}

/** What `npm run bench:scale` shows. */
import type { Table } from '../harness/tables.ts'
import type { ChangeCost } from './change.ts'
import type { Scale } from './peers.ts'

const mib = 1024 * 1024

export function peersTable(scales: readonly Scale[]): Table[] {
  const head = [
    '',
    'gossip B/s',
    'reconciling B/s',
    'gossip after a join B/s',
    'open known ms',
    'close known ms',
    'messages a get',
    'a put',
    'KiB a peer',
    'processor s'
  ]
  const rows = scales.map(scale => [
    `${scale.peers} peers`,
    ...[scale.gossipBytes, scale.reconcilingBytes, scale.gossipBytesJoining].map(bytes => bytes.toFixed(0)),
    ...[scale.openedMs, scale.closedMs].map(ms => ms.toFixed(0)),
    ...[scale.messagesPerGet, scale.messagesPerPut].map(count => count.toFixed(2)),
    (scale.memoryBytes / 1024).toFixed(0),
    (scale.processorMs / 1_000).toFixed(0)
  ])
  return table('peers, simulated; bytes per second are of one peer', head, rows)
}

export function changeTable(changes: readonly ChangeCost[]): Table[] {
  const head = ['', 'ring cpu ms', 'all cpu ms', 'ring MiB']
  const rows = changes.map(({ members, ringMs, followMs, ringBytes }) => [
    `a join, ${members} members then`,
    ringMs.toFixed(2),
    followMs?.toFixed(2) ?? '',
    (ringBytes / mib).toFixed(1)
  ])
  return table('the ring alone, 128 virtual nodes: what a join costs each member', head, rows)
}

function table(title: string, head: string[], rows: string[][]): Table[] {
  return rows.length === 0 ? [] : [{ title, head, rows }]
}

/** What `npm run bench:ring` shows. */
import type { Table } from '../harness/tables.ts'
import type { Balance, GammaBalance } from './balance.ts'
import type { RingCost } from './cost.ts'
import type { RingMovement } from './movement.ts'

export function costTable(costs: readonly RingCost[]): Table[] {
  const head = ['', 'lookups/s', 'p50 ns', 'p99 ns', 'p99.9 ns', 'cpu ns', 'made ms', 'join ms']
  const rows = costs.map(
    ({ name, peers, lookupsPerSecond, p50Ns, p99Ns, p999Ns, cpuNs, foundMs, joinMs }) => [
      `${peers} peers, ${name}`,
      ...[lookupsPerSecond, p50Ns, p99Ns, p999Ns, cpuNs].map(String),
      foundMs.toFixed(1),
      joinMs.toFixed(2)
    ]
  )
  return table('cost', head, rows)
}

export function movementTable(movements: readonly RingMovement[]): Table[] {
  const head = ['', 'copies moved', 'theory', 'to others']
  const rows = movements.map(({ name, peers, moved, theory, toOthers }) => [
    `a join to ${peers} peers, ${name}`,
    ...[moved, theory, toOthers].map(copies => copies.toFixed(4))
  ])
  return table('movement, for each key', head, rows)
}

export interface Balances {
  readonly shares: readonly GammaBalance[]
  readonly chord: readonly Balance[]
  readonly fullest: ReadonlyArray<{
    readonly peers: number
    readonly primary: number
    readonly copies: number
  }>
}

export function balanceTables({ shares, chord, fullest }: Balances): Table[] {
  return [
    ...table(
      'balance: the share held, over the mean, against Gamma(V, 1/V)',
      ['', 'peers', '1st percentile', 'theory', '99th percentile', 'theory'],
      shares.map(({ vnodes, peers, first, last, theory }) => [
        `V = ${vnodes}`,
        String(peers),
        ...[first, theory.first, last, theory.last].map(share => share.toFixed(3))
      ])
    ),
    ...table(
      "balance: keys per node, over the mean, as in Chord's section 6.2",
      ['', 'peers', '1st percentile', '99th percentile', 'most'],
      chord.map(({ vnodes, peers, first, last, most }) => [
        `V = ${vnodes}`,
        String(peers),
        ...[first, last, most].map(share => share.toFixed(2))
      ])
    ),
    ...table(
      'balance: the fullest peer over the mean, V = 128',
      ['', 'primaries', 'all copies'],
      fullest.map(({ peers, primary, copies }) => [`${peers} peers`, primary.toFixed(2), copies.toFixed(2)])
    )
  ]
}

function table(title: string, head: string[], rows: string[][]): Table[] {
  return rows.length === 0 ? [] : [{ title, head, rows }]
}

/** What a comparison found: rows of systems, each beside what Annulus did in the same minutes. */
import type { Measured } from '../harness/measure.ts'
import { pairedRatio, ratiosOf, type Ratios } from '../harness/ratios.ts'
import { cellsOf, resultColumns, resultOf, type CaseResult } from '../harness/results.ts'
import type { Table } from '../harness/tables.ts'
import type { CompareCase } from './contestant.ts'
import { operations, type Operation, type System } from './system.ts'

/** One operation of one system, and the same of Annulus with parts in turn. */
export interface Pair {
  readonly system: System
  readonly operation: Operation
  readonly annulus: Measured<CompareCase>
  readonly other: Measured<CompareCase>
}

export interface PairResult {
  readonly system: string
  readonly operation: Operation
  readonly promise: string
  readonly annulus: CaseResult
  readonly other: CaseResult
  /** Annulus's rate over the other's, of each part. */
  readonly ratios: readonly number[]
}

/** For example "put/etcd": so many times etcd's rate. */
export function compareRatios(pairs: readonly Pair[]): Ratios {
  return ratiosOf(
    pairs.map(pair => [
      nameOf(pair),
      pairedRatio(pair.annulus.measurement.rates, pair.other.measurement.rates)
    ])
  )
}

export function pairResult({ system, operation, annulus, other }: Pair): PairResult {
  const others = other.measurement.rates
  return {
    system: system.name,
    operation,
    promise: system.promise,
    annulus: resultOf(annulus),
    other: resultOf(other),
    ratios: annulus.measurement.rates.map((rate, part) => Number((rate / others[part]!).toPrecision(3)))
  }
}

export function compareTables(pairs: readonly Pair[]): Table[] {
  const ratios = compareRatios(pairs)
  return operations.flatMap(operation => {
    const ofThis = pairs.filter(pair => pair.operation === operation)
    if (ofThis.length === 0) return []
    const head = ['', 'in flight', ...resultColumns, 'Annulus is', 'target']
    const rows = ofThis.flatMap(pair => [
      [
        pair.system.name,
        ...cells(pair.other),
        times(ratios[nameOf(pair)]),
        times(pair.system.targets[operation])
      ],
      [`  annulus beside it`, ...cells(pair.annulus), '', '']
    ])
    return [{ title: operation, head, rows }]
  })
}

function nameOf({ operation, system }: Pair): string {
  return `${operation}/${system.name}`
}

function cells(measured: Measured): string[] {
  return [String(measured.case.inFlight), ...cellsOf(resultOf(measured))]
}

function times(ratio: number | undefined): string {
  return ratio === undefined ? '' : `${Number(ratio.toPrecision(3))} x`
}

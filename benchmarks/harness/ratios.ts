/** How two cases compare that were measured in turn: A B A B. */

/** By the name of what is compared, for example "put/etcd": so many times as fast. */
export type Ratios = Readonly<Record<string, number>>

/**
 * The median of the ratios of each part to the other case's part next to it: what disturbs one disturbs both, and a
 * part that was disturbed alone does not count. Undefined where there is nothing to divide by.
 */
export function pairedRatio(rates: readonly number[], others: readonly number[]): number | undefined {
  const ratios = rates.flatMap((rate, part) => {
    const other = others[part]
    return other === undefined || other === 0 ? [] : [rate / other]
  })
  return median(ratios)
}

/** Of an even number the mean of the middle two; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.floor((sorted.length - 1) / 2)]
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2
}

/** With three significant digits: more would say what the measurement does not know. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3))
}

/** Those that are known, by name, rounded. */
export function ratiosOf(entries: Iterable<readonly [name: string, ratio: number | undefined]>): Ratios {
  return Object.fromEntries(
    [...entries].flatMap(([name, ratio]) => (ratio === undefined ? [] : [[name, rounded(ratio)]]))
  )
}

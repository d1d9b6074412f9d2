/**
 * A brute-force checker for histories of one register: is there an order of the operations that keeps real
 * time and in which every read returns the latest write? After Wing and Gong ("Testing and Verifying
 * Concurrent Objects", 1993), with the memory of Lowe (2017): a set of operations done, together with the
 * value that they leave, is looked at once. Meant for histories of up to some fifty operations.
 */

export interface RegisterOperation {
  readonly kind: 'read' | 'write'
  /** What was written or read; undefined: nothing, or deleted. */
  readonly value: string | undefined
  readonly calledAt: number
  /** Infinity where the outcome is not known: then a write took effect at some time after its call, or never. */
  readonly returnedAt: number
}

/** Whether a register that starts out empty can have shown this history. */
export function isLinearizable(history: readonly RegisterOperation[]): boolean {
  // What was never answered and read nothing says nothing.
  const operations = history.filter(({ kind, returnedAt }) => kind === 'write' || returnedAt !== Infinity)
  const seen = new Set<string>()
  const isDone = operations.map(() => false)

  const search = (value: string | undefined): boolean => {
    const open = operations.filter((_, i) => !isDone[i])
    const firstReturn = Math.min(Infinity, ...open.map(({ returnedAt }) => returnedAt))
    // Whatever is left has no known outcome, and need not have happened.
    if (firstReturn === Infinity) return true
    const state = `${isDone.map(Number).join('')} ${String(value)}`
    if (seen.has(state)) return false
    seen.add(state)
    for (const [i, operation] of operations.entries()) {
      if (isDone[i] === true || operation.calledAt > firstReturn) continue
      if (operation.kind === 'read' && operation.value !== value) continue
      isDone[i] = true
      if (search(operation.kind === 'write' ? operation.value : value)) return true
      isDone[i] = false
    }
    return false
  }
  return search(undefined)
}

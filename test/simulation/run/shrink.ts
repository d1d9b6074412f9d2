/**
 * Looks for a shorter script that still breaks the same guarantee: delta debugging (Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", 2002) over the faults, then the operations, after cutting
 * off what comes after the violation. Steps keep their times and draws, so leaving one out moves no other.
 */
import type { Guarantee } from './checker.ts'
import type { Script } from './script.ts'

export interface ShrinkInit {
  /** Runs a script: whether the guarantee is broken, and at what time of the script it was seen to be, in ms. */
  readonly breaks: (script: Script) => Promise<number | undefined>
  /** Runs that may be made. */
  readonly maxRuns: number
  /** Told of each shorter script that still fails. */
  readonly onProgress?: (script: Script, runs: number) => void
}

export interface Shrunk {
  readonly script: Script
  readonly runs: number
}

/** The guarantee that a shrink goes by, of all that a run broke: what a client sees before what is inside. */
export function guaranteeToShrink(broken: readonly Guarantee[]): Guarantee | undefined {
  const order: readonly Guarantee[] = [
    'G4',
    'G6',
    'G9',
    'log',
    'G1',
    'G3',
    'G5',
    'G7',
    'G8',
    'crash',
    'judge'
  ]
  return order.find(guarantee => broken.includes(guarantee))
}

/** The shortest script found; `script` itself where it does not fail at all, or nothing shorter does. */
export async function shrink(script: Script, init: ShrinkInit): Promise<Shrunk> {
  const search = new Search(script, init)
  await search.cutTheEnd()
  // Operations depend on faults more than faults on operations; what is left of each is tried again at the end.
  for (let before = Infinity; search.size < before && !search.isOver;) {
    before = search.size
    await search.reduce('faults')
    await search.reduce('operations')
    await search.shorten()
  }
  return { script: search.best, runs: search.runs }
}

class Search {
  best: Script
  runs = 0
  readonly #init: ShrinkInit

  constructor(script: Script, init: ShrinkInit) {
    this.best = script
    this.#init = init
  }

  get size(): number {
    return this.best.faults.length + this.best.operations.length
  }

  get isOver(): boolean {
    return this.runs >= this.#init.maxRuns
  }

  /** Leaves out what comes after the violation was seen. */
  async cutTheEnd(): Promise<void> {
    const seenAtMs = await this.#run(this.best)
    if (seenAtMs === undefined) return
    const isBefore = ({ atMs }: { readonly atMs: number }): boolean => atMs <= seenAtMs
    await this.#accept({
      faults: this.best.faults.filter(isBefore),
      operations: this.best.operations.filter(isBefore)
    })
  }

  /** ddmin: without halves, then quarters, and so on down to single steps. */
  async reduce(part: keyof Script): Promise<void> {
    let chunks = 2
    while (this.best[part].length > 0 && !this.isOver) {
      const size = Math.ceil(this.best[part].length / chunks)
      if (await this.#dropOneOf(part, size)) chunks = Math.max(2, chunks - 1)
      else if (size <= 1) return
      else chunks = Math.min(this.best[part].length, 2 * chunks)
    }
  }

  async #dropOneOf(part: keyof Script, size: number): Promise<boolean> {
    // From the end: what comes last matters least, and leaves the run before it as it was.
    for (let end = this.best[part].length; end > 0 && !this.isOver; end -= size) {
      const without = this.best[part].toSpliced(Math.max(0, end - size), Math.min(size, end))
      if (await this.#accept({ ...this.best, [part]: without })) return true
    }
    return false
  }

  /** Halves the time that faults last. */
  async shorten(): Promise<void> {
    for (const [index, step] of this.best.faults.entries()) {
      if (step.durationMs < 1_000 || this.isOver) continue
      const shorter = this.best.faults.with(index, { ...step, durationMs: step.durationMs / 2 })
      await this.#accept({ ...this.best, faults: shorter })
    }
  }

  async #accept(candidate: Script): Promise<boolean> {
    if (this.isOver || (await this.#run(candidate)) === undefined) return false
    this.best = candidate
    this.#init.onProgress?.(candidate, this.runs)
    return true
  }

  #run(script: Script): Promise<number | undefined> {
    this.runs++
    return this.#init.breaks(script)
  }
}

/** A script in lines, for people. */
export function describeScript({ faults, operations }: Script): string {
  const steps = [
    ...faults.map(({ atMs, kind, durationMs, draw }) => {
      return { atMs, text: `fault ${kind}, for ${durationMs.toFixed(0)} ms, draw ${draw.toFixed(4)}` }
    }),
    ...operations.map(({ atMs, client, kind, key, valueBytes, ttlMs }) => {
      const what =
        kind === 'put' ? `, ${valueBytes} bytes${ttlMs === undefined ? '' : `, ttl ${ttlMs} ms`}` : ''
      return { atMs, text: `client ${client}: ${kind} ${key}${what}` }
    })
  ].sort((a, b) => a.atMs - b.atMs)
  return steps.map(({ atMs, text }) => `${atMs.toFixed(1).padStart(10)} ms  ${text}`).join('\n')
}

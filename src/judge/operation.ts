/**
 * What the judges of this folder judge: operations as clients called them and were answered. `annulus churn` records
 * them of real clusters, the simulator of its own.
 */

/**
 * - `ok`: it was answered.
 * - `unknown`: it failed and may have had an effect, or is not over yet.
 * - `refused`: it failed and surely had no effect.
 */
export type Outcome = 'ok' | 'unknown' | 'refused'

export interface Operation {
  readonly kind: 'get' | 'put' | 'delete'
  readonly key: string
  /** What was put, or what a get returned; undefined: nothing, or deleted. Every put has a value of its own. */
  readonly value: string | undefined
  /** Of what was stored or read, a delete's too; undefined where nobody told. */
  readonly version: string | undefined
  /** When what was put expires, in ms since 1970 by the clock of its coordinator; undefined: never. */
  readonly expiresAt: number | undefined
  /** The coordinator's clock when a get was answered, which is what judges expiry; undefined: not known. */
  readonly judgedAt: number | undefined
  /** In ms, by the one clock of all who ask. */
  readonly calledAt: number
  /** By the same clock; Infinity while it is not over. */
  readonly endedAt: number
  readonly outcome: Outcome
  /** Code of the error that it failed with. */
  readonly errorCode: string | undefined
  readonly error: string | undefined
  /** False where it failed with something that is no honest AnnulusError. */
  readonly isHonest: boolean
  /** Who was asked. */
  readonly asked: string
}

/** By the guarantee that it breaks: G4, linearizable; G6, expired stays expired; G9, honest errors. */
export interface Violation {
  readonly guarantee: 'G4' | 'G6' | 'G9'
  /** What is wrong, in words. */
  readonly what: string
  /** The key concerned. */
  readonly subject: string
}

export function ms(at: number): string {
  return `${at.toFixed(1)} ms`
}

/** The flags that all benchmarks have, and the checks of what is given with them. */

export const commonFlags = {
  json: { type: 'boolean', default: false },
  markdown: { type: 'string' },
  seed: { type: 'string', default: '1' },
  only: { type: 'string', default: '' },
  help: { type: 'boolean', default: false }
} as const

export const commonUsage = `  --json           one JSON document on stdout instead of tables
  --markdown FILE  writes the tables to a page too
  --seed N         what keys and values are drawn from; default 1
  --only TEXT      only what has TEXT in its name, and what it is compared with`

export interface CommonOptions {
  readonly json: boolean
  readonly markdown: string | undefined
  readonly seed: number
  readonly only: string
  /** All that makes a difference to the results; part of the report. */
  readonly settings: object
}

/** Values of `commonFlags` as parseArgs gives them. */
export interface CommonValues {
  readonly json: boolean
  readonly markdown?: string | undefined
  readonly seed: string
  readonly only: string
}

const maxSeed = 0xffff_ffff

export function commonOf({ json, markdown, seed, only }: CommonValues): Omit<CommonOptions, 'settings'> {
  return { json, markdown, seed: wholeNumber('--seed', seed, { from: 0, to: maxSeed }), only }
}

export interface Bounds {
  readonly from: number
  readonly to: number
}

/** Throws an Error that names the flag where the text is no number within the bounds, both included. */
export function numberWithin(flag: string, text: string, { from, to }: Bounds): number {
  const number = text.trim() === '' ? NaN : Number(text)
  if (!(number >= from && number <= to)) throw new Error(`${flag} takes ${from} to ${to}, not ${text}`)
  return number
}

export function wholeNumber(flag: string, text: string, { from, to }: Bounds): number {
  const number = text.trim() === '' ? NaN : Number(text)
  if (!Number.isInteger(number) || number < from || number > to) {
    throw new Error(`${flag} takes whole numbers from ${from} to ${to}, not ${text}`)
  }
  return number
}

export function wholeNumbers(flag: string, text: string, bounds: Bounds): number[] {
  return text.split(',').map(part => wholeNumber(flag, part, bounds))
}

/** A list of words, each one of those allowed. */
export function wordsOf<W extends string>(flag: string, text: string, allowed: readonly W[]): W[] {
  return text.split(',').map(word => {
    const known = allowed.find(one => one === word)
    if (known === undefined) throw new Error(`${flag} takes ${allowed.join(', ')}, not ${word}`)
    return known
  })
}

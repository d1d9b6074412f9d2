/** Which messages a schedule means, by who asks whom for what, and what becomes of them. Used by the stage. */
import { decodeRecord } from '../../../src/core/record/codec.ts'
import { positionOf } from '../../../src/core/ring/position.ts'
import type { RequestBody } from '../../../src/core/rpc-types.ts'
import type { Request, SessionDomain } from '../../../src/wire/generated/messages.ts'

export type Kind = keyof RequestBody

/** What a get, or the version round of a put, asks. */
export const reads: readonly Kind[] = ['readVersion', 'readRecord']

/** All that is asked about one key. */
export const aboutKeys: readonly Kind[] = [...reads, 'writeRecord']

/** The messages meant; what is left out is any. */
export interface Which {
  /** Letters of those who may be the one that asks. */
  readonly from?: string
  /** Letters of those who may be the one asked. */
  readonly to?: string
  readonly kind?: Kind | readonly Kind[]
  readonly part?: 'request' | 'answer'
  /** Only what is asked about this key. */
  readonly key?: string
  /** Only comparing in a session about this domain. */
  readonly domain?: SessionDomain
}

/** A message as the stage sees it. */
export interface Message {
  readonly from: string
  readonly to: string
  readonly request: Request
  readonly part: 'request' | 'answer'
}

export function isMeant({ from, to, kind, part, key, domain }: Which, message: Message): boolean {
  return (
    (from === undefined || from.includes(message.from)) &&
    (to === undefined || to.includes(message.to)) &&
    (kind === undefined || [kind].flat().some(each => message.request[each] !== undefined)) &&
    (part === undefined || part === message.part) &&
    (key === undefined || isAbout(key, message.request)) &&
    (domain === undefined || message.request.compareNodes?.domain === domain)
  )
}

function isAbout(key: string, { readVersion, readRecord, writeRecord }: Request): boolean {
  const position = positionOf(new TextEncoder().encode(key))
  const asked =
    readVersion?.position ??
    readRecord?.position ??
    (writeRecord === undefined ? undefined : decodeRecord(writeRecord.record).position)
  return asked !== undefined && Buffer.compare(asked, position) === 0
}

export type Fate = 'hold' | 'lose' | 'watch'

/** Messages that are held, lost or only counted from its making on, until it ends. */
export class Interception {
  readonly #which: Which
  readonly #fate: Fate
  #held: Array<() => void> = []
  #hasEnded = false
  /** How many such messages there were. */
  count = 0

  constructor(which: Which, fate: Fate) {
    this.#which = which
    this.#fate = fate
  }

  /** True where the message goes no further now. */
  meet(message: Message, pass: () => void): boolean {
    if (this.#hasEnded || !isMeant(this.#which, message)) return false
    this.count++
    if (this.#fate === 'hold') this.#held.push(pass)
    return this.#fate !== 'watch'
  }

  /** Sends on what is held; what comes from now on passes. */
  release(): void {
    const held = this.#held
    this.end()
    for (const pass of held) pass()
  }

  /** What comes from now on passes; what is held is lost. */
  end(): void {
    this.#hasEnded = true
    this.#held = []
  }
}

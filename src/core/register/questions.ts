/** What a round can ask: which version or record a replica holds (Survey), or to store a record (Storing). */
import type { Response } from '../../wire/generated/messages.ts'
import { decodeRecord, RecordFormatError } from '../record/codec.ts'
import type { StoredRecord } from '../record/record.ts'
import { compareVersions, type Version } from '../record/version.ts'
import type { RequestBody } from '../rpc-types.ts'
import type { Candidate } from './placement.ts'
import type { Question } from './round.ts'
import { isVersion } from './wire.ts'

export interface SurveyInit {
  readonly key: Uint8Array
  readonly position: Uint8Array
  /** Asks one replica at a time for its whole record; else all only for their version. */
  readonly wantsRecord: boolean
  /** Bytes of the record that is to be put next; left out: nothing that needs room. */
  readonly storing?: number
}

/** Asks what replicas hold: one of them for its record, the others for its version alone. */
export class Survey implements Question {
  readonly isEffect = false
  readonly asksAll = false
  readonly #key: Uint8Array
  readonly #position: Uint8Array
  readonly #wantsRecord: boolean
  readonly #storing: number | undefined
  readonly #held = new Map<string, Version | undefined>()
  /** Who is asked for its record rather than its version. */
  #recordFrom: string | undefined
  #record: StoredRecord | undefined

  constructor({ key, position, wantsRecord, storing }: SurveyInit) {
    this.#key = key
    this.#position = position
    this.#wantsRecord = wantsRecord
    this.#storing = storing
  }

  /** The newest version that voters hold; undefined where none holds any. */
  get newest(): Version | undefined {
    let newest: Version | undefined
    for (const version of this.#held.values()) if (compareVersions(version, newest) > 0) newest = version
    return newest
  }

  /** The newest record that came. It may be older than `newest`. */
  get record(): StoredRecord | undefined {
    return this.#record
  }

  /** The voters that hold this version or a newer one. */
  holders(version: Version | undefined): string[] {
    return [...this.#held.keys()].filter(key => compareVersions(this.#held.get(key), version) >= 0)
  }

  /** From now on this one is asked for its record; what it said of its version no longer counts. */
  wantRecordFrom(key: string): void {
    this.#recordFrom = key
    this.#held.delete(key)
  }

  request({ key }: Candidate): RequestBody {
    const position = this.#position
    if (this.#wantsRecord) this.#recordFrom ??= key
    if (this.#recordFrom === key) return { readRecord: { position } }
    const storing = this.#storing
    return { readVersion: storing === undefined ? { position } : { position, storing } }
  }

  take({ key }: Candidate, { record, version }: Response): string | undefined {
    if (version !== undefined) return this.#takeVersion(key, version.version)
    if (record === undefined) return 'answered something else'
    if (record.record.length === 0) return this.#takeVersion(key, undefined)
    return this.#takeRecord(key, record.record)
  }

  gaveUp({ key }: Candidate): void {
    if (this.#recordFrom === key) this.#recordFrom = undefined
  }

  #takeVersion(key: string, version: Version | undefined): string | undefined {
    if (version !== undefined && !isVersion(version)) return 'answered a malformed version'
    this.#held.set(key, version)
    return undefined
  }

  #takeRecord(key: string, bytes: Uint8Array): string | undefined {
    try {
      const record = decodeRecord(bytes, this.#position)
      if (Buffer.compare(record.key, this.#key) !== 0) return 'answered the record of another key'
      if (compareVersions(record.version, this.#record?.version) > 0) this.#record = record
      return this.#takeVersion(key, record.version)
    } catch (error) {
      if (error instanceof RecordFormatError) return `answered a malformed record: ${error.message}`
      throw error
    }
  }
}

export interface StoringInit {
  readonly record: StoredRecord
  /** True for the record of this operation; false for another's, which is written back. */
  readonly isEffect: boolean
  readonly asksAll: boolean
}

/** Asks replicas to store a record. */
export class Storing implements Question {
  readonly isEffect: boolean
  readonly asksAll: boolean
  readonly #request: RequestBody

  constructor({ record, isEffect, asksAll }: StoringInit) {
    this.isEffect = isEffect
    this.asksAll = asksAll
    const isPut = isEffect && record.kind === 'value'
    this.#request = {
      writeRecord: isPut ? { record: record.encoded, put: true } : { record: record.encoded }
    }
  }

  request(): RequestBody {
    return this.#request
  }

  take(_candidate: Candidate, { done }: Response): string | undefined {
    return done === undefined ? 'answered something else' : undefined
  }
}

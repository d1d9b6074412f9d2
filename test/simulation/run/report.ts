/**
 * Tells of a violation what someone needs to understand it: the guarantee in words, the run's settings, what
 * happened about the key or peer concerned in the order of time, and the command that replays it. Runs are
 * repeatable, so the story is collected by a second run rather than kept by every one.
 */
import { positionOf } from '../../../src/core/ring/position.ts'
import { Request, Response } from '../../../src/wire/generated/messages.ts'
import type { Guarantee, Violation } from './checker.ts'
import { simulate, type SimulateOptions } from './simulate.ts'
import type { SimulationSettings } from './settings.ts'

/** Lines of a story, and characters of a line, beyond which it is cut. */
const maxLines = 400
const maxLineLength = 300

export const inWords: Readonly<Record<Guarantee, string>> = {
  G1: 'placement is a function of the member set alone',
  G2: 'a change of the ring moves only records whose replicas changed, and each of them once',
  G3: 'an acknowledged put is on disk at a quorum',
  G4: 'put, get and delete of one key are linearizable',
  G5: 'a key can be read and written while a quorum of its replicas can be reached',
  G6: 'deletes stay deleted, and expired stays expired',
  G7: 'when faults stop, all agree, and every record is on its replicas alone',
  G8: 'everything is bounded, and nothing is left after a stop',
  G9: 'every error says truly whether the operation had no effect or may have had one',
  log: 'all peers hold the same topology at the same epoch',
  judge: 'the two judges of linearizability agree',
  crash: 'nothing fails in a way that nobody expected'
}

/** What is wrong, without the story. */
export function headline({ guarantee, subject, what }: Violation): string {
  return `${guarantee} is broken (${inWords[guarantee]}): ${subject}: ${what}`
}

/** The whole report on the first of a run's violations. */
export async function reportOf(
  settings: SimulationSettings,
  violation: Violation,
  options: Pick<SimulateOptions, 'script' | 'stopAtFirst'> & { readonly replay: string }
): Promise<string> {
  const story = new Story(violation.subject)
  const { replay, ...rest } = options
  await simulate(settings, { ...rest, trace: story })
  return [
    `seed ${settings.seed}, profile ${settings.profile}`,
    headline(violation),
    '',
    `settings ${JSON.stringify(settings)}`,
    '',
    `what happened about ${violation.subject}, in virtual ms:`,
    ...story.lines.map(line => `  ${line}`),
    '',
    `replay: ${replay}`
  ].join('\n')
}

/** What a message is, by the name of the one body that it has. */
function bodyOf(bytes: Uint8Array, kind: 'request' | 'answer'): { name: string; epoch: number } {
  const { epoch, ...bodies } = kind === 'request' ? Request.decode(bytes) : Response.decode(bytes)
  const set = Object.entries(bodies).filter(([name]) => name !== 'log')
  return { epoch, name: set.map(([name]) => name).join() || '(empty)' }
}

/** Collects what names a key or a peer, and all faults. */
class Story {
  readonly #names: readonly string[]
  readonly #bytes: readonly Buffer[]
  readonly #lines: string[] = []

  constructor(subject: string) {
    const position = positionOf(new TextEncoder().encode(subject))
    // Logs know a peer by the end of its id, and a key by its position.
    this.#names = [subject, subject.slice(-4), Buffer.from(position).toString('hex')]
    this.#bytes = subject.startsWith('key ') ? [Buffer.from(position), Buffer.from(subject)] : []
  }

  /** The last ones, where there are too many: what broke is at the end. */
  get lines(): readonly string[] {
    const cut = this.#lines.length - maxLines
    return cut <= 0 ? this.#lines : [`(${cut} earlier lines left out)`, ...this.#lines.slice(-maxLines)]
  }

  readonly event = (atMs: number, what: string): void => {
    if (what.startsWith('fault ') || what.startsWith('all faults') || this.#concerns(what))
      this.#add(atMs, what)
  }

  readonly message = (
    atMs: number,
    from: string,
    to: string,
    body: Uint8Array,
    kind: 'request' | 'answer'
  ): void => {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    if (!this.#bytes.some(name => bytes.includes(name))) return
    const { name, epoch } = bodyOf(body, kind)
    const link = `from ${from.slice(-4)} to ${to.slice(-4)}`
    this.#add(atMs, `${kind} ${name} ${link} at epoch ${epoch}, ${body.length} bytes`)
  }

  #concerns(what: string): boolean {
    // "key 1" is not meant where "key 12" is named.
    return this.#names.some(name => {
      const at = what.indexOf(name)
      return at >= 0 && !/[0-9]/.test(what[at + name.length] ?? '')
    })
  }

  #add(atMs: number, what: string): void {
    this.#lines.push(`${atMs.toFixed(3).padStart(12)}  ${what.slice(0, maxLineLength)}`)
  }
}
